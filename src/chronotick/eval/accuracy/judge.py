"""Score what was foretold: one document of JSON's own types, from which all else is made.

Decides which rows count (those foretold after a stated time to settle), what is pooled,
and how sure each number is. Nothing here is rounded; saying it is
`chronotick.eval.accuracy.report`'s.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from chronotick.core.units import NS_PER_S
from chronotick.eval.accuracy.backtest import BOUNDS
from chronotick.eval.accuracy.bootstrap import BLOCK_S, Bootstrap, blocks_of
from chronotick.eval.accuracy.made_with import versions
from chronotick.eval.accuracy.scores import (
    answered,
    coverage_curve,
    score_coverage,
    score_errors,
    steady_limit_ns,
    warm_up_s,
)
from chronotick.eval.accuracy.stability import (
    allan_deviation,
    even_series,
    factors,
    mtie,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from chronotick.core.records import Sample
    from chronotick.eval.accuracy.backtest import Foretold, Recording, Target

    Vector = NDArray[np.float64]

__all__ = ["POOLED", "AccuracySettings", "Document", "Run", "judge"]

Document: TypeAlias = dict[str, Any]
"""JSON's own types; a null has its reason beside it or in the reference."""

POOLED = "all"
"""Name of the trace in results over all of them."""
_LONGEST_SKIP_S = 7200.0
# What the daemon allows a clock to be off by (`clock.max_frequency_error_ppm`).
_MOST_DRIFT = 500e-6
_HOLD_S = 1800.0
_SERIES_POINTS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracySettings:
    """What is not in the recordings."""

    seed: int = 0
    """Of the bootstrap."""
    skip_s: float | None = None
    """How long estimators may settle before they are scored; None: two hours, or a
    quarter of the recording if that is less."""
    asked: Document | None = None
    """What the caller was asked for, repeated in the document."""


class Run(NamedTuple):
    """One estimator on one recording."""

    model: str
    recording: Recording
    foretold: tuple[Foretold, ...]


def judge(runs: Sequence[Run], settings: AccuracySettings) -> Document:
    """Return all scores of `runs`.

    Pooled results are there where several traces have the same yardstick.
    """
    recordings = {run.recording.trace.path: run.recording for run in runs}
    results = [
        _result(run.model, run.recording.trace.path, [(run, each)], settings)
        for run in runs
        for each in run.foretold
    ]
    if len(recordings) > 1 and len({r.yardstick for r in recordings.values()}) == 1:
        results += _pooled(runs, settings)
    return {
        "about": {
            **versions(),
            "seed": settings.seed,
            "confidence": 0.95,
            **(settings.asked or {}),
        },
        "traces": [_trace(each, settings) for each in recordings.values()],
        "results": results,
        "warm_up": [_warm_up(run) for run in runs],
        "stability": [
            *(_clock_stability(each) for each in recordings.values()),
            *(_stability(run, settings) for run in runs),
        ],
        "series": [_series(run) for run in runs],
    }


def _trace(recording: Recording, settings: AccuracySettings) -> Document:
    trace = recording.trace
    return {
        "path": trace.path,
        "format": trace.format,
        "sha256": trace.sha256,
        "steering": str(trace.steering),
        "span_s": trace.span_s,
        "resolution_ns": trace.resolution_ns,
        "measurements": len(recording.samples),
        "sources": list(trace.sources),
        "skipped": dict(trace.skipped),
        "without_delay": recording.left_out,
        "steps": _steps(recording.samples),
        "yardstick": recording.yardstick,
        "targets": len(recording.targets),
        "candidates": recording.candidates,
        "skip_s": _skip_s(recording, settings),
        "notes": list(trace.notes),
    }


