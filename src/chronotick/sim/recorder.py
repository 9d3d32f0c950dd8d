"""A sink that knows the truth: keeps what was published and whether it held.

Decides nothing; measures. It carries corrections forward by its own arithmetic, from
the definition in `chronotick.core.records.Correction` alone, so that an error in a
reader and one in the recorder do not cancel out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.status import Status
from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chronotick.core.records import Correction, DaemonReport, Frame, SourceReport
    from chronotick.core.status import Reason, Source
    from chronotick.sim.world import World

__all__ = ["Outlook", "Publication", "Recorder", "StatusRecorder", "Violation"]

_PPB = 1_000_000_000


class Publication(NamedTuple):
    """One frame, judged at the instant of its publication."""

    true_s: float
    """Since the world's start."""
    status: Status
    reasons: Reason
    source: Source
    error_ns: int
    """Published midpoint − true UTC; 0 where nothing was published."""
    bound_ns: int
    """Hard half width; 0 where nothing was published."""
    sigma_ns: float
    calibrated_99_ns: float | None = None
    """Calibrated half width, capped by the hard one; None where none was claimed."""
    calibrated_999_ns: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the hard interval contained the truth (nothing claimed: it did)."""
        return self.status is Status.UNKNOWN or abs(self.error_ns) <= self.bound_ns


class Outlook(NamedTuple):
    """A correction at a later age, as a reader would see it had the daemon died."""

    true_s: float
    """When it would have been read, since the world's start."""
    horizon_s: float
    """RAW seconds after the publication."""
    status: Status
    """Of the correction when it was published."""
    error_ns: int
    bound_ns: int
    sigma_ns: float
    calibrated_99_ns: float | None
    calibrated_999_ns: float | None


class Violation(NamedTuple):
    """A hard interval that did not contain the truth."""

    true_s: float
    """When a reader would have been told so, since the world's start."""
    age_s: float
    """How old the correction was by then, in RAW."""
    error_ns: int
    bound_ns: int
    correction: Correction


