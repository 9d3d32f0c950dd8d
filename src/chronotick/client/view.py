"""Whether a publication holds here and now, and for how long that need not be asked.

Decides from values alone: what was published, what the host's clocks said. Reads no
clock and no memory, so every refusal is testable as a table of numbers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from chronotick.client.explain import explain
from chronotick.core.errors import ClockDisrupted, NotSynchronized, StaleCorrection
from chronotick.core.reading import Interval
from chronotick.core.status import Reason, Status
from chronotick.core.units import NS_PER_S, SUSPEND_SLACK_NS
from chronotick.shm.codec import PastCorrection, Snapshot  # noqa: TC001
from chronotick.shm.reader import Header  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chronotick.core.status import Source
    from chronotick.shm.reader import Look

__all__ = [
    "AWAKE_NS",
    "NO_MARKER",
    "ONE_Q60",
    "ROUNDING_NS",
    "HostReading",
    "Observation",
    "Publication",
    "View",
    "half_width_ns",
    "midpoint_ns",
    "prepare",
    "silent_from_ns",
]

ROUNDING_NS = 3
"""What a reader adds to the half width for its own rounding: 1 ns for the floor of the
midpoint, 1 ns for the rate's resolution of 1e-6 ppb (enough for 11 days), 1 ns for the
floor of the growth."""

# RAW is the same on all CPUs to within this; what is further ahead is the future.
_AHEAD_NS = 1_000
# REALTIME − RAW jumps by the time that the host slept, as BOOTTIME does, and creeps by
# slewing, 0.5 us in 1 ms at most. What has moved further since the last look, for this
# reason or because somebody set the clock, is looked at again with exact comparisons.
_SKEW_SLACK_NS = 100_000
_MISSED_HEARTBEATS = 5
_SILENCE_NS = NS_PER_S
AWAKE_NS = 100_000
"""A host that was awake at some RAW has not slept until this much later: before the
clocks stop the kernel freezes every process, suspends devices and takes CPUs offline,
and undoes it before it thaws them, all of which takes RAW time."""

# While the daemon is silent: how often the path is looked at for a new one.
_LOOK_AGAIN_NS = 10_000_000
# Rates and growths in units of 2**-60: an integer product and a shift then replace a
# division, exact at any age, and the same in every language. The growth's unit, per
# ppb, is rounded up, by 1.3e-10.
_Q110_PER_FS_PER_S = 1_298_074_214_633_706_907
_Q60_PER_PPB = 1_152_921_505
ONE_Q60 = 1 << 60
"""The rate of a clock that neither gains nor loses."""


class Observation(NamedTuple):
    """The time, and the publication that it was read from."""

    now: Interval
    snapshot: Snapshot
    """As published."""
    raw_ns: int
    """The instant of `now`."""


class Publication(NamedTuple):
    """What holds now and where it comes from."""

    snapshot: Snapshot
    """As published, but with its pair of clock reads (`as_of_raw_ns`, `realtime_ns`)
    replaced by one made now."""
    header: Header
    history: list[PastCorrection]
    """Recent corrections, newest first."""
    owner_uid: int
    """User who may publish here."""


class HostReading(NamedTuple):
    """The host's clocks at one instant."""

    raw_ns: int
    skew_ns: int
    """CLOCK_REALTIME − RAW."""
    least_suspend_ns: int
    """CLOCK_BOOTTIME − CLOCK_MONOTONIC is at least this …"""
    most_suspend_ns: int
    """… and at most this; between them lies what preemption added."""


class View(NamedTuple):
    """One publication that holds, prepared for reading the time from it."""

    words: Sequence[int]
    sequence: int
    marker_words: Sequence[int]
    marker: int
    last_ns: int
    """Good for RAW before this. RAW never goes back, so that it is not before the
    anchor is asked once, when the view is made."""
    low_ns: int
    """Good for REALTIME − RAW in (low, high)."""
    high_ns: int
    anchor_ns: int
    utc_ns: int
    scale_q60: int
    """d(UTC)/dRAW, times 2**60."""
    bound_ns: int
    """Half width at the anchor, with the reader's own rounding."""
    growth_q60: int
    status: Status
    source: Source
    reasons: Reason
    snapshot: Snapshot

    def midpoint_ns(self, raw_ns: int) -> int:
        """Return the predicted UTC at `raw_ns`."""
        return midpoint_ns(self.snapshot, raw_ns)

    def half_width_ns(self, raw_ns: int) -> int:
        """Return the hard half width at `raw_ns`, rounded outwards."""
        return half_width_ns(self.snapshot, raw_ns)

    def sigma_ns(self, raw_ns: int) -> float:
        """Return the standard deviation that the model claims at `raw_ns`."""
        age_s = (raw_ns - self.anchor_ns) * 1e-9
        return math.sqrt(max(self.snapshot.variance_at(age_s), 0.0))

    def interval(self, raw_ns: int, coverage_factor: float | None = None) -> Interval:
        """Return the interval at `raw_ns`: hard, or so many sigmas if that is less."""
        middle_ns = self.midpoint_ns(raw_ns)
        half_ns = self.half_width_ns(raw_ns)
        sigma_ns = self.sigma_ns(raw_ns)
        if coverage_factor is not None:
            calibrated_ns = math.ceil(coverage_factor * sigma_ns) + ROUNDING_NS
            half_ns = min(half_ns, calibrated_ns)
        return Interval(
            middle_ns - half_ns,
            middle_ns + half_ns,
            self.status,
            self.source,
            self.reasons,
            sigma_ns,
        )


