"""The table of bytes: sizes, alignment, the documented offsets."""

from __future__ import annotations

import pytest

from chronotick.shm import layout
from chronotick.shm.layout import SECTIONS, Field, codec


def test_the_sections_tile_the_segment_without_overlap() -> None:
    """Every byte of the segment belongs to exactly one section."""
    edges = [
        (layout.COMPATIBILITY_AT, layout.COMPATIBILITY_SIZE),
        (layout.HEADER_AT, layout.HEADER_SIZE),
        (layout.SEQUENCE_AT, layout.SEQUENCE_SIZE),
        (layout.SLOT_AT, layout.SLOT_SIZE),
        (layout.SLOT_AT + layout.SLOT_SIZE, layout.SLOT_SIZE),
        (layout.RING_AT, layout.RING_SIZE),
        (layout.RING_ENTRIES_AT, layout.RING_ENTRIES * layout.RING_ENTRY_SIZE),
    ]
    end = 0
    for start, size in edges:
        assert start == end
        end = start + size
    assert end == layout.SEGMENT_SIZE == 4096


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_has_exactly_its_size(name: str) -> None:
    """The codec that is built from the table is as long as the table says."""
    fields, _, size = SECTIONS[name]

    assert codec(fields, size).size == size


@pytest.mark.parametrize("name", sorted(SECTIONS.keys() - {"compatibility"}))
def test_fields_are_aligned_to_their_size(name: str) -> None:
    """No field but those of the packed record straddles its natural alignment."""
    fields, at, size = SECTIONS[name]

    assert at % 8 == 0
    assert size % 8 == 0
    for field in fields:
        alignment = min(field.size, 8)
        assert field.offset % alignment == 0, field


def test_the_sequence_has_a_cache_line_of_its_own() -> None:
    """Readers that poll the sequence do not disturb the writer of anything else."""
    assert layout.SEQUENCE_AT % 64 == 0
    assert layout.SLOT_AT - layout.SEQUENCE_AT >= 64


def test_the_compatibility_record_has_the_documented_offsets() -> None:
    """A reader written against the original document finds every field."""
    documented = {
        "corrected_timestamp": (0, "f64"),
        "system_timestamp": (8, "f64"),
        "offset_correction": (16, "f64"),
        "drift_rate": (24, "f64"),
        "offset_uncertainty": (32, "f64"),
        "drift_uncertainty": (40, "f64"),
        "prediction_time": (48, "f64"),
        "valid_until": (56, "f64"),
        "confidence": (64, "f32"),
        "sequence_number": (68, "u32"),
        "flags": (72, "u32"),
        "source": (76, "u32"),
        "measurement_count": (80, "u32"),
        "last_ntp_sync": (84, "f64"),
        "daemon_uptime": (92, "f64"),
        "total_corrections": (100, "u32"),
        "reserved": (104, "u32"),
        "average_latency_ms": (108, "f32"),
        "reserved_tail": (112, "16 B"),
    }

    assert {f.name: (f.offset, f.kind) for f in layout.COMPATIBILITY} == documented


def test_a_table_that_overlaps_is_refused() -> None:
    """A slip in the table stops the import instead of reaching a segment."""
    rows = (Field("a", 0, "u64", "", ""), Field("b", 4, "u32", "", ""))

    with pytest.raises(ValueError, match="b at 4 overlaps byte 7"):
        codec(rows, 16)


def test_a_table_that_passes_its_section_is_refused() -> None:
    """No field reaches into the section behind it."""
    with pytest.raises(ValueError, match="a ends at 8"):
        codec((Field("a", 0, "u64", "", ""),), 4)
