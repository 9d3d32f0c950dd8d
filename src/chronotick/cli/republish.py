"""A segment for a benchmark alone, and a writer that republishes it at a given rate.

Decides what it says (that UTC is CLOCK_REALTIME, to a made-up bound): for timing
readers only, in a directory of its own that no other reader looks at. A running daemon
is not touched.
"""

from __future__ import annotations

import os
import select
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chronotick.cli.companion import companion, hear
from chronotick.core.records import Correction, Frame, Variance
from chronotick.core.status import Reason, Source, Status
from chronotick.core.units import NS_PER_S
from chronotick.daemon.clocks import HostClock
from chronotick.shm.reader import SegmentReader
from chronotick.shm.segment import scratch_directory
from chronotick.shm.writer import SegmentWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

__all__ = ["Republished", "frame_now", "republished"]

_VOID_AFTER_NS = 86_400 * NS_PER_S


def frame_now(host: HostClock, heartbeat_ns: int = 10_000_000) -> Frame:
    """Return a frame that says that UTC is CLOCK_REALTIME."""
    clocks = host.pair()
    return Frame(
        correction=Correction(
            raw_ns=clocks.raw_ns,
            utc_ns=clocks.realtime_ns,
            # An ordinary crystal, some ppm off: readings pay for the rate.
            rate_ppb=20_123.4,
            bound_ns=100_000,
            bound_growth_ppb=15_000,
            variance=Variance(1e8, 1.0, 100.0, 1.0),
            status=Status.SYNCHRONIZED,
            reasons=Reason.NONE,
            source=Source.FUSION,
            confidence=1.0,
            last_sync_raw_ns=clocks.raw_ns,
            measurement_count=1,
            delay_ns=250_000,
        ),
        clocks=clocks,
        void_after_raw_ns=clocks.raw_ns + _VOID_AFTER_NS,
        heartbeat_ns=heartbeat_ns,
        correction_count=1,
        started_raw_ns=clocks.raw_ns,
    )


class Republished:
    """A segment that is being republished."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._host = HostClock()
        self._since_raw_ns = self._host.raw_ns()
        self._since_sequence = self._sequence()

    def achieved_hz(self) -> float:
        """Return publications a second since this was made.

        Fewer than asked, if the machine cannot keep up.
        """
        count = self._sequence() - self._since_sequence
        return count * NS_PER_S / (self._host.raw_ns() - self._since_raw_ns)

    def _sequence(self) -> int:
        return SegmentReader(self.path).read().sequence


@contextmanager
def republished(hertz: float) -> Iterator[Republished]:
    """Republish a segment `hertz` times a second, from another process."""
    with tempfile.TemporaryDirectory(
        dir=scratch_directory(), prefix="chronotick-"
    ) as directory:
        path = os.path.join(directory, "segment")
        with companion(_republish, path, hertz) as line:
            hear(line)
            yield Republished(path)


def _republish(line: Connection, path: str, hertz: float) -> None:
    """Publish until the other process closes its line, by dying perhaps."""
    host, period_ns = HostClock(), NS_PER_S / hertz
    with SegmentWriter(path) as writer:
        writer.publish(frame_now(host, int(period_ns)))
        line.send("published")
        start_ns, ticks, pause_s = host.raw_ns(), 1, period_ns / NS_PER_S
        # Not line.poll(), which rounds up to whole milliseconds.
        while not select.select([line], [], [], pause_s)[0]:
            writer.publish(frame_now(host, int(period_ns)))
            elapsed_ns = host.raw_ns() - start_ns
            # Keeps its phase; ticks that were missed are not made up for.
            ticks = max(ticks + 1, int(elapsed_ns / period_ns))
            pause_s = max(ticks * period_ns - elapsed_ns, 0.0) / NS_PER_S
