"""Replay a recording through an estimator, and compare what it foretold with what came.

Decides what is asked, when, and against what the answers are held: an answer for an
instant is given by an estimator that has seen only what had arrived a horizon earlier.
Scores of the errors are `chronotick.eval.accuracy.judge`'s.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chronotick.core.records import Sample
from chronotick.core.units import NS_PER_S
from chronotick.eval.accuracy.silences import Unanswered, unanswered
from chronotick.eval.accuracy.traces import UnusableTrace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from chronotick.eval.accuracy.contenders import Answer, Contender
    from chronotick.eval.accuracy.traces import Measurement, Trace

    Vector = NDArray[np.float64]

__all__ = [
    "BOUNDS",
    "HORIZONS_S",
    "MOST_TARGETS",
    "Foretold",
    "Recording",
    "Target",
    "prepare",
    "replay",
]

HORIZONS_S = (5.0, 60.0, 300.0, 3600.0, 28800.0)
"""Usual horizons."""
BOUNDS = ("hard", "calibrated_99", "calibrated_999", "sigma_99", "sigma_999")
"""Names of the half widths: the hard bound, what coverage has been earned for, and what
the model's own sigma would mean if errors were normal."""

MOST_TARGETS = 1000
"""Usual number of instants that are asked for at each horizon."""
_NORMAL_99, _NORMAL_999 = 2.5758293035489, 3.2905267314919
# Where the replay begins on RAW: any instant but 0, which means "never".
_BEGIN_NS = 3600 * NS_PER_S
# What is not recorded: how finely clocks are read. A read of the clock takes as long.
_PRECISION_NS = 20


