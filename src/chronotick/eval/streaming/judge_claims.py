"""The claims: what is promised, and when a promise is broken.

Decides that a claim which could not be judged is neither kept nor broken: it is null,
with the reason. A claim that was judged on some of the rows says on how many. Only the
calibrated interval may be wrong at times, so only there chance is allowed for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.eval.streaming.judge_share import limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chronotick.eval.streaming.judged import Group

__all__ = ["judge_claims", "missing_of", "remark"]

# The tolerance of a measured coverage.
_SLACK = 0.01
_MOST_NODES = 8


def judge_claims(statistics: Group, level: float | None) -> list[Group]:
    """Return the claims that `statistics` bear out or break.

    Args:
        statistics: All groups.
        level: Stated coverage of the calibrated interval; None: it was never stated.
    """
    hard = statistics["bounds"]["clocks"]["hard"]
    causality, ordering = hard["causality"], hard["ordering"]
    consistency = statistics["commit_wait"]["external_consistency"]
    intervals = statistics["accuracy"]["intervals"]
    with_truth = ordering.get("rows_with_truth")
    claims = [
        _recorded(statistics["run"]),
        _never(
            "causality",
            "No event is provably received before it was sent, or after it was "
            "acknowledged",
            causality,
            "contradictions",
            causality["judged"],
        )
        | {"nodes": causality.get("contradictions_by_node", {})},
        _never(
            "order_all_pairs",
            "No provable order is wrong, among all pairs",
            ordering.get("all_pairs", ordering),
            "wrong",
            with_truth,
        ),
        _never(
            "order_same_event",
            "No provable order is wrong, among arrivals of the same event",
            ordering.get("same_event", ordering),
            "wrong",
            with_truth,
        ),
        *(_window(window) for window in statistics["windows"]["windows"]),
        _never(
            "external_consistency",
            "After commit-wait, stamps follow true order",
            consistency,
            "breaks",
            consistency["judged"],
        ),
        _hard_coverage(intervals["hard"]),
        _calibrated_coverage(intervals["calibrated"], level),
    ]
    rows = statistics["run"]["rows"]
    return [_counted(claim, rows) for claim in claims]


def remark(claim: Group) -> str:
    """Return what is to be said beside a claim's verdict; empty: nothing."""
    if claim["holds"] is None:
        return str(claim["why"])
    told = _whose(claim["nodes"])
    judged, left = claim["rows_judged"], claim["rows_not_judged"]
    if left:
        told.append(f"judged on {judged:,} of {judged + left:,} arrivals")
    return "; ".join(told)


def _whose(nodes: Mapping[str, int]) -> list[str]:
    """Return the nodes that break a claim, those that do so most often first."""
    often = sorted(nodes.items(), key=lambda item: (-item[1], item[0]))
    told = [f"{node}: {count:,}" for node, count in often[:_MOST_NODES]]
    if rest := len(often) - len(told):
        told.append(f"{rest:,} more nodes")
    return [", ".join(told)] if told else []


def _recorded(run: Group) -> Group:
    """Return the claim that nothing is missing: a node that is lost hides nothing."""
    group = run["recorded"]
    missing = group.get("missing")
    is_whole = missing == 0 and group["workers"] <= len(run["nodes"])
    claim = _claim(
        "recorded",
        "Every worker of the run recorded what it acknowledged",
        missing,
        None if missing is None else is_whole,
        group.get("why_null"),
        run["rows"],
    )
    return claim | {"nodes": missing_of(group)}


def missing_of(recorded: Group) -> dict[str, int]:
    """Return how much is missing of the nodes of which something is, or everything."""
    return {
        name: node["missing"]
        for name, node in recorded.get("nodes", {}).items()
        if node["missing"] or not node["recorded"]
    }


def _window(window: Group) -> Group:
    size, group = f"{window['window_ms']:g}", window["clocks"]["hard"]
    return _never(
        f"windows_{size}ms",
        f"No decided window of {size} ms is wrong",
        group,
        "rows_wrong",
        group.get("rows_with_truth"),
    )


def _never(name: str, claim: str, group: Group, key: str, rows: int | None) -> Group:
    """Return the claim that what `group` counts as `key` never happens."""
    measured = group.get(key)
    holds = None if measured is None else measured == 0
    return _claim(name, claim, measured, holds, group.get("why_null"), rows)


def _hard_coverage(group: Group) -> Group:
    coverage = group.get("coverage")
    return _claim(
        "hard_coverage",
        "The hard interval always contains the truth",
        coverage,
        None if coverage is None else coverage == 1.0,
        group.get("why_null"),
        group.get("rows_with_truth"),
    )


def _calibrated_coverage(group: Group, level: float | None) -> Group:
    coverage, why = group.get("coverage"), group.get("why_null")
    holds: bool | None = None
    if coverage is not None and level is None:
        why = "no coverage was stated"
    elif coverage is not None and level is not None:
        holds, why = _is_as_stated(group, coverage, level)
    return _claim(
        "calibrated_coverage",
        "The calibrated interval contains the truth as often as it says, within 1 %",
        coverage,
        holds,
        why,
        group.get("rows_with_truth"),
    )


def _is_as_stated(
    group: Group, coverage: float, level: float
) -> tuple[bool | None, str | None]:
    """Say whether a coverage is the stated one, and if that cannot be said, why."""
    rows, outcomes = group["rows_with_truth"], group["rows_independent"]
    if coverage < level - _SLACK:
        if limits(coverage, rows).greatest < level:
            return False, None
        return None, f"{rows} arrivals are too few to tell chance from a wrong bound"
    # Too often is wrong too: a bound that is wider than it says is no use. But nearly all
    # rows are inside anyway, and an error that stays is right once, however often it is
    # seen: so as many as are outcomes of their own must say it.
    if limits(coverage, outcomes).least > level + min(_SLACK, (1 - level) / 2):
        return False, None
    if coverage <= level + _SLACK:
        return True, None
    return None, (
        f"{rows} arrivals count as {outcomes:.0f} independent outcomes: too few to tell "
        "chance from a bound that is too wide"
    )


def _claim(
    name: str,
    claim: str,
    measured: float | None,
    holds: bool | None,
    why: str | None,
    rows: int | None,
) -> Group:
    return {
        "id": name,
        "claim": claim,
        "measured": measured,
        "holds": holds,
        "why": why if holds is None else None,
        "rows_judged": rows if holds is not None else None,
        "nodes": {},
    }


def _counted(claim: Group, rows: int) -> Group:
    """Return `claim` with how many rows it was not judged on."""
    judged = claim["rows_judged"]
    return claim | {"rows_not_judged": None if judged is None else rows - judged}
