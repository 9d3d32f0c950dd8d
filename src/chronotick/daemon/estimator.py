"""From exchanges to a correction: the one place where the pure rooms meet.

`ntp` says which servers agree, `models` what the oscillator does, `fusion` what can be
claimed; this module decides who is asked, in which order, and what is forgotten when
something jumps. No I/O and no clock: `raw_ns` is an argument, so a replay gives the
same corrections.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.status import Leap, Reason, Status
from chronotick.core.units import NS_PER_S
from chronotick.daemon.server_state import ServerState
from chronotick.fusion import Evidence, FrequencyBound, fuse
from chronotick.models import HoldModel, KalmanModel
from chronotick.ntp import NoAgreement, select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chronotick.core.records import Correction, Exchange, Sample, SourceReport
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


class _Agreement(NamedTuple):
    """What a majority last agreed on."""

    raw_ns: int
    span: Span
    supporters: int


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
        self._history: deque[Sample] = deque(maxlen=_HISTORY)
        self._fed: set[str] = set()
        self._selection: Selection | None = None
        self._agreed: _Agreement | None = None
        # Servers found out by a majority, until one of a majority again.
        self._outcasts: set[str] = set()
        self._stepped = False
        self._restart_models()

    def observe(self, exchange: Exchange) -> None:
        """Take in how one poll ended."""
        server = self._servers[exchange.server]
        server.observe(exchange, self._frequency.rate)
        sample = exchange.sample
        if sample is None:
            return
        if self._first_raw_ns is None:
            self._first_raw_ns = sample.raw_ns
        self._sample_count += 1
        if server.bound.on_probation:
            # Its past is worthless now, whoever jumped.
            self._history = deque(
                (s for s in self._history if s.server != sample.server), _HISTORY
            )
        if exchange.useful:
            self._history.append(sample)
        self._detect_step()
        self._agree(sample.raw_ns)
        self._learn_rate(sample.raw_ns)
        self._feed(sample if exchange.useful else None)

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
        estimates = [model.predict(raw_ns) for model in (self._hold, self._kalman)]
        status, reasons = self._judge()
        chosen = self._selection.truechimers if self._selection else ()
        newest = [s for name in chosen if (s := self._servers[name].newest)]
        return fuse(
            Evidence(
                raw_ns=raw_ns,
                span=self._agreed_span(raw_ns),
                rate=self._frequency.rate,
                estimates=[e for e in estimates if e is not None],
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

    # ── Agreement ────────────────────────────────────────────────────────────

    def _agree(self, raw_ns: int) -> None:
        """Ask the servers' intervals for a majority at `raw_ns`."""
        candidates = self._candidates(raw_ns)
        if not candidates:
            return
        found = select(
            candidates,
            required=self._required(raw_ns),
            tolerate=self._settings.tolerate,
        )
        if isinstance(found, NoAgreement) or self._contradicts(found, raw_ns):
            self._selection = None
            self._doubt_the_past(raw_ns, candidates)
            return
        self._selection = found
        self._agreed = _Agreement(raw_ns, found.span, len(found.truechimers))
        self._outcasts |= set(found.falsetickers)
        self._outcasts -= set(found.truechimers)
        self._stepped = False

    def _contradicts(self, found: Selection, raw_ns: int) -> bool:
        """Say whether fewer servers than agreed before now say something else.

        Those that went silent cannot be outvoted by the ones that they found out; not
        even once the last agreement has grown so old that the two touch.
        """
        agreed = self._agreed_span(raw_ns)
        if agreed is None or self._agreed is None:
            return False
        fewer = len(found.truechimers) < self._agreed.supporters
        only_outcasts = self._outcasts.issuperset(found.truechimers)
        return fewer and (only_outcasts or found.span.intersect(agreed) is None)

    def _doubt_the_past(self, raw_ns: int, candidates: dict[str, Span]) -> None:
        """Drop the last agreement once as many contradict it as ever supported it.

        Until then it goes on as holdover: it was the majority's, and it ages soundly.
        """
        agreed = self._agreed_span(raw_ns)
        if agreed is None or self._agreed is None:
            return
        against = sum(span.intersect(agreed) is None for span in candidates.values())
        if against >= self._agreed.supporters:
            self._forget()

    def _learn_rate(self, raw_ns: int) -> None:
        """Let the agreed interval bound the oscillator's rate."""
        if self._selection is None:
            return
        if self._fed & set(self._selection.falsetickers):
            # Intervals of the past were cut with those of a server now found out.
            self._frequency.forget()
        if not self._frequency.observe(raw_ns, self._selection.span):
            # The new majority contradicts the old one: nothing of the old counts.
            self._restart_models()

    def _agreed_span(self, raw_ns: int) -> Span | None:
        """Return the last agreed interval, carried to `raw_ns`."""
        if self._agreed is None:
            return None
        age_ns = raw_ns - self._agreed.raw_ns
        return self._frequency.rate.carry(self._agreed.span, age_ns)

    def _candidates(self, raw_ns: int) -> dict[str, Span]:
        # Once all are gone nobody votes: the last agreement ages (holdover). Asked again,
        # the spans of those that were found out would grow until they agree with all.
        spans = {
            name: server.bound.span_at(raw_ns, self._frequency.rate)
            for name, server in self._servers.items()
            if server.bound.usable and server.answers
        }
        return {name: span for name, span in spans.items() if span is not None}

    def _required(self, raw_ns: int) -> int:
        """Return how many must agree: more while the others may still answer."""
        required = self._settings.required
        since_ns = raw_ns - (self._first_raw_ns or raw_ns)
        in_grace = since_ns < self._settings.startup_grace_ns
        if in_grace and any(s.last is None for s in self._servers.values()):
            # A lone liar that is quicker than the honest ones must not speak first.
            return max(required, len(self._servers) // 2 + 1)
        return required

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
        self._agreed = None
        self._outcasts.clear()
        self._selection = None
        self._restart_models()

    def _restart_models(self) -> None:
        self._hold = HoldModel(
            max_frequency_error_ppm=self._settings.max_frequency_error_ppm
        )
        self._kalman = KalmanModel()
        self._fed.clear()

    def _rebuild(self, selection: Selection) -> None:
        """Start the models again on what the servers now believed have said."""
        self._restart_models()
        for sample in sorted(self._history, key=lambda s: s.raw_ns):
            if sample.server in selection.truechimers:
                self._show(sample)

    def _feed(self, sample: Sample | None) -> None:
        """Show the models what the servers that are believed say, and only that."""
        if self._selection is None:
            return
        if not self._fed or self._fed & set(self._selection.falsetickers):
            self._rebuild(self._selection)
        elif sample is not None and sample.server in self._selection.truechimers:
            self._show(sample)

    def _show(self, sample: Sample) -> None:
        self._hold.observe(sample)
        self._kalman.observe(sample)
        self._fed.add(sample.server)

    # ── What it is worth ─────────────────────────────────────────────────────

    def _judge(self) -> tuple[Status, Reason]:
        reasons = Reason.NONE
        if self._stepped:
            reasons |= Reason.STEP
        if self._agreed is None:
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
        if self._kalman.sample_count < _WARMUP_SAMPLES:
            return Status.WARMUP, reasons
        return Status.SYNCHRONIZED, reasons


def _leap(samples: Sequence[Sample]) -> Leap:
    """Return the leap announcement of a majority of the servers in use."""
    for leap in (Leap.INSERT, Leap.DELETE):
        if 2 * sum(s.leap is leap for s in samples) > len(samples):
            return leap
    return Leap.NONE
