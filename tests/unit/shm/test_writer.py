"""Publishing: what is stored where, when it changes, what a restart keeps."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.core.errors import (
    ClockDisrupted,
    UnsupportedPlatform,
)
from chronotick.core.native import FOR_OTHERS
from chronotick.core.status import Status
from chronotick.core.units import NS_PER_S
from chronotick.shm import host
from chronotick.shm import writer as writer_module
from chronotick.shm.codec import decode_slot, encode_slot
from chronotick.shm.compat import decode_record
from chronotick.shm.layout import (
    HEADER_AT,
    RING_AT,
    RING_ENTRIES,
    RING_ENTRIES_AT,
    SEGMENT_SIZE,
    SEQUENCE_AT,
    SLOT_AT,
    SLOT_SIZE,
)
from chronotick.shm.native import HOT, WHY
from chronotick.shm.reader import SegmentReader
from chronotick.shm.writer import SegmentWriter
from unit.shm.frames import RAW_NS, make_frame

if TYPE_CHECKING:
    from types import ModuleType


_BOOT_AT = HEADER_AT + 16


def _sequence(path: str) -> int:
    return int.from_bytes(Path(path).read_bytes()[SEQUENCE_AT:][:8], "little")


def test_nothing_is_published_at_first(writer: SegmentWriter) -> None:
    """A new segment has the sequence 0, which readers take for nothing."""
    assert writer.sequence == 0
    assert writer.inherited_void_after_raw_ns == 0


def test_a_publication_moves_the_sequence_by_one(writer: SegmentWriter) -> None:
    """The slot that the sequence points to holds the frame."""
    for count in range(1, 6):
        frame = make_frame(raw_ns=RAW_NS + count)
        writer.publish(frame)

        assert _sequence(writer.path) == count
        at = SLOT_AT + SLOT_SIZE * (count & 1)
        stored = Path(writer.path).read_bytes()[at : at + SLOT_SIZE]
        assert stored == encode_slot(frame)


def test_a_frame_that_cannot_be_said_publishes_nothing(writer: SegmentWriter) -> None:
    """The last good frame stays what readers see."""
    writer.publish(make_frame())
    before = Path(writer.path).read_bytes()

    with pytest.raises(ValueError, match="cannot be published"):
        writer.publish(make_frame(rate_ppb=float("nan")))
    assert Path(writer.path).read_bytes() == before


def test_a_closed_writer_publishes_nothing(path: str, hot: ModuleType | None) -> None:
    """It holds no lock any more, so another daemon may be writing."""
    writer = SegmentWriter(path, hot=hot)
    writer.close()

    with pytest.raises(ValueError, match="is closed"):
        writer.publish(make_frame())


def test_closing_leaves_everything_readable(path: str, hot: ModuleType | None) -> None:
    """Readers go on until void_after, whatever the daemon does."""
    with SegmentWriter(path, hot=hot) as writer:
        writer.publish(make_frame())

    assert SegmentReader(path).read().status is Status.SYNCHRONIZED


def test_a_restart_continues_the_sequence(path: str, hot: ModuleType | None) -> None:
    """Never back to 0: an attached reader cannot mistake a new frame for an old one."""
    for expected in range(1, 8):
        with SegmentWriter(path, hot=hot) as writer:
            writer.publish(make_frame())
            assert writer.sequence == expected


def test_a_restart_tells_how_long_the_predecessor_is_good(
    path: str, hot: ModuleType | None
) -> None:
    """So that the news that nothing is known yet need not replace it."""
    frame = make_frame()
    with SegmentWriter(path, hot=hot) as writer:
        writer.publish(frame)
    with SegmentWriter(path, hot=hot) as writer:
        assert writer.inherited_void_after_raw_ns == frame.void_after_raw_ns
        writer.publish(make_frame(status=Status.UNKNOWN))
        assert writer.inherited_void_after_raw_ns == 0


def test_the_sequence_never_becomes_zero_again(
    path: str, hot: ModuleType | None
) -> None:
    """After 2**64 − 1 comes 2: the other slot, and not the word for nothing."""
    SegmentWriter(path, hot=hot).close()
    with open(path, "r+b") as file:
        file.seek(SEQUENCE_AT)
        file.write(b"\xff" * 8)
    with SegmentWriter(path, hot=hot) as writer:
        writer.publish(make_frame(utc_ns=77))

        assert writer.sequence == 2
        assert SegmentReader(path).read().utc_ns == 77


@pytest.mark.parametrize(
    "at", [_BOOT_AT, HEADER_AT + 48], ids=["boot", "time namespace"]
)
def test_what_another_raw_clock_left_is_voided(
    path: str, at: int, hot: ModuleType | None
) -> None:
    """A frame of an earlier boot is as plausible as it is wrong."""
    with SegmentWriter(path, hot=hot) as writer:
        writer.publish(make_frame())
        writer.publish(make_frame())
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(b"\x01\x02\x03\x04\x05\x06\x07\x08")
    with pytest.raises(ClockDisrupted):
        SegmentReader(path)
    with SegmentWriter(path, hot=hot) as writer:
        data = Path(path).read_bytes()

        assert writer.sequence == 4
        assert writer.inherited_void_after_raw_ns == 0
        for slot in range(2):
            left = decode_slot(1, data, SLOT_AT + slot * SLOT_SIZE)
            assert left.status is Status.UNKNOWN
        assert decode_record(data)[1].flags == 0
        assert SegmentReader(path).history() == []


def test_what_this_boot_left_is_kept(path: str, hot: ModuleType | None) -> None:
    """Readers see the predecessor's frame until the first own one."""
    with SegmentWriter(path, hot=hot) as writer:
        writer.publish(make_frame(utc_ns=11))
    with SegmentWriter(path, hot=hot) as writer:
        header = SegmentReader(path).header

        assert SegmentReader(path).read().utc_ns == 11
        assert header.start_id == writer.start_id
        assert header.started_raw_ns == make_frame().started_raw_ns
        assert len(SegmentReader(path).history()) == 1


