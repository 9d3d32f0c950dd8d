"""The scores of the bench: what was foretold, pooled over seeds.

Decides which rows count, what is compared with what, and how sure each number is. Cells
are computed elsewhere; scores are `chronotick.eval.accuracy.scores`', intervals
`chronotick.eval.accuracy.bootstrap`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from chronotick.eval.accuracy.backtest import BOUNDS, Foretold
from chronotick.eval.accuracy.bench_cells import is_possible
from chronotick.eval.accuracy.bootstrap import BLOCK_S, Bootstrap, blocks_of
from chronotick.eval.accuracy.made_with import versions
from chronotick.eval.accuracy.scores import answered, score_coverage, score_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from chronotick.eval.accuracy.bench_cells import Outcome
    from chronotick.sim.scenario import Scenario

    Vector = NDArray[np.float64]

__all__ = ["BenchSettings", "Document", "judge"]

Document: TypeAlias = dict[str, Any]
"""JSON's own types."""

_LONGEST_SKIP_S = 7200.0
# A ratio is of the same questions, or it is none.
_LEAST_SHARED = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings:
    """What is asked of the bench."""

    scenarios: tuple[Scenario, ...]
    seeds: tuple[int, ...]
    subjects: tuple[str, ...]
    """Of `chronotick.eval.accuracy.bench_cells.SUBJECTS`."""
    baseline: str
    """The subject that the others are compared with, where it is among them."""
    horizons_s: tuple[float, ...]
    hours: float | None = None
    """Of each world; None: what its scenario says."""
    targets: int = 500
    """Instants asked for at each horizon of each cell, at most."""
    skip_s: float | None = None
    """What was foretold earlier is not scored; None: two hours, or a quarter."""
    bootstrap_seed: int = 0

    def length_s(self, scenario: Scenario) -> float:
        """Return how long `scenario` is simulated."""
        return scenario.duration_s if self.hours is None else self.hours * 3600.0

    def skipped_s(self, scenario: Scenario) -> float:
        """Return how much of the start of `scenario` is not scored."""
        if self.skip_s is not None:
            return self.skip_s
        return min(_LONGEST_SKIP_S, self.length_s(scenario) / 4.0)


class _Group(NamedTuple):
    scenario: str
    subject: str
    horizon_s: float


def judge(outcomes: Sequence[Outcome], settings: BenchSettings) -> Document:
    """Return the scores of all outcomes, pooled over seeds."""
    groups: dict[_Group, dict[int, Foretold]] = {}
    skips = {s.name: settings.skipped_s(s) for s in settings.scenarios}
    for outcome in outcomes:
        for each in outcome.foretold:
            group = _Group(outcome.scenario, outcome.subject, each.horizon_s)
            settled = each.t_s - each.horizon_s >= skips[outcome.scenario]
            rows = each.select(settled & answered(each.error_ns))
            groups.setdefault(group, {})[outcome.seed] = rows
    results = [_result(group, groups, settings) for group in groups]
    return {
        "about": _about(settings),
        "results": [result for result in results if result is not None],
        "pooled": _pooled(groups),
        "hard": _hard(outcomes),
        "left_out": [
            [scenario.name, subject]
            for scenario in settings.scenarios
            for subject in settings.subjects
            if not is_possible(scenario, subject)
        ],
    }


def _about(settings: BenchSettings) -> Document:
    return {
        **versions(),
        "scenarios": {s.name: s.summary for s in settings.scenarios},
        "hours": {s.name: settings.length_s(s) / 3600.0 for s in settings.scenarios},
        "not_scored_s": {s.name: settings.skipped_s(s) for s in settings.scenarios},
        "seeds": list(settings.seeds),
        "subjects": list(settings.subjects),
        "baseline": settings.baseline,
        "horizons_s": list(settings.horizons_s),
        "targets": settings.targets,
        "confidence": 0.95,
        "bootstrap_seed": settings.bootstrap_seed,
        "block_s": BLOCK_S,
    }


def _result(
    group: _Group,
    groups: dict[_Group, dict[int, Foretold]],
    settings: BenchSettings,
) -> Document | None:
    runs = [rows for rows in groups[group].values() if rows.t_s.size]
    if not runs:
        return None
    error_ns = np.concatenate([rows.error_ns for rows in runs])
    bootstrap = _bootstrap([rows.t_s for rows in runs], group, settings)
    errors = score_errors(error_ns)
    return {
        "scenario": group.scenario,
        "subject": group.subject,
        "horizon_s": group.horizon_s,
        "seeds": len(runs),
        "count": errors.count,
        "rmse_ns": errors.rmse_ns,
        "rmse_interval_ns": bootstrap.rms(error_ns),
        "bias_ns": errors.mean_ns,
        "mae_ns": errors.mae_ns,
        "p99_ns": errors.p99_ns,
        "max_ns": errors.max_ns,
        "ratio": _ratio(group, groups, settings),
        "bounds": {name: _coverage(runs, name, group, settings) for name in BOUNDS},
    }