def midpoint_ns(published: Snapshot | PastCorrection, raw_ns: int) -> int:
    """Return the UTC that `published` predicts at `raw_ns`."""
    scale_q60 = _scale_q60(published)
    return published.utc_ns + ((raw_ns - published.raw_ns) * scale_q60 >> 60)


def half_width_ns(published: Snapshot | PastCorrection, raw_ns: int) -> int:
    """Return the hard half width at `raw_ns`, before or after the anchor."""
    growth_q60 = published.bound_growth_ppb * _Q60_PER_PPB
    age_ns = abs(raw_ns - published.raw_ns)
    return published.bound_ns + ROUNDING_NS + (age_ns * growth_q60 >> 60)


def silent_from_ns(snapshot: Snapshot) -> int:
    """Return the RAW instant from which on its daemon counts as silent."""
    patience_ns = max(_MISSED_HEARTBEATS * snapshot.heartbeat_ns, _SILENCE_NS)
    return snapshot.as_of_raw_ns + patience_ns


def _scale_q60(published: Snapshot | PastCorrection) -> int:
    return ONE_Q60 + (published.rate_fs_per_s * _Q110_PER_FS_PER_S >> 50)


NO_MARKER: Sequence[int] = (0, 0, 0)
"""Stands for vmclock's page where there is none: always the marker 0."""


def prepare(
    path: str, look: Look, host: HostReading, marker_words: Sequence[int] | None
) -> View:
    """Return the view of `look` if it holds at `host`'s instant.

    Args:
        path: For messages.
        look: What was published, read *before* the clocks.
        host: The clocks.
        marker_words: vmclock's page, None where the machine has none.

    Raises:
        NotSynchronized, StaleCorrection, ClockDisrupted: it does not hold.
    """
    snapshot = look.snapshot
    silent_ns = silent_from_ns(snapshot)
    is_silent = host.raw_ns >= silent_ns
    status, reasons = snapshot.status, snapshot.reasons
    last_ns = min(snapshot.void_after_raw_ns, silent_ns)
    if is_silent:
        reasons |= Reason.WRITER_SILENT
        last_ns = min(snapshot.void_after_raw_ns, host.raw_ns + _LOOK_AGAIN_NS)
    if status is Status.UNKNOWN:
        raise NotSynchronized(path, explain(reasons), is_silent=is_silent)
    if is_silent:
        status = Status.HOLDOVER
    first_ns = max(snapshot.raw_ns, snapshot.as_of_raw_ns) - _AHEAD_NS
    _refuse_disrupted(path, snapshot, host, first_ns)
    marks, marker = _marker(path, snapshot, marker_words)
    if host.raw_ns >= snapshot.void_after_raw_ns:
        expired_ns = host.raw_ns - snapshot.void_after_raw_ns
        raise StaleCorrection(path, expired_ns / NS_PER_S)
    return View(
        words=look.mapping.words,
        sequence=snapshot.sequence,
        marker_words=marks,
        marker=marker,
        last_ns=last_ns,
        low_ns=host.skew_ns - _SKEW_SLACK_NS,
        high_ns=host.skew_ns + _SKEW_SLACK_NS,
        anchor_ns=snapshot.raw_ns,
        utc_ns=snapshot.utc_ns,
        scale_q60=_scale_q60(snapshot),
        bound_ns=snapshot.bound_ns + ROUNDING_NS,
        growth_q60=snapshot.bound_growth_ppb * _Q60_PER_PPB,
        status=status,
        source=snapshot.source,
        reasons=reasons,
        snapshot=snapshot,
    )


def _refuse_disrupted(
    path: str, snapshot: Snapshot, host: HostReading, first_ns: int
) -> None:
    if host.raw_ns < first_ns:
        # The clocks were set back under a correction that was right when it was made:
        # a virtual machine restored from a snapshot, a container restored elsewhere.
        ahead_s = (first_ns + _AHEAD_NS - host.raw_ns) / NS_PER_S
        raise ClockDisrupted(path, f"it was made {ahead_s:.3g} s in the future")
    slept_ns = host.least_suspend_ns - snapshot.suspend_ns
    if slept_ns > SUSPEND_SLACK_NS:
        raise ClockDisrupted(path, f"the host slept {slept_ns / NS_PER_S:.3g} s since")
    if host.most_suspend_ns - snapshot.suspend_ns < -SUSPEND_SLACK_NS:
        raise ClockDisrupted(path, "the host's clocks are not those it was made with")


def _marker(
    path: str, snapshot: Snapshot, words: Sequence[int] | None
) -> tuple[Sequence[int], int]:
    """Return where to look for a disruption of the virtual machine, and for what."""
    expected = snapshot.disruption_marker
    if words is None or expected is None:
        return NO_MARKER, 0
    if words[2] != expected:
        raise ClockDisrupted(path, "the virtual machine was moved or restored")
    return words, expected