def test_the_ring_takes_corrections_and_no_heartbeats(writer: SegmentWriter) -> None:
    """A frame that carries the same correction again adds nothing to history."""
    reader = SegmentReader(writer.path)
    for correction in range(3):
        for beat in range(4):
            frame = make_frame(raw_ns=RAW_NS + correction)
            clocks = frame.clocks._replace(raw_ns=RAW_NS + correction + beat)
            writer.publish(
                make_frame(raw_ns=RAW_NS + correction, frame={"clocks": clocks})
            )
    history = reader.history()

    assert [entry.raw_ns - RAW_NS for entry in history] == [2, 1, 0]
    assert [entry.number for entry in history] == [3, 2, 1]


@pytest.mark.parametrize(
    ("at", "data"),
    [
        (RING_AT, b"\xff" * 8),
        (RING_ENTRIES_AT + 74, b"\x99"),
        (RING_ENTRIES_AT + 44, b"\x00\x00\xc0\x7f"),
    ],
    ids=["count", "status", "variance"],
)
def test_a_start_mends_a_damaged_ring(
    path: str, at: int, data: bytes, hot: ModuleType | None
) -> None:
    """As readers who refuse it are told; what is not damaged stays."""
    with SegmentWriter(path, hot=hot) as writer:
        for second in range(3):
            writer.publish(make_frame(raw_ns=RAW_NS + second * NS_PER_S))
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)
    with SegmentWriter(path, hot=hot) as writer:
        left = 0 if at == RING_AT else 2

        assert len(SegmentReader(path).history()) == left
        writer.publish(make_frame(raw_ns=RAW_NS + 3 * NS_PER_S))
        writer.publish(make_frame(raw_ns=RAW_NS + 4 * NS_PER_S))
        assert len(SegmentReader(path).history()) == left + 2


def test_the_ring_takes_no_news_that_nothing_is_known(writer: SegmentWriter) -> None:
    """Such an entry would say nothing about any stamp."""
    writer.publish(make_frame(status=Status.UNKNOWN))

    assert SegmentReader(writer.path).history() == []


@given(count=st.integers(1, 3 * RING_ENTRIES), restarts=st.integers(0, 2))
@settings(max_examples=10, deadline=None)
def test_the_ring_holds_the_newest_corrections(
    tmp_path_factory: pytest.TempPathFactory,
    count: int,
    restarts: int,
    hot: ModuleType | None,
) -> None:
    """The last 44, newest first, over restarts too."""
    path = str(tmp_path_factory.mktemp("ring") / "segment")
    published = 0
    for _ in range(restarts + 1):
        with SegmentWriter(path, hot=hot) as writer:
            for _ in range(count):
                published += 1
                writer.publish(make_frame(raw_ns=RAW_NS + published))
    history = SegmentReader(path).history()

    expected = range(published, max(published - RING_ENTRIES, 0), -1)
    assert [entry.raw_ns - RAW_NS for entry in history] == list(expected)


def test_the_drift_of_the_record_is_relative_to_the_system_clock(
    writer: SegmentWriter,
) -> None:
    """A system clock that is steered 20 ppm fast needs −20 ppm of correction."""
    for second in range(3):
        raw_ns = RAW_NS + second * NS_PER_S
        frame = make_frame(raw_ns=raw_ns)
        clocks = frame.clocks._replace(
            realtime_ns=frame.clocks.realtime_ns + second * 20_000
        )
        writer.publish(make_frame(raw_ns=raw_ns, frame={"clocks": clocks}))
    _, record = decode_record(Path(writer.path).read_bytes())

    assert record.drift_rate == pytest.approx(-20e-6, abs=1e-9)
    assert record.drift_uncertainty < 1e-6


def test_a_restart_remembers_where_the_system_clock_was(
    path: str, hot: ModuleType | None
) -> None:
    """The ring of the daemon before gives the drift from the first frame on."""
    with SegmentWriter(path, hot=hot) as writer:
        writer.publish(make_frame())
    with SegmentWriter(path, hot=hot) as writer:
        writer.publish(make_frame(raw_ns=RAW_NS + 2 * NS_PER_S))
    _, record = decode_record(Path(path).read_bytes())

    assert record.drift_uncertainty < 1e-6


