"""The segment of a clock: found, followed to a new daemon's, and let go."""

from __future__ import annotations

import gc
import os
import re
import struct
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chronotick.client.clock import Clock
from chronotick.core.errors import (
    ClockDisrupted,
    NoDaemon,
    NotSynchronized,
    SegmentCorrupt,
)
from chronotick.core.status import Status
from chronotick.shm.vmclock import DisruptionMarker
from chronotick.shm.writer import SegmentWriter
from unit.shm.frames import UTC_NS, make_frame

if TYPE_CHECKING:
    from unit.client.virtual import VirtualHost


def test_no_segment_is_no_daemon(clock: Clock, path: str) -> None:
    """And the clock works as soon as there is one."""
    with pytest.raises(NoDaemon, match=re.escape(path)):
        clock.now()
    with SegmentWriter(path) as writer:
        with pytest.raises(NotSynchronized, match="nothing has been published"):
            clock.now()
        writer.publish(make_frame())

        assert clock.now() == pytest.approx(UTC_NS / 1e9, abs=1e-3)


@pytest.mark.parametrize("after_s", [5.0, 200.0], ids=["silent", "expired"])
def test_a_replaced_segment_is_opened_again(
    path: str, clock: Clock, host: VirtualHost, after_s: float
) -> None:
    """A new daemon that had to make a new file is found, without a word to anybody."""
    with SegmentWriter(path) as writer:
        writer.publish(make_frame())
        clock.now()
    host.advance(after_s)
    os.unlink(path)
    with SegmentWriter(path) as writer:
        writer.publish(make_frame(raw_ns=host.raw_ns))

        assert clock.interval().status is Status.SYNCHRONIZED


def test_a_vanished_segment_holds_over_and_then_has_no_daemon(
    path: str, writer: SegmentWriter, clock: Clock, host: VirtualHost
) -> None:
    """What is mapped holds as long as it said; then nobody is there to ask."""
    writer.publish(make_frame())
    clock.now()
    os.unlink(path)
    host.advance(50)
    assert clock.interval().status is Status.HOLDOVER

    host.advance(60)
    with pytest.raises(NoDaemon):
        clock.interval()


def test_a_spoiled_successor_does_not_spoil_what_still_holds(
    path: str, writer: SegmentWriter, clock: Clock, host: VirtualHost
) -> None:
    """Garbage at the path is no reason to refuse a correction that is good."""
    writer.publish(make_frame())
    clock.now()
    os.unlink(path)
    Path(path).write_bytes(b"garbage")
    host.advance(50)
    assert clock.interval().status is Status.HOLDOVER

    host.advance(60)
    with pytest.raises(SegmentCorrupt):
        clock.interval()


def test_a_moved_virtual_machine_is_disrupted(
    tmp_path: Path,
    writer: SegmentWriter,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Vmclock's marker changed since the publication; the next one mends it."""
    device = tmp_path / "vmclock0"
    page = bytearray(struct.pack("<4s12xQ", b"VCLK", 7).ljust(4096, b"\0"))
    device.write_bytes(page)
    monkeypatch.setattr(
        "chronotick.client.attachment.DisruptionMarker",
        lambda: DisruptionMarker(str(device)),
    )
    writer.publish(make_frame(frame={"disruption_marker": 7}))
    readings = [clock.now_ns(), clock.now_ns(), clock.interval().midpoint_ns]
    assert readings == sorted(readings)

    with device.open("r+b") as file:
        file.seek(16)
        file.write(b"\x08")
    for read in (clock.now_ns, clock.interval):
        with pytest.raises(ClockDisrupted, match="moved or restored"):
            read()
    writer.publish(make_frame(frame={"disruption_marker": 8}))
    assert clock.interval().status is Status.SYNCHRONIZED


def test_a_closed_clock_is_refused(writer: SegmentWriter, clock: Clock) -> None:
    """Closing is final, and closing twice is no error."""
    writer.publish(make_frame())
    clock.now()
    clock.close()
    clock.close()

    for read in (clock.now, clock.now_ns, clock.interval):
        with pytest.raises(ValueError, match="closed"):
            read()


def test_a_clock_that_is_dropped_lets_go_at_once(
    path: str, writer: SegmentWriter, host: VirtualHost
) -> None:
    """Without a garbage collection: what it maps is not kept by a circle."""
    writer.publish(make_frame())
    clock = Clock(path, clocks=host)
    clock.interval()
    gone = weakref.ref(clock)
    gc.disable()
    try:
        del clock

        assert gone() is None
    finally:
        gc.enable()