class Recorder:
    """A `chronotick.core.ports.FrameSink` that judges each frame by the truth.

    Args:
        world: Who knows the truth.
        host: Whose daemon publishes here.
        horizons_s: Each new correction is also judged at these ages, as readers would
            see it had the daemon died at once; up to its expiry, and not across a pause
            or jump of the host, which no extrapolation can know of.
        keep_every_s: Publications are kept at most this often, and whenever status or
            reasons change; violations are all kept.
        outlook_every_s: What is judged ahead is kept in `outlooks` at most this often;
            None: never.
        refresh_s: How often a correction that stays the same is to be published again.
            0: at each heartbeat of the configuration, as on a real host. A heartbeat
            says nothing new, and a day has 86,400 of them, so a world that is looked
            at afterwards needs few.
    """

    def __init__(
        self,
        world: World,
        *,
        host: str = "client",
        horizons_s: Sequence[float] = (),
        keep_every_s: float = 0.0,
        outlook_every_s: float | None = None,
        refresh_s: float = 0.0,
    ) -> None:
        self.refresh_period_ns = round(refresh_s * NS_PER_S)
        """See `chronotick.core.ports.FrameSink`: what is between is of no interest."""
        self._world = world
        self._host = world.host(host)
        self._horizons_ns = [round(h * NS_PER_S) for h in horizons_s]
        self._keep_every_s = keep_every_s
        self._outlook_every_s = outlook_every_s
        self._next_outlook_s = 0.0
        self._judged: Correction | None = None
        self._void_after_raw_ns = 0
        self._suspend_ns = 0
        spec = self._host.spec.oscillator
        starts_ns = [pause.from_ns for pause in self._host.oscillator.pauses]
        leaps_ns = [round(jump.at_s * NS_PER_S) for jump in spec.jumps]
        self._breaks_ns = sorted(starts_ns + leaps_ns)
        self.publications: list[Publication] = []
        self.outlooks: list[Outlook] = []
        self.violations: list[Violation] = []
        self.count = 0
        """Frames published."""
        self.judgements = 0
        """Hard intervals held against the truth."""

    def publish(self, frame: Frame) -> None:
        """Judge `frame` now, and what it replaces as it was a moment ago."""
        self.count += 1
        correction, raw_ns = frame.correction, frame.clocks.raw_ns
        previous = self._judged
        if correction is not previous:
            # Not after a sleep: readers compare the suspend count and refuse.
            if previous is not None and frame.clocks.suspend_ns == self._suspend_ns:
                self._judge(_told(previous, self._void_after_raw_ns, raw_ns), raw_ns)
            self._judged = correction
            self._void_after_raw_ns = frame.void_after_raw_ns
            self._suspend_ns = frame.clocks.suspend_ns
            self._look_ahead(frame)
        told = _told(correction, frame.void_after_raw_ns, raw_ns)
        error_ns, bound_ns = self._judge(told, raw_ns)
        self._keep(told, raw_ns, error_ns, bound_ns)

    def statuses(self) -> list[Status]:
        """Return the statuses in their order, without repeats in a row."""
        seen: list[Status] = []
        for publication in self.publications:
            if not seen or seen[-1] is not publication.status:
                seen.append(publication.status)
        return seen

    def between(self, from_s: float, until_s: float) -> list[Publication]:
        """Return what was published in ``[from_s, until_s)`` of true time."""
        return [p for p in self.publications if from_s <= p.true_s < until_s]

    def trace(self) -> list[Publication]:
        """Return the history: of frames at one instant, the one that stayed."""
        return list({p.true_s: p for p in self.publications}.values())

    def _keep(
        self, correction: Correction, raw_ns: int, error_ns: int, bound_ns: int
    ) -> None:
        true_s = self._world.clock.now()
        if self.publications:
            last = self.publications[-1]
            same = (
                last.status is correction.status and last.reasons == correction.reasons
            )
            if same and true_s - last.true_s < self._keep_every_s:
                return
        self.publications.append(
            Publication(
                true_s,
                correction.status,
                correction.reasons,
                correction.source,
                error_ns,
                bound_ns,
                *_spread(correction, raw_ns, bound_ns),
            )
        )

    def _look_ahead(self, frame: Frame) -> None:
        correction = frame.correction
        if correction.status is Status.UNKNOWN or not self._horizons_ns:
            return
        now_ns = self._world.true_ns
        next_break_ns = next((b for b in self._breaks_ns if b > now_ns), None)
        is_kept = self._is_outlook_due(now_ns / NS_PER_S)
        for horizon_ns in self._horizons_ns:
            if next_break_ns is not None and now_ns + horizon_ns >= next_break_ns:
                return
            raw_ns = frame.clocks.raw_ns + horizon_ns
            if raw_ns > frame.void_after_raw_ns:
                return
            error_ns, bound_ns = self._judge(correction, raw_ns)
            if is_kept:
                self.outlooks.append(
                    Outlook(
                        (now_ns + horizon_ns) / NS_PER_S,
                        horizon_ns / NS_PER_S,
                        correction.status,
                        error_ns,
                        bound_ns,
                        *_spread(correction, raw_ns, bound_ns),
                    )
                )

    def _is_outlook_due(self, true_s: float) -> bool:
        if self._outlook_every_s is None or true_s < self._next_outlook_s:
            return False
        self._next_outlook_s = true_s + self._outlook_every_s
        return True

    def _judge(self, correction: Correction, raw_ns: int) -> tuple[int, int]:
        """Return error and half width at `raw_ns`; note a violation."""
        if correction.status is Status.UNKNOWN:
            return 0, 0
        self.judgements += 1
        age_ns = raw_ns - correction.raw_ns
        utc_ns = correction.utc_ns + age_ns + round(age_ns * correction.rate_ppb / _PPB)
        grown_ns = -(-abs(age_ns) * correction.bound_growth_ppb // _PPB)
        bound_ns = correction.bound_ns + grown_ns
        true_utc_ns = self._host.true_utc_ns(raw_ns)
        error_ns = utc_ns - true_utc_ns
        if abs(error_ns) > bound_ns:
            self.violations.append(
                Violation(
                    true_s=(true_utc_ns - self._world.epoch_utc_ns) / NS_PER_S,
                    age_s=age_ns / NS_PER_S,
                    error_ns=error_ns,
                    bound_ns=bound_ns,
                    correction=correction,
                )
            )
        return error_ns, bound_ns


def _told(correction: Correction, void_after_raw_ns: int, raw_ns: int) -> Correction:
    """Return what readers are told at `raw_ns`: nothing once it has expired."""
    if raw_ns < void_after_raw_ns:
        return correction
    return replace(correction, status=Status.UNKNOWN)


def _spread(
    correction: Correction, raw_ns: int, bound_ns: int
) -> tuple[float, float | None, float | None]:
    """Return sigma and both calibrated half widths at `raw_ns`, as defined there."""
    age_s = (raw_ns - correction.raw_ns) / NS_PER_S
    sigma_ns = max(correction.variance.at(age_s), 0.0) ** 0.5
    if correction.status is Status.UNKNOWN:
        return sigma_ns, None, None
    widths = (
        min(factor * sigma_ns, float(bound_ns)) if factor > 0.0 else None
        for factor in (correction.coverage_99, correction.coverage_999)
    )
    return (sigma_ns, *widths)


class StatusRecorder:
    """A `chronotick.core.ports.StatusSink` that keeps the newest report.

    And, by server, each verdict that it ever had with the instant of the change.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.newest: DaemonReport | None = None
        self.verdicts: dict[str, list[tuple[float, str]]] = {}

    def report(self, report: DaemonReport) -> None:
        """Replace the report; note changed verdicts."""
        self.newest = report
        for row in report.sources:
            history = self.verdicts.setdefault(row.server, [])
            if not history or history[-1][1] != row.verdict:
                history.append((self._world.clock.now(), row.verdict))

    def row(self, server: str) -> SourceReport:
        """Return the newest row of `server`.

        Raises:
            KeyError: there is none.
        """
        for row in self.newest.sources if self.newest else ():
            if row.server == server:
                return row
        raise KeyError(server)
