"""One segment as the tools see it: readings with all that is known about them.

Decides what is read together and in which order; what the time is worth, `Clock` does.
It only ever reads: nothing here can make the daemon query a server or change a byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from chronotick.client.clock import Clock
from chronotick.client.status import read_status
from chronotick.client.view import midpoint_ns
from chronotick.core.errors import ChronotickError, NotSynchronized
from chronotick.core.units import NS_PER_S, PPB
from chronotick.daemon.clocks import HostClock
from chronotick.shm.reader import SegmentReader

if TYPE_CHECKING:
    import os

    from chronotick.client.clock import HostClocks
    from chronotick.client.status import StatusReport
    from chronotick.core.reading import Interval
    from chronotick.shm.codec import PastCorrection, Snapshot
    from chronotick.shm.reader import Header

__all__ = ["Inspection", "PairedClocks", "Reading", "Timepiece"]

_new = tuple.__new__  # builds a NamedTuple in half the time that its class takes


class PairedClocks(Protocol):
    """What a `Timepiece` reads of the host's clocks; `HostClock` is one."""

    def raw_ns(self) -> int:
        """Return CLOCK_MONOTONIC_RAW now."""
        ...

    def bracket_ns(self) -> tuple[int, int, int]:
        """Return RAW, REALTIME, and how far apart their instants can be, in ns."""
        ...


class Reading(NamedTuple):
    """The time, and the publication that it comes from."""

    now: Interval
    snapshot: Snapshot
    raw_ns: int
    """CLOCK_MONOTONIC_RAW, read just after `now`."""
    realtime_ns: int
    """CLOCK_REALTIME at `raw_ns`."""

    def utc_and_expiry_ns(self) -> tuple[int, int]:
        """Return UTC at `raw_ns` (midpoint), and UTC from which this is refused."""
        _, snapshot, raw_ns, _ = self
        return (
            midpoint_ns(snapshot, raw_ns),
            midpoint_ns(snapshot, snapshot.void_after_raw_ns),
        )

    @property
    def source_age_s(self) -> float | None:
        """Seconds since the newest measurement that was used; None where unknown."""
        _, snapshot, raw_ns, _ = self
        synced_ns = snapshot.last_sync_raw_ns
        return None if synced_ns is None else max(raw_ns - synced_ns, 0) / NS_PER_S

    def half_width_in_ns(self, ahead_s: float) -> int | None:
        """Return the bound `ahead_s` from now if no measurement comes.

        None where the correction will have expired by then: there is no time to be
        had from it, so there is no bound either.
        """
        at_ns = self.raw_ns + round(ahead_s * NS_PER_S)
        if at_ns >= self.snapshot.void_after_raw_ns:
            return None
        return self.grown_half_width_ns(ahead_s)

    def grown_half_width_ns(self, ahead_s: float) -> int:
        """Return what the bound grows to in `ahead_s`, even if it expires before."""
        grown_ns = ahead_s * NS_PER_S * self.snapshot.bound_growth_ppb / PPB
        return self.now.width_ns // 2 + int(grown_ns) + 1


class Inspection(NamedTuple):
    """What can be found out about a daemon, whether or not it has a time."""

    header: Header
    snapshot: Snapshot | None
    """None before the first publication."""
    report: StatusReport | None
    """None where there is none of this daemon's."""
    raw_ns: int


class Timepiece:
    """Reads one segment. Attaches at the first reading; thread-safe like `Clock`.

    Args:
        path: The segment; default as in `Clock`.
        clocks: The host's clocks for `Clock`; others in tests and simulations.
        host: The same clocks, read together.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        clocks: HostClocks | None = None,
        host: PairedClocks | None = None,
    ) -> None:
        self._given = path
        self._clock = Clock(path) if clocks is None else Clock(path, clocks=clocks)
        self._host: PairedClocks = HostClock() if host is None else host
        self._reader: SegmentReader | None = None

    @property
    def path(self) -> str:
        """Path of the segment."""
        return self._clock.path

    def interval(self) -> Interval:
        """Return the time alone; raises as `Clock.interval`."""
        return self._clock.interval()

    def raw_ns(self) -> int:
        """Return the host's oscillator, for measuring how long something took."""
        return self._host.raw_ns()

    def read(self) -> Reading:
        """Return the time with its publication.

        Raises:
            ClockError, SegmentError: there is no trustworthy time.
        """
        now, snapshot, _ = self._clock.observation()
        raw_ns, realtime_ns, _ = self._host.bracket_ns()
        return _new(Reading, (now, snapshot, raw_ns, realtime_ns))

    def inspect(self) -> Inspection:
        """Return what is known of the daemon.

        Raises:
            NoDaemon: there is no segment.
            ClockDisrupted: it is of another boot.
            SegmentError: it cannot be read.
        """
        reader = self._attach()
        try:
            snapshot = reader.read()
        except NotSynchronized:
            snapshot = None
        header, report = reader.header, read_status(self._given)
        if report is not None and report.start_id != header.start_id:
            report = None
        raw_ns, _, _ = self._host.bracket_ns()
        return Inspection(header, snapshot, report, raw_ns)

    def history(self) -> tuple[list[PastCorrection], int]:
        """Return recent corrections, newest first, and RAW now. Raises as `inspect`."""
        return self._attach().history(), self._host.raw_ns()

    def close(self) -> None:
        """Detach."""
        self._clock.close()
        self._reader = None

    def _attach(self) -> SegmentReader:
        """Return a reader of the file that lies at the path now."""
        reader = self._reader
        if reader is None:
            reader = self._reader = SegmentReader(self._given)
            return reader
        try:
            reader.refresh()
        except ChronotickError:
            # Whatever lies there now is no better than what is attached; whether that
            # still holds is the clock's decision, made on every reading.
            return reader
        return reader
