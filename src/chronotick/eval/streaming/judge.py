"""The verdict: every group of statistics, and the claims that they bear out or break.

Decides which rows each group is judged on: all clocks are compared on the rows that all
of them have, and what is promised is judged on every row. No I/O, no randomness: the same
columns give the same statistics.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from chronotick.eval.streaming.judge_accuracy import judge_accuracy
from chronotick.eval.streaming.judge_bounds import judge_bounds, orders
from chronotick.eval.streaming.judge_causality import judge_causality
from chronotick.eval.streaming.judge_claims import judge_claims
from chronotick.eval.streaming.judge_commit import judge_commit_wait, judge_coordination
from chronotick.eval.streaming.judge_order import judge_ordering
from chronotick.eval.streaming.judge_recorded import judge_recorded
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
    "bounds",
    "windows",
    "commit_wait",
    "coordination",
    "accuracy",
)
"""The groups of statistics; each is a file of its own in the report."""


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
            "bounds": None,
            "windows": judge_windows(run, settings.windows_ms),
            "commit_wait": judge_commit_wait(run),
            "coordination": None,
            "accuracy": judge_accuracy(run),
        }
        ordering = statistics["ordering"] = sorting.result()
    bounds = judge_bounds(run, common, statistics["causality"], ordering)
    statistics["bounds"] = bounds
    statistics["coordination"] = judge_coordination(
        run, orders(bounds), settings.windows_ms
    )
    return pronounce(statistics, settings)


def pronounce(statistics: Group, settings: JudgeSettings) -> Group:
    """Return `statistics` with the claims and the verdict that follow from them."""
    claims = judge_claims(statistics, settings.calibrated_level)
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
        "recorded": judge_recorded(run),
        "windows_ms": list(settings.windows_ms),
        "calibrated_level": settings.calibrated_level,
    }


def _verdict(claims: list[Group]) -> Literal["holds", "broken", "not judged"]:
    judged = [claim["holds"] for claim in claims if claim["holds"] is not None]
    if not judged:
        return "not judged"
    return "holds" if all(judged) else "broken"
