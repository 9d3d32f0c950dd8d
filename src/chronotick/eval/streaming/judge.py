"""The verdict: every group of statistics, and the claims that they bear out or break.

Decides what is claimed and when a claim is broken. A claim that could not be judged is
neither: it is null, with the reason. No I/O, no randomness: the same columns give the
same statistics.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from chronotick.eval.streaming.judge_accuracy import judge_accuracy
from chronotick.eval.streaming.judge_causality import judge_causality
from chronotick.eval.streaming.judge_commit import judge_commit_wait, judge_coordination
from chronotick.eval.streaming.judge_order import judge_ordering
from chronotick.eval.streaming.judge_windows import DEFAULT_WINDOWS_MS, judge_windows
from chronotick.eval.streaming.judged import Group, same_events

if TYPE_CHECKING:
    from chronotick.eval.streaming.tables import Run

__all__ = [
    "GROUPS",
    "JudgeSettings",
    "about_run",
    "broken",
    "judge",
    "pronounce",
]

GROUPS = (
    "causality",
    "ordering",
    "windows",
    "commit_wait",
    "coordination",
    "accuracy",
)
"""The groups of statistics; each is a file of its own in the report."""

_COVERAGE_SLACK = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSettings:
    """What is not in the columns."""

    windows_ms: tuple[float, ...] = DEFAULT_WINDOWS_MS
    """Sizes of windows, ms, above 0."""
    calibrated_level: float | None = 0.99
    """Stated coverage of the calibrated interval; None: it was never stated."""

    def __post_init__(self) -> None:
        if not all(size_ms * 1e6 >= 1 for size_ms in self.windows_ms):
            raise ValueError(f"a window is at least 1 ns, got {self.windows_ms} ms")


def judge(run: Run, settings: JudgeSettings | None = None) -> Group:
    """Return all statistics of `run`, and the claims."""
    settings = settings or JudgeSettings()
    common = same_events(run)
    # Order is half of the work, and numpy lets go of the interpreter: two cores help.
    with ThreadPoolExecutor(max_workers=1) as beside:
        sorting = beside.submit(judge_ordering, common)
        statistics: Group = {
            "run": about_run(run, len(common.workers), settings),
            "causality": judge_causality(common),
            "ordering": None,
            "windows": judge_windows(common, settings.windows_ms),
            "commit_wait": judge_commit_wait(run),
            "coordination": None,
            "accuracy": judge_accuracy(run),
        }
        ordering = statistics["ordering"] = sorting.result()
    statistics["coordination"] = judge_coordination(
        common, ordering, settings.windows_ms
    )
    return pronounce(statistics, settings)


def pronounce(statistics: Group, settings: JudgeSettings) -> Group:
    """Return `statistics` with the claims and the verdict that follow from them."""
    claims = _claims(statistics, settings)
    return statistics | {"claims": claims, "verdict": _verdict(claims)}


def broken(statistics: Group) -> list[str]:
    """Return the claims that are broken, as sentences."""
    return [c["claim"] for c in statistics["claims"] if c["holds"] is False]


def about_run(run: Run, rows_compared: int, settings: JudgeSettings) -> Group:
    """Return what was judged: whose rows, and how many."""
    return {
        "run_ids": list(run.run_ids),
        "nodes": list(run.nodes),
        "rows": len(run.workers),
        "rows_compared": rows_compared,
        "events_sent": len(run.sends) or None,
        "statuses": run.statuses,
        "damaged_lines": run.damaged,
        "repeated_rows": run.repeated,
        "windows_ms": list(settings.windows_ms),
        "calibrated_level": settings.calibrated_level,
    }


def _claims(statistics: Group, settings: JudgeSettings) -> list[Group]:
    causality = statistics["causality"]["clocks"]["hard"]
    ordering = statistics["ordering"]["clocks"]["hard"]
    consistency = statistics["commit_wait"]["external_consistency"]
    intervals = statistics["accuracy"]["intervals"]
    level = settings.calibrated_level
    calibrated = _claim(
        "calibrated_coverage",
        "The calibrated interval contains the truth as often as it says, within 1 %",
        intervals["calibrated"],
        "coverage",
        allowed=(
            None
            if level is None
            # Too often is wrong too: a bound that is wider than it says is no use.
            else (level - _COVERAGE_SLACK, level + _COVERAGE_SLACK)
        ),
    )
    wrong_windows = [
        _claim(
            f"windows_{window['window_ms']:g}ms",
            f"No decided window of {window['window_ms']:g} ms is wrong",
            window["clocks"]["hard"],
            "rows_wrong",
        )
        for window in statistics["windows"]["windows"]
    ]
    return [
        _claim(
            "causality",
            "No event is provably received before it was sent",
            causality,
            "contradictions",
        ),
        _claim(
            "order_all_pairs",
            "No provable order is wrong, among all pairs",
            ordering.get("all_pairs", ordering),
            "wrong",
        ),
        _claim(
            "order_same_event",
            "No provable order is wrong, among arrivals of the same event",
            ordering.get("same_event", ordering),
            "wrong",
        ),
        *wrong_windows,
        _claim(
            "external_consistency",
            "After commit-wait, stamps follow true order",
            consistency,
            "breaks",
        ),
        _claim(
            "hard_coverage",
            "The hard interval always contains the truth",
            intervals["hard"],
            "coverage",
            allowed=(1.0, 1.0),
        ),
        calibrated,
    ]


def _claim(
    name: str,
    claim: str,
    group: Group,
    key: str,
    *,
    allowed: tuple[float, float] | None = (0.0, 0.0),
) -> Group:
    measured = group.get(key)
    holds: bool | None = None
    why = group.get("why_null") if measured is None else None
    if measured is not None and allowed is None:
        why = "no coverage was stated"
    elif measured is not None and allowed is not None:
        holds = bool(allowed[0] <= measured <= allowed[1])
    return {
        "id": name,
        "claim": claim,
        "measured": measured,
        "holds": holds,
        "why": why,
    }


def _verdict(claims: list[Group]) -> Literal["holds", "broken", "not judged"]:
    judged = [claim["holds"] for claim in claims if claim["holds"] is not None]
    if not judged:
        return "not judged"
    return "holds" if all(judged) else "broken"
