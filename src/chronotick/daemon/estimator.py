"""From exchanges to a correction: the one place where the pure rooms meet.

`ntp` says which servers agree, `models` what the oscillator does, `fusion` what can be
claimed; this module decides who is asked, in which order, and what is forgotten when
something jumps. No I/O and no clock: `raw_ns` is an argument, so a replay gives the
same corrections.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chronotick.core.status import Leap, Reason, Status
from chronotick.core.units import NS_PER_S
from chronotick.daemon.agreement import Agreement
from chronotick.daemon.panel import Panel, PanelSettings, Shown
from chronotick.daemon.server_state import ServerState
from chronotick.fusion import Evidence, FrequencyBound, fuse

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
    startup_grace_ns: int = NS_PER_S
    max_frequency_error_ppm: float = 500.0
    max_drift_ppm: float = 15.0
    models: PanelSettings = field(default_factory=PanelSettings)


class Estimator:
    """Learns from exchanges, answers with corrections."""

    def __init__(self, settings: EstimatorSettings) -> None:
        self._settings = settings
        self._servers = {name: ServerState(name) for name in settings.servers}
        self._first_raw_ns: int | None = None
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
        self._stepped = False

    def observe(self, exchange: Exchange) -> None:
        """Take in how one poll ended."""
        server = self._servers[exchange.server]
        sample = server.observe(exchange, self._frequency.rate)
        if sample is None:
            return
        before = self._agreed_span(sample.raw_ns)
        if self._first_raw_ns is None:
            self._first_raw_ns = sample.raw_ns
        self._sample_count += 1
        if server.bound.on_probation:
            # Its past is worthless now, whoever jumped.
            self._history = deque(
                (s for s in self._history if s.sample.server != sample.server), _HISTORY
            )
        shown = Shown(sample, exchange.useful)
        self._history.append(shown)
        self._detect_step()
        self._agree(sample.raw_ns)
        if self._selection and sample.server in self._selection.truechimers:
            self._panel.check_hard(sample, before)
        self._learn_rate(sample.raw_ns)
        self._feed(shown)

    def disrupted(self) -> None:
        """Forget everything: the host slept or was moved, so RAW lost time."""
        for server in self._servers.values():
            server.forget()
        self._forget()
        self._stepped = True

    def correction(self, raw_ns: int) -> Correction:
        """Return the best correction for `raw_ns` (not before the newest sample)."""
        # Silence changes who is heard, and the grace may have ended.
        self._agree(raw_ns)
        self._feed(None)
        opinion = self._panel.predict(raw_ns)
        status, reasons = self._judge()
        chosen = self._selection.truechimers if self._selection else ()
        newest = [s for name in chosen if (s := self._servers[name].newest)]
        return fuse(
            Evidence(
                raw_ns=raw_ns,
                span=self._agreed_span(raw_ns),
                rate=self._frequency.rate,
                estimate=opinion.estimate if opinion else None,
                coverage_99=opinion.coverage.factor_99 if opinion else 0.0,
                coverage_999=opinion.coverage.factor_999 if opinion else 0.0,
                status=status,
                reasons=reasons,
                confidence=len(chosen) / len(self._servers),
                last_sync_raw_ns=max((s.raw_ns for s in newest), default=0),
                measurement_count=self._sample_count,
                delay_ns=min((s.delay_ns for s in newest), default=0),
                leap=_leap(newest),
            )
        )

    def reports(self, correction: Correction) -> Sequence[SourceReport]:
        """Return one row per server, offsets against `correction`."""
        chosen = self._selection.truechimers if self._selection else ()
        wrong = self._selection.falsetickers if self._selection else ()
        return [
            server.report(correction, selected=name in chosen, wrong=name in wrong)
            for name, server in self._servers.items()
        ]

    @property
    def panel(self) -> Panel:
        """The models; for those that ask them or tell them beside the exchanges."""
        return self._panel

    def audit(self) -> Audit:
        """Return how published claims did against what was measured afterwards."""
        return self._panel.audit()

    # ── Agreement ────────────────────────────────────────────────────────────

    def _agree(self, raw_ns: int) -> None:
        """Ask the servers' intervals for a majority at `raw_ns`."""
        candidates = self._candidates(raw_ns)
        if not candidates:
            return
        required = self._settings.required
        pending = self._pending(raw_ns)
        if pending:
            # A lone liar that is quicker than the honest ones must not speak first.
            required = max(required, len(self._servers) // 2 + 1)
        absent = sum(server.is_absent for server in self._servers.values())
        sound = self._agreement.ask(
            raw_ns,
            candidates,
            required=required,
            rate=self._frequency.rate,
            absent=pending + absent,
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
            self._panel.restart()

    @property
    def _selection(self) -> Selection | None:
        return self._agreement.selection

    def _agreed_span(self, raw_ns: int) -> Span | None:
        """Return the last agreed interval, carried to `raw_ns`."""
        return self._agreement.span_at(raw_ns, self._frequency.rate)

    def _candidates(self, raw_ns: int) -> dict[str, Span]:
        # Once all are gone nobody votes: the last agreement ages (holdover). Asked again,
        # the spans of those that were found out would grow until they agree with all.
        spans = {
            name: server.bound.span_at(raw_ns, self._frequency.rate)
            for name, server in self._servers.items()
            if server.bound.usable and server.answers
        }
        return {name: span for name, span in spans.items() if span is not None}

    def _pending(self, raw_ns: int) -> int:
        """Return how many have not been asked yet and may still answer in time."""
        since_ns = raw_ns - (self._first_raw_ns or raw_ns)
        if since_ns >= self._settings.startup_grace_ns:
            return 0
        return sum(server.last is None for server in self._servers.values())

    # ── What is forgotten, and when ──────────────────────────────────────────

    def _detect_step(self) -> None:
        """Forget all where most of the servers have jumped: then it was us, or time."""
        heard = [
            s for s in self._servers.values() if s.newest is not None and s.answers
        ]
        jumped = [s for s in heard if s.bound.on_probation]
        if jumped and 2 * len(jumped) > len(heard):
            self._forget()
            self._stepped = True

    def _forget(self) -> None:
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
            heard = any(server.samples for server in self._servers.values())
            if not self._stepped:
                reasons |= Reason.NO_AGREEMENT if heard else Reason.NO_SAMPLES
            return Status.UNKNOWN, reasons
        if self._selection is None:
            return Status.HOLDOVER, reasons | Reason.NO_AGREEMENT
        if self._selection.falsetickers:
            reasons |= Reason.FALSETICKERS
        chosen = [self._servers[name] for name in self._selection.truechimers]
        if not any(server.answers for server in chosen):
            return Status.HOLDOVER, reasons | Reason.SOURCES_LOST
        if self._panel.is_lost:
            return Status.HOLDOVER, reasons | Reason.INNOVATION
        if self._panel.sample_count < _WARMUP_SAMPLES:
            return Status.WARMUP, reasons
        return Status.SYNCHRONIZED, reasons


def _leap(samples: Sequence[Sample]) -> Leap:
    """Return the leap announcement of a majority of the servers in use."""
    for leap in (Leap.INSERT, Leap.DELETE):
        if 2 * sum(s.leap is leap for s in samples) > len(samples):
            return leap
    return Leap.NONE
