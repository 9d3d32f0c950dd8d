"""What a simulated daemon published against the truth: rows, scores, files.

Decides what is written of one simulation and how it is summed up. The truth and whether
an interval held are `chronotick.sim.recorder`'s; what a score means is
`chronotick.eval.accuracy.scores`'.
"""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from chronotick.core.status import Reason, Status
from chronotick.eval.accuracy.made_with import versions
from chronotick.eval.accuracy.scores import answered, score_coverage, score_errors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from chronotick.eval.accuracy.bench_world import Simulated
    from chronotick.sim.recorder import Outlook, Publication, Violation
    from chronotick.sim.scenario import Scenario

    Vector = NDArray[np.float64]

__all__ = [
    "COLUMNS",
    "LEVELS",
    "is_unknowable",
    "summarize",
    "write_rows",
    "write_summary",
]

Document: TypeAlias = dict[str, Any]

LEVELS = {"hard": "bound_ns", "99": "calibrated_99_ns", "99.9": "calibrated_999_ns"}
"""Names of the bounds, and their fields in a publication."""
COLUMNS = (
    "true_s",
    "status",
    "reasons",
    "source",
    "error_ns",
    "hard_ns",
    "calibrated_99_ns",
    "calibrated_999_ns",
    "sigma_ns",
    "hard_holds",
)
"""Of the rows; empty where the daemon claimed nothing."""
_MOST_LISTED = 50
_TIMEOUT_S = 1.5


def summarize(simulated: Simulated, *, scenario_file: str | None = None) -> Document:
    """Return the summary of a simulation, as JSON's own types.

    Args:
        simulated: A finished simulation.
        scenario_file: Path of the scenario; None: it is one of the package's.
    """
    recorder, scenario = simulated.recorder, simulated.world.scenario
    hidden = [v for v in recorder.violations if _is_hidden(v, scenario)]
    return {
        "scenario": scenario.name,
        "summary": scenario.summary,
        "scenario_file": scenario_file,
        "seed": simulated.plan.seed,
        "daemon": simulated.plan.daemon,
        "hours": simulated.length_s / 3600.0,
        "versions": versions(),
        "published": recorder.count,
        "hard_intervals_checked": recorder.judgements,
        "hard_violations": len(recorder.violations) - len(hidden),
        "hard_unknowable": len(hidden),
        "violations": [
            _violation(v, v in hidden) for v in recorder.violations[:_MOST_LISTED]
        ],
        "time_share": _time_share(simulated),
        "status_changes": _changes(recorder.publications),
        "verdicts": {
            server: [[true_s, verdict] for true_s, verdict in history]
            for server, history in simulated.status.verdicts.items()
        },
        "now": _scores(recorder.publications),
        "ahead": {
            f"{horizon_s:g}": _scores(rows)
            for horizon_s, rows in _by_horizon(recorder.outlooks).items()
        },
    }


def is_unknowable(scenario: Scenario, published_s: float, read_s: float) -> bool:
    """Say whether no daemon could have known that a correction was wrong when read.

    RAW leapt or stood still without the kernel's knowledge: that breaks what the hard
    bound assumes of it, and shows only in the servers' next answers. So it is excused
    what is read after it had happened, and was published before every server could have
    been asked once more.

    Args:
        scenario: The world.
        published_s: When, in true time since the start.
        read_s: When a reader used it.
    """
    spec = scenario.host.oscillator
    # Two polls: the first may be lost. And the longest wait for an answer.
    notice_s = 2.0 * (1.1 * scenario.polling.max_poll_s + _TIMEOUT_S)
    return any(
        read_s >= at_s and published_s <= until_s + notice_s
        for at_s, until_s in (
            *((jump.at_s, jump.at_s) for jump in spec.jumps),
            *((stall.at_s, stall.at_s + stall.for_s) for stall in spec.stalls),
        )
    )


def _is_hidden(violation: Violation, scenario: Scenario) -> bool:
    published_s = violation.true_s - violation.age_s
    return is_unknowable(scenario, published_s, violation.true_s)


