"""The daemon's report: read if it is one, None otherwise."""

from __future__ import annotations

import json
import os
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chronotick.client.status import read_status
from chronotick.core.records import SourceReport

if TYPE_CHECKING:
    from chronotick.shm.writer import SegmentWriter

_DOCUMENT: dict[str, Any] = {
    "schema": 1,
    "pid": 42,
    "start_id": "00ff",
    "written_raw_ns": 5_000,
    "written_realtime_ns": 1_790_000_000_000_000_000,
    "state": "running",
    "started_realtime_ns": 1_780_000_000_000_000_000,
    "rss_bytes": 31_000_000,
    "cpu_affinity": [0, 1],
    "heartbeat_hz": 100.0,
    "sources": [
        {
            "server": "a.example",
            "endpoint": "192.0.2.1:123",
            "verdict": "selected",
            "reach": 255,
            "offset_ns": -5,
            "rejected": {"duplicate": 1},
            "said by a newer daemon": True,
        }
    ],
}


def _report(path: str, document: object) -> Path:
    report = Path(path + ".status")
    report.write_text(json.dumps(document))
    return report


def test_a_report_is_read(path: str, writer: SegmentWriter) -> None:
    """Every field, with rows as records; what a newer daemon adds is passed over."""
    _report(path, _DOCUMENT)
    got = read_status(path)

    assert got is not None
    assert (got.pid, got.start_id, got.state) == (42, 255, "running")
    assert (got.age_ns(5_007), got.age_ns(4_000)) == (7, 0)
    assert got.cpu_affinity == (0, 1)
    assert got.sources == (
        SourceReport(
            server="a.example",
            endpoint="192.0.2.1:123",
            verdict="selected",
            reach=255,
            offset_ns=-5,
            rejected={"duplicate": 1},
        ),
    )


def test_no_report_is_none(path: str, writer: SegmentWriter) -> None:
    """A daemon of the same segment layout need not write one."""
    assert read_status(path) is None


def test_no_segment_is_none(path: str) -> None:
    """A report alone belongs to nobody."""
    _report(path, _DOCUMENT)

    assert read_status(path) is None


@pytest.mark.parametrize("missing", sorted(_DOCUMENT))
def test_an_incomplete_report_is_none(
    path: str, writer: SegmentWriter, missing: str
) -> None:
    """Half a report is not filled up with made-up values."""
    _report(path, {k: v for k, v in _DOCUMENT.items() if k != missing})

    assert read_status(path) is None


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "7", '{"schema": 2}', '{"schema": 1, "pid": "x"}', "\xff"],
)
def test_anything_else_is_none(path: str, writer: SegmentWriter, content: str) -> None:
    """Garbage and later schemas are not guessed at."""
    Path(path + ".status").write_bytes(content.encode("latin-1"))

    assert read_status(path) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_somebody_elses_report_is_none(path: str, writer: SegmentWriter) -> None:
    """In /dev/shm anybody can put a file beside the segment."""
    os.chown(_report(path, _DOCUMENT), 65534, 65534)

    assert read_status(path) is None


def test_a_report_by_another_way_is_none(path: str, writer: SegmentWriter) -> None:
    """A FIFO is not waited for, which would stop whoever asks; no link is followed."""
    os.mkfifo(path + ".status")
    assert read_status(path) is None

    os.unlink(path + ".status")
    elsewhere = _report(path + "-elsewhere", _DOCUMENT)
    os.symlink(elsewhere, path + ".status")
    assert read_status(path) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner),
    max_leaves=3,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    field=st.sampled_from(sorted(_DOCUMENT)),
    row=st.sampled_from(sorted(SourceReport.__dataclass_fields__)),
    value=_JSON,
)
@example(field="sources", row="server", value=["x"])
@example(field="pid", row="reach", value=inf)
@example(field="audit", row="rejected", value=[1])
def test_whatever_is_in_it_a_report_is_one_or_none(
    path: str, writer: SegmentWriter, field: str, row: str, value: object
) -> None:
    """What is read can be printed; nothing that another program wrote is an error."""
    rows = [_DOCUMENT["sources"][0] | {row: value}]
    for document in ({field: value}, {"sources": rows}):
        _report(path, _DOCUMENT | document)
        got = read_status(path)
        if got is not None:
            assert msgspec.json.encode([got.sources, got.rss_bytes, got.heartbeat_hz])


def test_a_report_nested_without_end_is_none(path: str, writer: SegmentWriter) -> None:
    """As deep as the file may be large."""
    Path(path + ".status").write_text("[" * 100_000)

    assert read_status(path) is None