class Target(NamedTuple):
    """An instant at which something is known."""

    raw_ns: int
    offset_ns: int
    slack_ns: float
    """By how much the yardstick can be off, queues being what they are."""
    hard_slack_ns: float
    """By how much at the very worst."""
    server: str = ""
    """Whose measurement it is; none where the truth is known."""

    @property
    def t_s(self) -> float:
        """The instant, since the first measurement."""
        return (self.raw_ns - _BEGIN_NS) / NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A trace as the product would have met it, and what answers are held against."""

    trace: Trace
    samples: tuple[Sample, ...]
    """In the order of arrival."""
    unanswered: tuple[Unanswered, ...]
    """Polls without a measurement, in order: known ones, or those that can be told from
    a server's silence."""
    targets: tuple[Target, ...]
    """In order."""
    yardstick: str
    """`truth`, or `measurements`: then errors include the noise of those."""
    left_out: int
    """Measurements without a recorded delay, which no estimator can use."""
    candidates: int
    """Instants that could have been asked for, before they were thinned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """Answers for one horizon. Rows are the targets that could be asked for."""

    horizon_s: float
    t_s: Vector
    """Instants foretold, since the first measurement."""
    error_ns: Vector
    """Foretold − known; NaN where there was no answer."""
    half_width_ns: dict[str, Vector]
    """By the names in `BOUNDS`; NaN where none was claimed."""
    slack_ns: Vector
    hard_slack_ns: Vector

    def select(self, mask: NDArray[np.bool_]) -> Foretold:
        """Return the rows of `mask`."""
        return Foretold(
            horizon_s=self.horizon_s,
            t_s=self.t_s[mask],
            error_ns=self.error_ns[mask],
            half_width_ns={k: v[mask] for k, v in self.half_width_ns.items()},
            slack_ns=self.slack_ns[mask],
            hard_slack_ns=self.hard_slack_ns[mask],
        )


def prepare(
    trace: Trace,
    *,
    assume_delay_s: float | None = None,
    most_targets: int = MOST_TARGETS,
    lost: Sequence[Unanswered] | None = None,
) -> Recording:
    """Turn a trace into samples and targets.

    With known truth, the targets are the instants at which it is known; without, the
    measurements in the quieter half of their server's, by delay. If there are more than
    `most_targets`, they are thinned evenly.

    Args:
        trace: As it was read.
        assume_delay_s: Largest round trip, for measurements whose delay was not
            recorded; they are left out where this is None.
        most_targets: How many are asked for at each horizon.
        lost: Polls without a measurement, on the trace's clock, where they are known;
            None: they are told from how long each server is silent.

    Raises:
        UnusableTrace: no measurement has a delay and none is assumed.
    """
    assumed_ns = None if assume_delay_s is None else round(assume_delay_s * NS_PER_S)
    shift_ns = _BEGIN_NS - trace.measurements[0].local_ns
    measured = [m for m in trace.measurements if m.offset_ns is not None]
    made = [_sample(m, shift_ns, assumed_ns) for m in measured]
    samples = [each for each in made if each is not None]
    if not samples:
        raise UnusableTrace(
            trace.path,
            f"none of its {len(measured)} measurements has a delay, without which no "
            "bound can be claimed: say how long round trips were at most, for example "
            "--assume-delay 100ms",
        )
    targets = _known(trace, shift_ns) if trace.has_truth else _quiet(samples)
    count, last = min(most_targets, len(targets)), len(targets) - 1
    # Of one, the last: before the first, nothing has been heard to answer from.
    thinned = np.unique(np.linspace(last if count == 1 else 0, last, count).round())
    heard = tuple(sorted(samples, key=_arrival_ns))
    if lost is None:
        in_vain = _silences(heard, trace.measurements[-1].local_ns + shift_ns)
    else:
        in_vain = tuple(m._replace(raw_ns=m.raw_ns + shift_ns) for m in lost)
    return Recording(
        trace=trace,
        samples=heard,
        unanswered=in_vain,
        targets=tuple(targets[int(k)] for k in thinned),
        yardstick="truth" if trace.has_truth else "measurements",
        left_out=len(made) - len(samples),
        candidates=len(targets),
    )


def replay(
    recording: Recording,
    estimator: Contender,
    horizons_s: Sequence[float] = HORIZONS_S,
    tell: Callable[[int, int], object] = lambda _done, _all: None,
) -> tuple[Foretold, ...]:
    """Replay a recording; return what was foretold, horizon by horizon.

    Args:
        recording: From `prepare`.
        estimator: A fresh one.
        horizons_s: How long before a target its answer is given. 0 is "now", which is
            for known truth only: a measurement has been seen by then.
        tell: Called now and then with the number of questions asked and of all.

    Raises:
        ValueError: a horizon is 0 or less without known truth, or negative.
    """
    least_s = min(horizons_s)
    if least_s < 0.0 or (least_s == 0.0 and recording.yardstick != "truth"):
        raise ValueError("a horizon must be above 0 s where the truth is not known")
    events: list[Sample | Unanswered] = [*recording.samples, *recording.unanswered]
    events.sort(key=_known_ns)
    questions = _questions(recording, horizons_s, [_known_ns(each) for each in events])
    total = sum(len(each) for each in questions.values())
    found = np.full((len(horizons_s), len(recording.targets), 1 + len(BOUNDS)), np.nan)
    asked = np.zeros(found.shape[:2], np.bool_)
    done = 0
    for heard, event in enumerate(events, start=1):
        if isinstance(event, Unanswered):
            estimator.miss(event)
        else:
            estimator.observe(event)
        if heard not in questions:
            continue
        now = sorted(questions[heard])
        instants = [recording.targets[k].raw_ns for k, _ in now]
        for (k, row), said in zip(now, estimator.answers(instants), strict=True):
            asked[row, k] = True
            found[row, k] = _against(recording.targets[k], said)
        done += len(now)
        tell(done, total)
    columns = _columns(recording)
    return tuple(
        _foretold(h_s, found[row], columns).select(asked[row])
        for row, h_s in enumerate(horizons_s)
    )


def _questions(
    recording: Recording, horizons_s: Sequence[float], known_ns: list[int]
) -> dict[int, list[tuple[int, int]]]:
    """Return, by how much has been heard, what is asked: target and horizon."""
    first_ns = _arrival_ns(recording.samples[0])
    questions: dict[int, list[tuple[int, int]]] = {}
    for row, horizon_s in enumerate(horizons_s):
        for k, target in enumerate(recording.targets):
            asked_ns = target.raw_ns - round(horizon_s * NS_PER_S)
            if asked_ns >= first_ns:
                heard = bisect_right(known_ns, asked_ns)
                questions.setdefault(heard, []).append((k, row))
    return questions


def _against(target: Target, said: Answer | None) -> tuple[float, ...]:
    if said is None:
        return (np.nan,) * (1 + len(BOUNDS))
    return (
        float(said.offset_ns - target.offset_ns),
        said.hard_ns,
        said.calibrated_99_ns,
        said.calibrated_999_ns,
        _NORMAL_99 * said.sigma_ns,
        _NORMAL_999 * said.sigma_ns,
    )


def _columns(recording: Recording) -> NDArray[np.float64]:
    return np.array([(t.t_s, t.slack_ns, t.hard_slack_ns) for t in recording.targets]).T


def _foretold(
    horizon_s: float, found: NDArray[np.float64], columns: NDArray[np.float64]
) -> Foretold:
    return Foretold(
        horizon_s=horizon_s,
        t_s=columns[0],
        error_ns=found[:, 0],
        half_width_ns={name: found[:, 1 + k] for k, name in enumerate(BOUNDS)},
        slack_ns=columns[1],
        hard_slack_ns=columns[2],
    )


def _sample(
    measured: Measurement, shift_ns: int, assumed_ns: int | None
) -> Sample | None:
    delay_ns = assumed_ns if measured.delay_ns is None else measured.delay_ns
    if delay_ns is None or measured.offset_ns is None:
        return None
    return Sample(
        server=measured.source,
        raw_ns=measured.local_ns + shift_ns,
        offset_ns=measured.offset_ns,
        delay_ns=delay_ns,
        root_delay_ns=measured.root_delay_ns,
        root_dispersion_ns=measured.dispersion_ns + measured.root_dispersion_ns,
        precision_ns=_PRECISION_NS,
        stratum=measured.stratum,
    )


def _arrival_ns(sample: Sample) -> int:
    return sample.raw_ns + (sample.delay_ns + 1) // 2


def _known_ns(event: Sample | Unanswered) -> int:
    return event.raw_ns if isinstance(event, Unanswered) else _arrival_ns(event)


def _silences(samples: Sequence[Sample], until_ns: int) -> tuple[Unanswered, ...]:
    """Return the polls that nobody answered, as far as `samples`, in order, show them."""
    heard: dict[str, list[int]] = {}
    for each in samples:
        heard.setdefault(each.server, []).append(_arrival_ns(each))
    found = (unanswered(those, name, until_ns) for name, those in heard.items())
    return tuple(sorted(chain.from_iterable(found)))


def _known(trace: Trace, shift_ns: int) -> list[Target]:
    return [
        Target(m.local_ns + shift_ns, m.truth_ns, 0.0, 0.0)
        for m in trace.measurements
        if m.truth_ns is not None
    ]


def _quiet(samples: Sequence[Sample]) -> list[Target]:
    delays: dict[str, list[int]] = {}
    for each in samples:
        delays.setdefault(each.server, []).append(each.delay_ns)
    middle = {name: sorted(all_)[(len(all_) - 1) // 2] for name, all_ in delays.items()}
    return [
        Target(
            each.raw_ns,
            each.offset_ns,
            (each.delay_ns - min(delays[each.server])) / 2.0,
            float(each.half_width_ns),
            each.server,
        )
        for each in sorted(samples, key=lambda each: each.raw_ns)
        if each.delay_ns <= middle[each.server]
    ]