@pytest.mark.parametrize("left", [1, 2**32 - 1], ids=["odd", "odd, last"])
def test_a_record_that_a_kill_left_odd_is_mended(
    path: str, left: int, hot: ModuleType | None
) -> None:
    """The next writer's first record is even again."""
    with SegmentWriter(path, hot=hot) as writer:
        writer.publish(make_frame())
    with open(path, "r+b") as file:
        file.seek(68)
        file.write(left.to_bytes(4, "little"))
    with SegmentWriter(path, hot=hot) as writer:
        writer.publish(make_frame())
    number, _ = decode_record(Path(path).read_bytes())

    assert number % 2 == 0


def test_a_weakly_ordered_cpu_needs_the_c_module(
    path: str, hot: ModuleType | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain stores could become visible in another order there; C has fences."""
    monkeypatch.setattr(writer_module, "has_strong_ordering", lambda: False)
    if hot is None:
        with pytest.raises(
            UnsupportedPlatform, match="needs the C module, and this is "
        ):
            SegmentWriter(path, hot=hot)
        assert not Path(path).exists()
    else:
        with SegmentWriter(path, hot=hot) as writer:
            writer.publish(make_frame())


@pytest.mark.parametrize("why", ["$CHRONOTICK_NATIVE is no", FOR_OTHERS])
def test_its_refusal_says_why_there_is_none(
    path: str, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """A compiler is no cure for what the user said, nor for what no build is for."""
    monkeypatch.setattr(writer_module, "has_strong_ordering", lambda: False)
    monkeypatch.setattr(writer_module, "WHY", f"pure Python: {why}")
    with pytest.raises(UnsupportedPlatform) as refused:
        SegmentWriter(path, hot=None)

    assert str(refused.value) == (
        f"publishing on {os.uname().machine} needs the C module, and this is pure Python: "
        f"{why}"
    )


@pytest.mark.parametrize(
    ("machine", "order", "strong"),
    [
        ("x86_64", "little", True),
        ("AMD64", "little", True),
        ("aarch64", "little", False),
        ("riscv64", "little", False),
        ("x86_64", "big", False),
    ],
)
def test_only_x86_is_taken_for_strongly_ordered(
    monkeypatch: pytest.MonkeyPatch, machine: str, order: str, strong: bool
) -> None:
    """What is not known to keep stores in order is not trusted to."""

    class Name:
        def __init__(self) -> None:
            self.machine = machine

    monkeypatch.setattr(os, "uname", Name)
    monkeypatch.setattr(sys, "byteorder", order)

    assert host.has_strong_ordering() is strong


def test_the_file_is_never_shorter_than_a_segment(writer: SegmentWriter) -> None:
    """4096 bytes from its first moment at the path."""
    assert Path(writer.path).stat().st_size == SEGMENT_SIZE


def test_heartbeats_move_the_slot_and_ten_times_a_second_the_record(
    tmp_path: Path,
) -> None:
    """Same correction, later clocks: readers see each; the record moves by 100 ms."""
    path = tmp_path / "segment"
    first = make_frame()
    seen: list[tuple[int, float]] = []
    with SegmentWriter(path) as writer:
        reader = SegmentReader(path)
        for k in range(31):
            at_ns = k * 10_000_000
            clocks = first.clocks._replace(
                raw_ns=first.clocks.raw_ns + at_ns,
                realtime_ns=first.clocks.realtime_ns + at_ns,
            )
            writer.publish(replace(first, clocks=clocks))
            _, record = decode_record(path.read_bytes()[:128])
            seen.append((reader.read().as_of_raw_ns, record.system_timestamp))
    assert [as_of for as_of, _ in seen] == [
        first.clocks.raw_ns + k * 10_000_000 for k in range(31)
    ]
    assert len({system for _, system in seen}) == 4


def test_heartbeats_are_left_to_whoever_publishes_unless_asked(
    writer: SegmentWriter,
) -> None:
    """Also with C: a frame may be of a host whose clocks are imagined."""
    writer.publish(make_frame())

    assert writer.refresh_period_ns == 0


def test_a_thread_for_heartbeats_needs_c(path: str, hot: ModuleType | None) -> None:
    """Without it the writer says that every heartbeat is to be published."""
    with SegmentWriter(path, hot=hot, repeats=True) as writer:
        writer.publish(make_frame())

        assert writer.refresh_period_ns == (0 if hot is None else 100_000_000)
        assert SegmentReader(path).read().utc_ns == make_frame().correction.utc_ns


def test_where_no_thread_is_to_be_had_heartbeats_are_published(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit of the system costs CPU time, never a publication."""

    def refuse(_segment: object) -> None:
        raise OSError("Resource temporarily unavailable")

    if HOT is None:
        pytest.skip(WHY)
    monkeypatch.setattr(HOT, "Heart", refuse)
    with SegmentWriter(path, hot=HOT, repeats=True) as writer:
        writer.publish(make_frame())

        assert writer.refresh_period_ns == 0
        assert writer.sequence == 1