def _steps(samples: Sequence[Sample]) -> Document:
    """Count the steps from one measurement of a server to its next.

    And those among them that no clock can have taken: they are of another unit, or of a
    clock that was set.
    """
    last: dict[str, Sample] = {}
    apart_s: list[float] = []
    impossible = 0
    for each in samples:
        before = last.get(each.server)
        last[each.server] = each
        if before is None:
            continue
        apart_ns = abs(each.raw_ns - before.raw_ns)
        apart_s.append(apart_ns / NS_PER_S)
        most_ns = _MOST_DRIFT * apart_ns + before.half_width_ns + each.half_width_ns
        impossible += abs(each.offset_ns - before.offset_ns) > most_ns
    return {
        "count": len(apart_s),
        "impossible": impossible,
        "median_s": float(np.median(apart_s)) if apart_s else None,
    }


def _skip_s(recording: Recording, settings: AccuracySettings) -> float:
    if settings.skip_s is not None:
        return settings.skip_s
    return min(_LONGEST_SKIP_S, recording.trace.span_s / 4.0)


def _settled(run: Run, each: Foretold, settings: AccuracySettings) -> Foretold:
    """Return what was foretold after the time to settle."""
    said_at_s = each.t_s - each.horizon_s
    return each.select(said_at_s >= _skip_s(run.recording, settings))


def _pooled(runs: Sequence[Run], settings: AccuracySettings) -> list[Document]:
    groups: dict[tuple[str, float], list[tuple[Run, Foretold]]] = {}
    for run in runs:
        for each in run.foretold:
            groups.setdefault((run.model, each.horizon_s), []).append((run, each))
    return [
        _result(model, POOLED, members, settings)
        for (model, _), members in groups.items()
    ]


def _result(
    model: str,
    trace: str,
    members: Sequence[tuple[Run, Foretold]],
    settings: AccuracySettings,
) -> Document:
    """Return the scores of one model at one horizon, over one trace or several."""
    settled = [_settled(run, each, settings) for run, each in members]
    horizon_s = settled[0].horizon_s
    rows = [each.select(answered(each.error_ns)) for each in settled]
    asked = sum(each.t_s.size for each in settled)
    count = sum(each.t_s.size for each in rows)
    result: Document = {
        "model": model,
        "trace": trace,
        "horizon_s": horizon_s,
        "asked": asked,
        "unanswered": asked - count,
    }
    if not count:
        why = "the recording is too short" if not asked else "no question was answered"
        return result | {"error": None, "bounds": {}, "why_null": why}
    error_ns = np.concatenate([each.error_ns for each in rows])
    # Errors of overlapping forecasts are the same errors: a block is no shorter.
    block_s = max(BLOCK_S, horizon_s)
    drawn = Bootstrap(
        blocks_of([each.t_s for each in rows], block_s), seed=settings.seed
    )
    size = np.abs(error_ns)
    return result | {
        "error": asdict(score_errors(error_ns)),
        "intervals": {
            "rmse_ns": drawn.rms(error_ns),
            "mae_ns": drawn.mean(size),
            "p99_ns": drawn.quantile(size, 0.99),
        },
        "block_s": block_s,
        "blocks": drawn.blocks,
        "bounds": {
            name: found
            for name in BOUNDS
            if (found := _bound(name, rows, block_s, settings.seed)) is not None
        },
    }


def _bound(
    name: str, rows: Sequence[Foretold], block_s: float, seed: int
) -> Document | None:
    """Return the scores of one bound over the rows that claim it; None if none does."""
    claimed = [each.select(answered(each.half_width_ns[name])) for each in rows]
    error_ns = np.concatenate([each.error_ns for each in claimed])
    if not error_ns.size:
        return None
    width_ns = np.concatenate([each.half_width_ns[name] for each in claimed])
    slack_ns = np.concatenate(
        [each.hard_slack_ns if name == "hard" else each.slack_ns for each in claimed]
    )
    drawn = Bootstrap(blocks_of([each.t_s for each in claimed], block_s), seed=seed)
    held = np.abs(error_ns) <= width_ns + slack_ns
    # Where nothing (or all) was missed every draw is alike: that is no certainty.
    both = held.any() and not held.all()
    return {
        **asdict(score_coverage(error_ns, width_ns, slack_ns)),
        "interval": drawn.mean(held.astype(np.float64)) if both else None,
        # With measurements for a yardstick, their own noise counted as misses too.
        "coverage_strict": score_coverage(error_ns, width_ns).coverage,
        "curve": [
            asdict(point)
            for point in coverage_curve(error_ns, width_ns, slack_ns=slack_ns)
        ],
    }