def _ratio(
    group: _Group,
    groups: dict[_Group, dict[int, Foretold]],
    settings: BenchSettings,
) -> Document | None:
    """Return RMSE over the baseline's, on what both were asked and answered."""
    theirs = groups.get(group._replace(subject=settings.baseline))
    if theirs is None or group.subject == settings.baseline:
        return None
    t_s, mine, others = [], [], []
    for seed, rows in groups[group].items():
        other = theirs.get(seed)
        if other is None:
            return None
        _, a, b = np.intersect1d(rows.t_s, other.t_s, return_indices=True)
        if a.size < _LEAST_SHARED * max(rows.t_s.size, other.t_s.size, 1):
            return None
        t_s.append(rows.t_s[a])
        mine.append(rows.error_ns[a])
        others.append(other.error_ns[b])
    ours_ns, theirs_ns = np.concatenate(mine), np.concatenate(others)
    if not ours_ns.size or not theirs_ns.any():
        return None
    bootstrap = _bootstrap(t_s, group, settings)
    return {
        "baseline": settings.baseline,
        "value": float(np.sqrt(np.mean(ours_ns**2) / np.mean(theirs_ns**2))),
        "interval": bootstrap.rms_ratio(ours_ns, theirs_ns),
    }


def _coverage(
    runs: Sequence[Foretold], name: str, group: _Group, settings: BenchSettings
) -> Document | None:
    """Return how a bound did; None where it was never claimed."""
    masks = [answered(rows.half_width_ns[name]) for rows in runs]
    claimed = [rows.select(mask) for rows, mask in zip(runs, masks, strict=True)]
    claimed = [rows for rows in claimed if rows.t_s.size]
    if not claimed:
        return None
    error_ns = np.concatenate([rows.error_ns for rows in claimed])
    width_ns = np.concatenate([rows.half_width_ns[name] for rows in claimed])
    scores = score_coverage(error_ns, width_ns)
    held = np.abs(error_ns) <= width_ns
    bootstrap = _bootstrap([rows.t_s for rows in claimed], group, settings)
    # Where nothing (or all) was missed every draw is alike: that is no certainty.
    both = held.any() and not held.all()
    return {
        "claimed": scores.count,
        "missed": scores.missed,
        "coverage": scores.coverage,
        "interval": bootstrap.mean(held.astype(np.float64)) if both else None,
        "median_half_width_ns": scores.median_width_ns,
        "oracle_half_width_ns": _oracle_ns(error_ns, name),
    }


def _oracle_ns(error_ns: Vector, name: str) -> float | None:
    """Return the constant half width that would have held as often as was promised."""
    level = {"9": 0.99, "99": 0.999}.get(name.removeprefix("calibrated_9"))
    if level is None:
        return None
    return float(np.quantile(np.abs(error_ns), level, method="higher"))


def _pooled(groups: dict[_Group, dict[int, Foretold]]) -> list[Document]:
    """Return the coverage of each subject's bounds over all cells and horizons."""
    found: list[Document] = []
    for subject in dict.fromkeys(group.subject for group in groups):
        rows = [
            each
            for group, runs in groups.items()
            if group.subject == subject
            for each in runs.values()
        ]
        for name in BOUNDS:
            error_ns = np.concatenate([each.error_ns for each in rows])
            width_ns = np.concatenate([each.half_width_ns[name] for each in rows])
            claimed = answered(width_ns)
            if claimed.any():
                scores = score_coverage(error_ns[claimed], width_ns[claimed])
                found.append(
                    {
                        "subject": subject,
                        "bound": name,
                        "claimed": scores.count,
                        "missed": scores.missed,
                        "coverage": scores.coverage,
                    }
                )
    return found


def _hard(outcomes: Sequence[Outcome]) -> Document:
    """Return what became of the daemons' hard intervals, by scenario and seed."""
    checked = [each for each in outcomes if each.hard_checked]
    return {
        "checked": sum(each.hard_checked for each in checked),
        "violations": sum(each.hard_violations for each in checked),
        "by_cell": [
            [each.scenario, each.seed, each.subject, each.hard_violations]
            for each in checked
            if each.hard_violations
        ],
    }


def _bootstrap(
    t_s: Sequence[Vector], group: _Group, settings: BenchSettings
) -> Bootstrap:
    # Answers for instants closer together than their horizon share their history.
    block_s = max(BLOCK_S, group.horizon_s)
    return Bootstrap(blocks_of(t_s, block_s), seed=settings.bootstrap_seed)
