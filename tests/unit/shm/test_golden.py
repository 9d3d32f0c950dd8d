"""The golden images decode for ever, also by readers that share no code with ours."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest

from chronotick.shm.codec import decode_entry, decode_slot
from chronotick.shm.layout import (
    MAGIC,
    RING_ENTRIES,
    RING_ENTRIES_AT,
    RING_ENTRY_SIZE,
    SEGMENT_SIZE,
    SLOT_AT,
    SLOT_SIZE,
)

_VECTORS = Path(__file__).parents[2] / "vectors" / "shm"


@pytest.fixture
def image() -> bytes:
    """Return the segment of layout 1."""
    return (_VECTORS / "layout-1.bin").read_bytes()


@pytest.fixture
def expected() -> dict[str, Any]:
    """Return what it says."""
    found: dict[str, Any] = json.loads((_VECTORS / "layout-1.json").read_text())
    return found


def test_the_slots_say_what_they_said(image: bytes, expected: dict[str, Any]) -> None:
    """Every field of both slots, exactly."""
    for slot in expected["slots"]:
        sequence = slot["sequence"]
        got = decode_slot(sequence, image, SLOT_AT + SLOT_SIZE * (sequence & 1))

        assert got._asdict() == slot


def test_the_ring_says_what_it_said(image: bytes, expected: dict[str, Any]) -> None:
    """44 of the 50 corrections, each in the place that its number gives it."""
    found = {}
    for place in range(RING_ENTRIES):
        at = RING_ENTRIES_AT + place * RING_ENTRY_SIZE
        entry = decode_entry(image, at)
        assert (entry.number - 1) % RING_ENTRIES == place
        found[entry.number] = entry

    assert sorted(found, reverse=True) == expected["history_numbers"]
    newest = expected["slots"][1]
    for name in set(newest) & set(found[50]._fields):
        assert getattr(found[50], name) == newest[name], name


def test_the_header_lies_where_the_page_says(image: bytes) -> None:
    """Read with nothing but the documented offsets."""
    magic, version, version_min, size = struct.unpack_from("<8sHHI", image, 128)
    boot_id, start_id, pid, state = struct.unpack_from("<16sQII", image, 144)
    (sequence,) = struct.unpack_from("<Q", image, 192)

    assert magic == b"CHRONOTK" == MAGIC.to_bytes(8, "little")
    assert (version, version_min, size) == (1, 1, SEGMENT_SIZE)
    assert boot_id == bytes(range(0x10, 0x20))
    assert start_id == int.from_bytes(bytes(range(0xA0, 0xA8)), "little")
    assert (pid, state, sequence) == (4242, 1, 50)


def test_a_reader_of_the_original_document_finds_its_record(image: bytes) -> None:
    """Offsets and meanings of the 128 bytes, by `struct` alone."""
    (corrected, system, offset, drift, sigma, drift_sigma, predicted, valid_until,
     confidence, number, flags, source, measured, synced, uptime, corrections, _,
     latency_ms) = struct.unpack_from("<8df4I2d2If", image)  # fmt: skip

    assert number % 2 == 0
    assert number > 0
    assert flags == 1 | 2 | 4 | 8
    assert source == 4
    assert confidence == pytest.approx(0.8, abs=0.002)
    assert (measured, corrections) == (1050, 2050)
    assert corrected - system == pytest.approx(offset, abs=5e-7)
    # UTC is 987,654 ns ahead of the whole second at the anchor 2 ms before, and the
    # system clock 250,000 ns at the publication; −12.3 ppm of 2 ms is −25 ns.
    assert offset == pytest.approx((987_654 + 2_000_000 - 250_000 - 25) / 1e9, abs=2e-9)
    # UTC runs 12.346 ppm slow of RAW, the system clock is steered 5 us/s fast.
    assert drift == pytest.approx(-12.345_678_9e-6 - 5e-6, abs=1e-10)
    assert sigma == pytest.approx(math.sqrt(1.5e8 + 250**2) / 1e9, rel=1e-4)
    # The rate's own sigma, and two pairs of 250 ns each, one second apart.
    assert drift_sigma == pytest.approx(25.3e-9 + 500e-9, rel=1e-3)
    assert predicted == system
    assert valid_until - system == pytest.approx(600.0, abs=1e-6)
    assert system - synced == pytest.approx(16.0, abs=0.002)
    assert uptime == pytest.approx(110.0)
    assert latency_ms == pytest.approx(1.234567)
    assert struct.unpack_from("<2Q", image, 112) == (0, 0)
