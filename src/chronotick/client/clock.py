"""Bounded UTC from a segment and the host's oscillator.

Decides when everything has to be looked at again, and computes the interval. Where no
time can be given it raises: there is no fallback to the system clock. One of the three
modules that read clocks; which file is read is decided in `client.attachment`.

**What is checked, on every call.** That the correction's anchor is not in the future
and `void_after` not past; that the host has not slept, rebooted or been migrated since;
that the daemon is not silent. The common case is decided by a range of RAW and a range
of REALTIME − RAW, both prepared when a publication is first seen (`client.view`). Any
doubt goes to `_settle`, which looks at everything again.

What `client.line` remembers from the last reading makes the next ones one addition.
"""

from __future__ import annotations

import os  # noqa: TC003 - what public annotations name is there at run time
import time
from functools import partial
from math import sqrt
from typing import TYPE_CHECKING, Protocol, Self

from chronotick.client.attachment import Attachment
from chronotick.client.line import lay_out, nothing, rest_ns
from chronotick.client.ordering import Instant, is_after, is_before, span_of
from chronotick.client.stamps import Corrected, StampClock, Stamps  # noqa: TC001
from chronotick.client.view import (
    AWAKE_NS,
    HostReading,
    Observation,
    Publication,
    View,
)
from chronotick.client.waiting import limit_ns, pause_s
from chronotick.core.errors import NotSynchronized
from chronotick.core.reading import Interval
from chronotick.core.status import Reason
from chronotick.core.units import NS_PER_S
from chronotick.shm.codec import Snapshot  # noqa: TC001
from chronotick.shm.moving import tell_of_moves
from chronotick.shm.native import HOT
from chronotick.shm.reader import SEQUENCE
from chronotick.shm.vmclock import DisruptionMarker

if TYPE_CHECKING:
    from chronotick.client.line import Line

__all__ = ["Clock", "HostClocks", "PythonClock"]

_RAW = time.CLOCK_MONOTONIC_RAW
_REALTIME = time.CLOCK_REALTIME
_BOOT = time.CLOCK_BOOTTIME
_MONOTONIC = time.CLOCK_MONOTONIC

_SPIN_NS = 150_000
_new = tuple.__new__
_COVERAGES = {0.99: "coverage_99", 0.999: "coverage_999"}


class HostClocks(Protocol):
    """The host's clocks and sleep; the module `time` is one."""

    def clock_gettime_ns(self, clk_id: int, /) -> int:
        """Return the clock's reading in ns."""
        ...

    def time_ns(self) -> int:
        """Return CLOCK_REALTIME in ns: quicker than by the call above."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Suspend the calling thread for at least `seconds`."""
        ...