def _warm_up(run: Run) -> Document:
    first = min(run.foretold, key=lambda each: each.horizon_s)
    rows = first.select(answered(first.error_ns))
    result: Document = {
        "model": run.model,
        "trace": run.recording.trace.path,
        "horizon_s": first.horizon_s,
    }
    if not rows.t_s.size:
        return result | {"limit_ns": None, "settled_s": None, "first_answer_s": None}
    limit_ns = steady_limit_ns(rows.error_ns)
    hold_s = min(_HOLD_S, run.recording.trace.span_s / 10.0)
    return result | {
        "first_answer_s": float(rows.t_s[0]),
        "limit_ns": limit_ns,
        "hold_s": hold_s,
        "settled_s": warm_up_s(rows.t_s, rows.error_ns, limit_ns, hold_s),
    }


def _stability(run: Run, settings: AccuracySettings) -> Document:
    first = min(run.foretold, key=lambda each: each.horizon_s)
    rows = _settled(run, first, settings)
    rows = rows.select(answered(rows.error_ns))
    if run.recording.yardstick == "measurements":
        steady_s = [target.t_s for target in _of_one_server(run.recording)]
        rows = rows.select(np.isin(rows.t_s, steady_s))
    return {
        "model": run.model,
        "trace": run.recording.trace.path,
        **_points(rows.t_s, rows.error_ns),
    }


def _clock_stability(recording: Recording) -> Document:
    """Return the stability of what the estimators were up against."""
    targets = _of_one_server(recording)
    t_s = np.array([target.t_s for target in targets])
    phase_ns = np.array([-float(target.offset_ns) for target in targets])
    name = "local clock" if recording.yardstick == "truth" else "measurements"
    return {"model": name, "trace": recording.trace.path, **_points(t_s, phase_ns)}


def _of_one_server(recording: Recording) -> list[Target]:
    """Return the targets of whoever has the most of them; all where truth is known.

    Servers differ by constants, and are asked in bursts: a step from one to another is
    no wander of a clock, and rows in clusters are no series.
    """
    whose, _ = Counter(t.server for t in recording.targets).most_common(1)[0]
    return [target for target in recording.targets if target.server == whose]


def _points(t_s: Vector, phase_ns: Vector) -> Document:
    series = even_series(t_s, phase_ns)
    if series is None:
        return {"step_s": None, "adev": [], "mtie": [], "why_null": "too few instants"}
    found = factors(series.phase_ns.size)
    return {
        "step_s": series.step_s,
        "adev": [p._asdict() for k in found if (p := allan_deviation(series, k))],
        "mtie": [p._asdict() for k in found if (p := mtie(series, k))],
    }


def _series(run: Run) -> Document:
    """Return the errors of the shortest horizon over time, thinned for a figure."""
    first = min(run.foretold, key=lambda each: each.horizon_s)
    step = max(-(-first.t_s.size // _SERIES_POINTS), 1)
    return {
        "model": run.model,
        "trace": run.recording.trace.path,
        "horizon_s": first.horizon_s,
        "t_s": first.t_s[::step].tolist(),
        "error_ns": _nullable(first.error_ns[::step]),
        **{
            name: _nullable(first.half_width_ns[name][::step])
            for name in ("hard", "calibrated_99", "sigma_99")
        },
    }


def _nullable(values: Vector) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]
