"""From exchanges to a correction: the one place where the pure rooms meet.

`ntp` says which servers agree, `models` what the oscillator does, `fusion` what can be
claimed; this module decides who is asked, in which order, and what is forgotten when
something jumps. No I/O and no clock: `raw_ns` is an argument, so a replay gives the
same corrections.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import chain
from math import inf
from typing import TYPE_CHECKING

from chronotick.core.status import Reason, Status
from chronotick.core.units import NS_PER_S
from chronotick.daemon.agreement import Agreement
from chronotick.daemon.leap_second import LeapSecond, announced_by
from chronotick.daemon.panel import Panel, PanelSettings, Shown
from chronotick.daemon.roster import Roster
from chronotick.fusion import (
    Evidence,
    FrequencyBound,
    fuse,
    has_leapt,
    newest_against,
)
from chronotick.ntp import DOUBTFUL_POLL_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chronotick.core.records import (
        Audit,
        Correction,
        Exchange,
        Sample,
        SourceReport,
    )
    from chronotick.core.span import Span
    from chronotick.ntp import Selection

__all__ = ["Estimator", "EstimatorSettings"]

# Rebuilding after a server was found out replays this many samples: more than the
# filter's memory.
_HISTORY = 256
_WARMUP_SAMPLES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorSettings:
    """What the configuration says about believing."""

    servers: tuple[str, ...]
    required: int = 1
    tolerate: int | None = None
    startup_grace_ns: int = 10 * NS_PER_S
    max_frequency_error_ppm: float = 500.0
    max_drift_ppm: float = 15.0
    models: PanelSettings = field(default_factory=PanelSettings)


class Estimator:
    """Learns from exchanges, answers with corrections."""

    def __init__(self, settings: EstimatorSettings) -> None:
        self._settings = settings
        self._roster = Roster(
            settings.servers, startup_grace_ns=settings.startup_grace_ns
        )
        self._sample_count = 0
        self._frequency = FrequencyBound(
            max_frequency_error_ppm=settings.max_frequency_error_ppm,
            max_drift_ppm=settings.max_drift_ppm,
        )
        self._panel = Panel(
            settings.models, max_frequency_error_ppm=settings.max_frequency_error_ppm
        )
        self._history: deque[Shown] = deque(maxlen=_HISTORY)
        self._agreement = Agreement(tolerate=settings.tolerate)
        self._leap_second = LeapSecond()
        self._stepped = False
        self._samples_since_leap = _WARMUP_SAMPLES
        self.breaks = 0
        """How often the past was dropped, as RAW or most of the servers jumped."""
        self.leap_seconds = 0
        """How often it was dropped because a leap second had been announced."""

    def observe(self, exchange: Exchange) -> None:
        """Take in how one poll ended."""
        if exchange.sample is not None:
            self._pass_leap_second(exchange.sample.raw_ns)
            if self._leap_second.is_straddled_by(exchange.sample):
                return
        left = self._roster.moved_from(exchange)
        sample = self._roster.observe(exchange, self._frequency.rate)
        if sample is None:
            return
        before = self._agreed_span(sample.raw_ns)
        self._sample_count += 1
        self._samples_since_leap += 1
        if left is not None:
            self._panel.move(sample.server, str(left), str(exchange.endpoint))
        if left is not None or self._roster.is_on_probation(sample.server):
            # Its past is another server's, or worthless now, whoever jumped.
            self._agreement.absolve(sample.server)
            self._history = deque(
                (s for s in self._history if s.sample.server != sample.server), _HISTORY
            )
        shown = Shown(sample, exchange.useful)
        self._history.append(shown)
        if self._roster.has_jumped:
            self._forget()
            self._stepped = True
        self._agree(sample.raw_ns)
        if self._selection and sample.server in self._selection.truechimers:
            self._panel.check_hard(sample, before)
        self._learn_rate(sample.raw_ns)
        self._feed(shown)
        self._detect_leap(sample)

    def disrupted(self) -> None:
        """Forget everything: the host slept or was moved, so RAW lost time."""
        self._roster.forget()
        self._forget()
        self._stepped = True

    def correction(self, raw_ns: int) -> Correction:
        """Return the best correction for `raw_ns` (not before the newest sample)."""
        self._pass_leap_second(raw_ns)
        # Silence changes who is heard, and the grace may have ended.
        self._agree(raw_ns)
        self._feed(None)
        opinion = self._panel.predict(raw_ns)
        status, reasons = self._judge()
        chosen = self._selection.truechimers if self._selection else ()
        newest, span = self._roster.newest(chosen), self._agreed_span(raw_ns)
        if newest and span is not None:
            # Nobody takes an announcement back by falling silent: who is chosen
            # changes with that, what all have said last does not.
            said = self._roster.newest(self._agreement.unblemished(self._roster.asked))
            announced = announced_by(newest) or announced_by(said)
            self._leap_second.expect(announced, raw_ns, span, self._frequency.rate)
        return fuse(
            Evidence(
                raw_ns=raw_ns,
                span=span,
                rate=self._frequency.rate,
                estimate=opinion.estimate if opinion else None,
                coverage_99=opinion.coverage.factor_99 if opinion else 0.0,
                coverage_999=opinion.coverage.factor_999 if opinion else 0.0,
                status=status,
                reasons=reasons,
                confidence=len(chosen) / len(self._roster),
                last_sync_raw_ns=max((s.raw_ns for s in newest), default=0),
                measurement_count=self._sample_count,
                delay_ns=min((s.delay_ns for s in newest), default=0),
                leap=self._leap_second.announced,
            )
        )

    def reports(self, correction: Correction) -> Sequence[SourceReport]:
        """Return one row per server, offsets against `correction`."""
        return self._roster.reports(correction, self._selection)

    @property
    def panel(self) -> Panel:
        """The models; for those that ask them or tell them beside the exchanges."""
        return self._panel

    @property
    def patience_s(self) -> float:
        """How long the next answer of a server can be waited for; inf: as usual.

        0 where the past was thrown away, and hardly anything is known; as a rule not at
        the start, when sources are quick by themselves. About a minute where a
        measurement is not explained, or predictions fail in a row: sooner, one answer is
        much like the other, and a server that strays looks like a clock that does.
        """
        known = min(self._panel.sample_count, self._samples_since_leap)
        if self.breaks > 0 and known < _WARMUP_SAMPLES:
            return 0.0
        doubts = self._panel.is_lost or self._panel.is_puzzled
        return DOUBTFUL_POLL_S if doubts else inf

    def audit(self) -> Audit:
        """Return how published claims did against what was measured afterwards."""
        return self._panel.audit()

    # ── Agreement ────────────────────────────────────────────────────────────

    def _agree(self, raw_ns: int) -> None:
        """Ask the servers' intervals for a majority at `raw_ns`."""
        candidates = self._roster.spans(raw_ns, self._frequency.rate)
        if not candidates:
            return
        required = self._settings.required
        pending = self._roster.pending(raw_ns)
        if pending:
            # A liar that is quicker than the honest ones, or whose packets are lost
            # less, must not speak first.
            required = max(required, len(self._roster) // 2 + 1)
        sound = self._agreement.ask(
            raw_ns,
            candidates,
            required=required,
            rate=self._frequency.rate,
            absent=pending + self._roster.absent,
            silent=self._roster.silent,
        )
        if not sound:
            self._forget()
        elif self._agreement.selection is not None:
            self._stepped = False

    def _learn_rate(self, raw_ns: int) -> None:
        """Let the agreed interval bound the oscillator's rate."""
        if self._selection is None:
            return
        if self._panel.fed & set(self._selection.falsetickers):
            # Intervals of the past were cut with those of a server now found out.
            self._frequency.forget()
        if not self._frequency.observe(raw_ns, self._selection.span):
            # The new majority contradicts the old one: nothing of the old counts.
            self.breaks += 1
            self._panel.restart()

    @property
    def _selection(self) -> Selection | None:
        return self._agreement.selection

    def _agreed_span(self, raw_ns: int) -> Span | None:
        """Return the last agreed interval, carried to `raw_ns`."""
        return self._agreement.span_at(raw_ns, self._frequency.rate)

    # ── What is forgotten, and when ──────────────────────────────────────────

    def _pass_leap_second(self, raw_ns: int) -> None:
        """Forget everything if UTC may have leapt by `raw_ns`, as announced."""
        if self._leap_second.is_due(raw_ns):
            self.leap_seconds += 1
            self.disrupted()
            self._leap_second.passed()

    def _detect_leap(self, sample: Sample) -> None:
        """Drop what is older than a leap that no interval shows, but the models do.

        Only evidence is dropped, so intervals can only widen; and only if most of the
        servers that are believed say each for itself that there was a leap.
        """
        raw_ns, agreed = sample.raw_ns, self._agreed_span(sample.raw_ns)
        if self._selection is None or agreed is None or agreed.holds(sample.offset_ns):
            return
        guess = self._panel.sure(raw_ns)
        if guess is None or guess.intersect(agreed) is not None:
            return
        rate = self._frequency.rate
        theirs: dict[str, list[Sample]] = {
            name: [] for name in self._roster.answering(self._selection.truechimers)
        }
        for each, _ in self._history:
            if each.server in theirs:
                theirs[each.server].append(each)
        leapt_ns = newest_against(chain(*theirs.values()), guess, raw_ns, rate)
        if leapt_ns is None:
            return
        agree = sum(has_leapt(each, leapt_ns, rate) for each in theirs.values())
        if 2 * agree > len(theirs):
            self._leapt([s for s in self._history if s.sample.raw_ns > leapt_ns])

    def _leapt(self, since: Sequence[Shown]) -> None:
        """Drop all but what was measured since; the models know of the leap."""
        self.breaks += 1
        self._frequency.forget()
        self._agreement.forget()
        self._panel.recenter()
        self._history = deque(since, _HISTORY)
        self._roster.remember([s.sample for s in since], self._frequency.rate)
        self._samples_since_leap = len(since)
        self._agree(since[-1].sample.raw_ns)

    def _forget(self) -> None:
        self.breaks += 1
        self._frequency.forget()
        self._history.clear()
        self._agreement.forget()
        self._panel.restart()

    def _feed(self, shown: Shown | None) -> None:
        """Show the models what the servers that are believed say, and only that."""
        if self._selection is None:
            return
        believed = self._selection.truechimers
        if not self._panel.fed or self._panel.fed & set(self._selection.falsetickers):
            past = (s for s in self._history if s.sample.server in believed)
            self._panel.relearn(sorted(past, key=lambda s: s.sample.raw_ns))
        elif shown is not None and shown.sample.server in believed:
            self._panel.observe(shown)

    # ── What it is worth ─────────────────────────────────────────────────────

    def _judge(self) -> tuple[Status, Reason]:
        reasons = Reason.NONE
        if self._stepped:
            reasons |= Reason.STEP
        if not self._agreement.is_known:
            if not self._stepped:
                heard = self._roster.was_heard
                reasons |= Reason.NO_AGREEMENT if heard else Reason.NO_SAMPLES
            return Status.UNKNOWN, reasons
        if self._selection is None:
            return Status.HOLDOVER, reasons | Reason.NO_AGREEMENT
        if self._selection.falsetickers:
            reasons |= Reason.FALSETICKERS
        if not self._roster.answering(self._selection.truechimers):
            return Status.HOLDOVER, reasons | Reason.SOURCES_LOST
        if self._panel.is_lost:
            return Status.HOLDOVER, reasons | Reason.INNOVATION
        if self._samples_since_leap < _WARMUP_SAMPLES:
            reasons |= Reason.STEP
        learned = min(self._panel.sample_count, self._samples_since_leap)
        if learned < _WARMUP_SAMPLES:
            return Status.WARMUP, reasons
        return Status.SYNCHRONIZED, reasons