class PythonClock:
    """The corrected time of one segment. Thread-safe, fork-safe, a context manager.

    Attaches at the first call, so that it can be made before a daemon runs, and
    follows a daemon that is restarted.

    Args:
        path: The segment; default $CHRONOTICK_SEGMENT, else
            ``/dev/shm/chronotick_shm``.
        clocks: The host's clocks; something else in tests and simulations.

    Every method that reads the time raises:
        NoDaemon: there is no segment at the path.
        NotSynchronized: the daemon has no trustworthy time yet, or none any more.
        StaleCorrection: the daemon is gone and its last bound has become too wide.
        ClockDisrupted: the host slept, rebooted, was migrated, or its clocks were set
            back (the anchor lies in the future) since the correction was made.
        TornRead: the segment never held still.
        SegmentError: the file cannot be read or is not a segment of this version.
        ValueError: the clock is closed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        clocks: HostClocks = time,
    ) -> None:
        self._clocks = clocks
        self._attachment = Attachment(path)
        # Without an argument to pass on, a call of it is quicker.
        self._read_raw = partial(clocks.clock_gettime_ns, _RAW)
        self._view: View | None
        self._line: Line
        self._forget()
        tell_of_moves(self)

    @property
    def path(self) -> str:
        """Path of the segment."""
        return self._attachment.path

    def now_ns(self) -> int:
        """Return the interval's midpoint in Unix ns.

        A convenience: it is not "the time", which lies anywhere in `interval`.
        """
        # The order matters: what was published first, then the clock, so that the
        # anchor is in the past; then what may have happened up to that reading.
        words, sequence, read, until, scale, base, _, _ = line = self._line
        if words[SEQUENCE] == sequence:
            raw = read()
            if raw < until:
                return raw + base if scale is None else raw * scale + base >> 60
            utc = self._look_ahead(line, raw)
            if utc is not None:
                return utc
        view, raw = self._settle()
        return view.midpoint_ns(raw)

    def now(self) -> float:
        """Return the interval's midpoint in Unix seconds, to 240 ns (a float)."""
        return self.now_ns() / NS_PER_S

    def interval(self, coverage: float | None = None) -> Interval:
        """Return the interval that UTC lies in now, with its status.

        Args:
            coverage: None for the hard bound, which holds as long as the majority of
                the servers is truthful and the oscillator within its limits. 0.99 or
                0.999 for the narrower calibrated one, if that has been earned.

        Raises:
            NotSynchronized: also where that coverage has not been earned yet.
            ValueError: also where `coverage` is another number.
        """
        if coverage is not None:
            return self._calibrated(coverage)
        words, sequence, read, until, scale, base, _, face = line = self._line
        if words[SEQUENCE] == sequence:
            raw = read()
            if raw >= until:
                utc = self._look_ahead(line, raw)
            else:
                utc = raw + base if scale is None else raw * scale + base >> 60
            if utc is not None:
                # `View.interval`, written out: this is one third of its price.
                anchor, bound, growth, v0, v1, v2, v3, status, source, reasons = face
                age = raw - anchor
                half = bound + (abs(age) * growth >> 60)
                t = age * 1e-9
                variance = v0 + t * (v1 + t * (v2 + t * v3))
                sigma = sqrt(variance) if variance > 0 else 0.0
                ends = (utc - half, utc + half)
                return _new(Interval, (*ends, status, source, reasons, sigma))
        view, raw = self._settle()
        return view.interval(raw)

    def before(self, t: Instant) -> bool | None:
        """Say whether now is certainly before `t`: True, False, or None (undecided).

        Args:
            t: ``int`` Unix nanoseconds, ``float`` Unix seconds, or an `Interval`.
        """
        return is_before(self.interval(), t)

    def after(self, t: Instant) -> bool | None:
        """Say whether now is certainly after `t`; see `before`."""
        return is_after(self.interval(), t)

    def wait_until_after(self, t: Instant, timeout: float | None = None) -> Interval:
        """Block until now is certainly after `t` (commit-wait); return that now.

        Sleeps, then looks without pause for the last 0.15 ms.

        Args:
            t: As in `before`.
            timeout: Longest wait in seconds, on the host's own oscillator.

        Raises:
            ClockError: the clock was lost during the wait; what `t` was waited for
                must not happen.
            TimeoutError: `timeout` passed first.
        """
        target_ns = span_of(t)[1]
        gettime, sleep = self._clocks.clock_gettime_ns, self._clocks.sleep
        longest_ns = limit_ns(timeout)
        until = None if longest_ns is None else gettime(_RAW) + longest_ns
        while True:
            now = self.interval()
            pause = pause_s(now.earliest_ns, now.latest_ns, target_ns, _SPIN_NS)
            if pause is None:
                return now
            if until is not None:
                left_s = (until - gettime(_RAW)) / NS_PER_S
                if left_s <= 0:
                    raise TimeoutError(f"not yet after {t} within {timeout} s")
                pause = min(pause, left_s)
            if pause > 0:
                sleep(pause)

    def wait_until(self, t: Instant) -> int:
        """Block until the midpoint reaches `t`; return by how many ns it has passed.

        For acting at a time, where being early or late by the bound does no harm. For
        an order that is certain use `wait_until_after`.

        Raises:
            ClockError: the clock was lost during the wait.
        """
        target_ns = span_of(t)[1]
        while True:
            now_ns = self.now_ns()
            pause = pause_s(now_ns, now_ns, target_ns - 1, _SPIN_NS)
            if pause is None:
                return now_ns - target_ns
            if pause > 0:
                self._clocks.sleep(pause)

    def snapshot(self) -> Snapshot:
        """Return the publication that holds now, as it was published."""
        return self._observe()[0].snapshot

    def observation(self) -> Observation:
        """Return the time, the publication that it comes from, and its RAW instant.

        Of one publication: an `interval` and then a `snapshot` may be of two.
        """
        view, raw = self._observe()
        return _new(Observation, (view.interval(raw), view.snapshot, raw))

    def publication(self) -> Publication:
        """Return the publication that holds now, for tools that show all of it."""
        view, _ = self._observe()
        reader = self._attachment.reader()
        gettime = self._clocks.clock_gettime_ns
        before, realtime, after = gettime(_RAW), gettime(_REALTIME), gettime(_RAW)
        snapshot = view.snapshot._replace(
            as_of_raw_ns=(before + after) // 2,
            realtime_ns=realtime,
            realtime_error_ns=(after - before + 1) // 2,
        )
        uid = reader.mapping.uid
        return Publication(snapshot, reader.header, reader.history(), uid)

    def paired_ns(self) -> tuple[int, int]:
        """Return CLOCK_MONOTONIC_RAW and the midpoint of one instant, both in ns."""
        view, raw = self._observe()
        return raw, view.midpoint_ns(raw)

    def past(self, stamp_ns: int, on: StampClock = "realtime") -> Interval:
        """Return the interval that UTC lay in when a clock here read `stamp_ns`.

        For a log line or a packet's SO_TIMESTAMPNS; see `chronotick.client.past` for
        how far back, and how wide.

        Args:
            stamp_ns: The stamp, in ns.
            on: ``realtime`` for CLOCK_REALTIME, ``raw`` for CLOCK_MONOTONIC_RAW.

        Raises:
            ClockDisrupted: the host slept, or its clock was set, around then.
            ClockError: too old, or not remembered.
            ValueError: of the future, or `on` is another clock.
            TypeError: `stamp_ns` is no int.
        """
        from chronotick.client.past import past_interval  # noqa: PLC0415 - rarely used

        return past_interval(self.path, self.publication(), stamp_ns, on)

    def correct(self, stamps: Stamps, on: StampClock = "realtime") -> Corrected:
        """Return an array of stamps as UTC with hard half widths, from one correction.

        Args:
            stamps: int64 ns of this host's clock, of the last seconds.
            on: As in `past`.

        Raises:
            TypeError: `stamps` is no int64 array.
            ValueError: `on` is another clock.
        """
        from chronotick.client.past import correct_stamps  # noqa: PLC0415 - as above

        return correct_stamps(self.publication(), stamps, on)

    def close(self) -> None:
        """Detach. The memory goes when no thread is reading it any more."""
        self._attachment.close()
        self._forget()

    def on_moved(self) -> None:
        """See `chronotick.shm.moving`; the next reading asks the segment's reader."""
        self._forget()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _calibrated(self, coverage: float) -> Interval:
        if coverage not in _COVERAGES:
            raise ValueError(f"coverage is 0.99 or 0.999, not {coverage}")
        view, raw = self._observe()
        factor: float = getattr(view.snapshot, _COVERAGES[coverage])
        if factor == 0:
            why = f"a coverage of {coverage:.1%} has not been earned by measurement yet"
            raise NotSynchronized(self.path, why)
        return view.interval(raw, factor)

    def _observe(self) -> tuple[View, int]:
        """Return a view that holds, and the RAW instant for which it was found to."""
        view = self._view
        if (
            view is not None
            and view.words[SEQUENCE] == view.sequence
            and view.marker_words[DisruptionMarker.WORD] == view.marker
        ):
            raw = self._clocks.clock_gettime_ns(_RAW)
            skew = self._clocks.time_ns() - raw
            if raw < view.last_ns and view.low_ns < skew < view.high_ns:
                return view, raw
        return self._settle()

    def _settle(self) -> tuple[View, int]:
        """Look at everything; see `Attachment.view`. Raise, or go on from a view."""
        view, raw = self._attachment.view(self._read_host)
        self._view = view
        self._line = lay_out(view, self._read_raw, self._clocks.time_ns)
        self._arm_for(view)
        return view, raw

    def _look_ahead(self, line: Line, raw: int) -> int | None:
        """Return the midpoint at `raw`; None if it is doubtful that the line holds.

        Where it holds, the next readings are made quicker.
        """
        words, sequence, read, _, _, _, checks, face = line
        awake, last, low, high, wall, is_calm, scale, base = checks
        utc_q60 = raw * scale + base
        utc = utc_q60 >> 60
        if raw < awake:
            # Asked twice in a short time: probably not for the last time.
            until = min(raw + rest_ns(utc_q60, scale), awake)
            self._line = (words, sequence, read, until, None, utc - raw, checks, face)
            return utc
        if raw < last and low < wall() - raw < high:
            awake = min(raw + AWAKE_NS, last)
            checks = (awake, last, low, high, wall, is_calm, scale, base)
            until = 0 if is_calm else awake
            self._line = (words, sequence, read, until, scale, base, checks, face)
            return utc
        return None

    def _forget(self) -> None:
        """Hold no view, so that every reading settles first."""
        self._view = None
        self._line = nothing(self._read_raw)
        self._arm_for(None)

    def _arm_for(self, view: View | None) -> None:
        """Tell a quicker reader than this one where to read; here there is none."""

    def _read_host(self) -> HostReading:
        gettime = self._clocks.clock_gettime_ns
        raw, wall = gettime(_RAW), self._clocks.time_ns()
        before, boot, after = gettime(_MONOTONIC), gettime(_BOOT), gettime(_MONOTONIC)
        # How long the machine has slept lies between the last two, wherever we were
        # preempted.
        return HostReading(raw, wall - raw, boot - after, boot - before)


if TYPE_CHECKING or HOT is None:
    Clock = PythonClock
else:

    class Clock(HOT.Readings, PythonClock):
        """`PythonClock` with `now`, `now_ns` and `interval` in C; see there.

        The C base answers while everything is as it was, and calls the methods below
        in every other case. It reads the host's clocks itself, so it is used only where
        no others were given.
        """

        _settled_now = PythonClock.now
        _settled_now_ns = PythonClock.now_ns
        _settled_interval = _covered = PythonClock.interval

        def _arm_for(self, view: View | None) -> None:
            if view is None or self._clocks is not time:
                self._arm(None, 0, None)
                return
            is_silent = Reason.WRITER_SILENT in view.reasons
            # Also where this publication has no marker: the next ones may, and are C's.
            marks = self._attachment.marker_words
            self._arm(view.words, view.last_ns if is_silent else 0, marks)