def write_summary(path: Path, document: Document) -> None:
    """Write a summary as JSON."""
    text = json.dumps(document, indent=1, allow_nan=False)
    path.write_text(f"{text}\n", encoding="utf-8")


def write_rows(path: Path, publications: Sequence[Publication]) -> None:
    """Write what was published as CSV, a row each (`COLUMNS`)."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(map(_row, publications))


def _row(published: Publication) -> tuple[object, ...]:
    known = published.status is not Status.UNKNOWN
    return (
        round(published.true_s, 9),
        published.status.name,
        _reasons(published.reasons),
        published.source.name,
        published.error_ns if known else None,
        published.bound_ns if known else None,
        _rounded(published.calibrated_99_ns),
        _rounded(published.calibrated_999_ns),
        _rounded(published.sigma_ns) if known else None,
        published.holds if known else None,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _reasons(reasons: Reason) -> str:
    return "|".join(each.name or "" for each in reasons)


def _violation(violation: Violation, is_hidden: bool) -> Document:
    return {
        "true_s": violation.true_s,
        "age_s": violation.age_s,
        "error_ns": violation.error_ns,
        "bound_ns": violation.bound_ns,
        "status": violation.correction.status.name,
        "unknowable": is_hidden,
    }


def _changes(publications: Sequence[Publication]) -> list[Document]:
    """Return each change of status or reasons, the first publication included."""
    changes: list[Document] = []
    said: tuple[Status, Reason] | None = None
    for each in publications:
        if (each.status, each.reasons) != said:
            said = (each.status, each.reasons)
            changes.append(
                {
                    "true_s": each.true_s,
                    "status": each.status.name,
                    "reasons": _reasons(each.reasons),
                }
            )
    return changes


def _time_share(simulated: Simulated) -> Document:
    """Return how much of the time each status was published; `NOTHING` before any."""
    publications = simulated.recorder.publications
    ends = [each.true_s for each in publications[1:]] + [simulated.length_s]
    spent: dict[str, float] = {}
    for each, end_s in zip(publications, ends, strict=True):
        name = each.status.name
        spent[name] = spent.get(name, 0.0) + end_s - each.true_s
    spent["NOTHING"] = publications[0].true_s if publications else simulated.length_s
    return {name: span / simulated.length_s for name, span in spent.items() if span > 0}


def _by_horizon(outlooks: Sequence[Outlook]) -> dict[float, list[Outlook]]:
    found: dict[float, list[Outlook]] = {}
    for each in outlooks:
        found.setdefault(each.horizon_s, []).append(each)
    return dict(sorted(found.items()))


def _scores(rows: Sequence[Publication | Outlook]) -> Document | None:
    """Return errors and coverage of all that claims a time; None where nothing does."""
    known = [each for each in rows if each.status is not Status.UNKNOWN]
    if not known:
        return None
    error_ns = np.array([each.error_ns for each in known], np.float64)
    errors = score_errors(error_ns)
    return {
        "count": errors.count,
        "bias_ns": errors.mean_ns,
        "rmse_ns": errors.rmse_ns,
        "mae_ns": errors.mae_ns,
        "p99_ns": errors.p99_ns,
        "max_ns": errors.max_ns,
        "coverage": {
            name: _coverage(error_ns, _widths(known, field))
            for name, field in LEVELS.items()
        },
    }


def _widths(rows: Sequence[Publication | Outlook], field: str) -> Vector:
    values = [getattr(each, field) for each in rows]
    return np.array([np.nan if v is None else v for v in values], np.float64)


def _coverage(error_ns: Vector, half_width_ns: Vector) -> Document | None:
    """Return how often a bound held; None where it was never claimed."""
    claimed = answered(half_width_ns)
    if not claimed.any():
        return None
    scores = score_coverage(error_ns[claimed], half_width_ns[claimed])
    return {
        "claimed": scores.count,
        "missed": scores.missed,
        "coverage": scores.coverage,
        "median_half_width_ns": scores.median_width_ns,
        "p99_half_width_ns": scores.p99_width_ns,
    }
