"""The judge on a cluster: one task for each clock, each with its own columns only.

Decides how the work is divided, and nothing else: the parts are judged by the same
functions over the same rows in the same order, so the statistics are those of one
machine to the last digit. The folder must be where all workers see it. A task holds the
columns of one clock: about half of what judging the whole run takes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chronotick.eval.streaming.columns import ACKNOWLEDGED_AFTER
from chronotick.eval.streaming.judge import about_run, pronounce
from chronotick.eval.streaming.judge_accuracy import judge_course, judge_errors
from chronotick.eval.streaming.judge_bounds import judge_bounds, orders
from chronotick.eval.streaming.judge_causality import judge_causality
from chronotick.eval.streaming.judge_commit import judge_commit_wait, judge_coordination
from chronotick.eval.streaming.judge_order import judge_ordering
from chronotick.eval.streaming.judge_windows import judge_windows
from chronotick.eval.streaming.judged import (
    CLOCKS,
    COMMON,
    INTERVALS,
    POINTS,
    Group,
    select,
)
from chronotick.eval.streaming.tables import read_run

if TYPE_CHECKING:
    from chronotick.eval.cluster import Cluster
    from chronotick.eval.streaming.judge import JudgeSettings
    from chronotick.eval.streaming.tables import Masks

__all__ = ["judge_on", "judge_part"]

_LIMIT_S = 3600.0
_COMMIT_COLUMNS = (
    "commit_wait_ns",
    "ct_hard_upper_ns",
    "ct_uncertainty_ms",
    "ct_uncertainty_30s_ms",
    "ct_uncertainty_60s_ms",
    "true_time_ns",
)
_COURSE_COLUMNS = (
    *(clock.receive for clock in POINTS),
    "ct_hard_lower_ns",
    "ct_hard_upper_ns",
    "ct_uncertainty_ms",
    "true_time_ns",
)


def judge_on(
    cluster: Cluster,
    folder: Path,
    settings: JudgeSettings,
    *,
    limit_s: float = _LIMIT_S,
) -> Group:
    """Return what `chronotick.eval.streaming.judge.judge` would return of `folder`.

    Args:
        cluster: Connected; its workers see `folder` by the same path.
        folder: As `read_run` reads it.
        settings: What is not in the files.
        limit_s: How long all of it may take.

    Raises:
        CallFailed: a part failed or took too long; says which and why.
    """
    cluster.get_ready()
    parts = ("run", *CLOCKS, "commit_wait", "course")
    words = {part: (str(folder.resolve()), part, settings) for part in parts}
    found = dict(cluster.map(judge_part, words, limit_s=limit_s))
    statistics: Group = {
        "run": found["run"],
        "causality": _clocks(found, "causality"),
        "ordering": _clocks(found, "ordering"),
        "bounds": _clocks(found, "bounds"),
        "windows": _windows(found),
        "commit_wait": found["commit_wait"],
        "coordination": _clocks(found, "coordination"),
        "accuracy": {
            "clocks": _merged(found, "errors", "clocks"),
            "intervals": _merged(found, "errors", "intervals"),
            **found["course"],
        },
    }
    return pronounce(statistics, settings)


def _merged(found: dict[str, Group], group: str, key: str) -> Group:
    """Return one group's parts as one, the clocks in their usual order."""
    result: Group = {}
    for name in CLOCKS:
        result |= found[name][group][key]
    return result


def _clocks(found: dict[str, Group], group: str) -> Group:
    return {"clocks": _merged(found, group, "clocks")}


def _windows(found: dict[str, Group]) -> Group:
    sizes = [found[name]["windows"]["windows"] for name in CLOCKS]
    windows = []
    for of_size in zip(*sizes, strict=True):
        clocks: Group = {}
        for part in of_size:
            clocks |= part["clocks"]
        windows.append({"window_ms": of_size[0]["window_ms"], "clocks": clocks})
    return {"windows": windows}


# ── On the cluster ───────────────────────────────────────────────────────────


def judge_part(folder: str, part: str, settings: JudgeSettings) -> Group:
    """Return one part of the statistics: of one clock, or what belongs to none.

    Raises:
        UnusableRecording: there is nothing that can be judged.
    """
    place = Path(folder)
    if part == "commit_wait":
        return judge_commit_wait(read_run(place, only=_COMMIT_COLUMNS))
    if part == "course":
        return judge_course(read_run(place, only=_COURSE_COLUMNS))
    mask = _common_rows(place)
    if part == "run":
        run = read_run(place, only=("run_id", "ct_status", ACKNOWLEDGED_AFTER))
        return about_run(run, int(np.count_nonzero(mask)), settings)
    run = read_run(place, only=_columns(part))
    errors = judge_errors(run, (part,))
    common, sizes = select(run, mask), settings.windows_ms
    causality = judge_causality(common, (part,))
    ordering = judge_ordering(common, (part,))
    bounds = judge_bounds(run, common, causality, ordering, (part,))
    return {
        "causality": causality,
        "ordering": ordering,
        "bounds": bounds,
        "windows": judge_windows(run, sizes, (part,)),
        "coordination": judge_coordination(run, orders(bounds), sizes, (part,)),
        "errors": errors,
    }


def _columns(name: str) -> tuple[str, ...]:
    """Return the columns of one clock, at both ends."""
    found = ["true_time_ns"]
    for point in POINTS:
        if point.name == name:
            # The datagram itself carries the system clock's stamp.
            found += [point.send, point.receive, "coordinator_send_time_ns"]
    for interval in INTERVALS:
        if interval.name == name:
            found += [interval.lower, interval.upper, ACKNOWLEDGED_AFTER]
    return tuple(found)


def _common_rows(folder: Path) -> Masks:
    """Return in which rows all clocks are compared: `same_events`, a column at a time."""
    mask: Masks | None = None
    for name in COMMON:
        known = read_run(folder, only=(name,)).workers.known(name)
        if mask is None:
            mask = np.ones(len(known), dtype=np.bool_)
        if known.any():
            mask &= known
    assert mask is not None  # noqa: S101 - there are common columns
    return mask
