"""What a report says: tables of words, from statistics.

Decides which results are told and how a number is worded; how a table looks is decided
in `report`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from chronotick.eval.streaming.judge_claims import missing_of, remark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chronotick.eval.streaming.judged import Group

__all__ = ["Table", "headline", "tables"]

_MOST_STATUSES = 8

Table: TypeAlias = tuple[str, list[str], list[list[str]]]
"""A title, the head of each column, and rows of cells."""


def headline(statistics: Group) -> str:
    """Return the verdict in one line."""
    broken = [c["claim"] for c in statistics["claims"] if c["holds"] is False]
    if broken:
        return f"BROKEN: {len(broken)} of {len(statistics['claims'])} claims"
    judged = sum(c["holds"] is not None for c in statistics["claims"])
    if not judged:
        return "Nothing could be judged: see the reasons"
    return f"All {judged} claims that could be judged hold"


def tables(statistics: Group, about: Mapping[str, str]) -> list[Table]:
    """Return the tables of the report, in its order."""
    return [
        ("Run", ["", ""], _run(statistics["run"], about)),
        ("Claims", ["Claim", "Measured", "Verdict"], _claims(statistics)),
        ("Clocks, on the same events", _CLOCK_HEAD, _clocks(statistics)),
        ("Intervals", _INTERVAL_HEAD, _intervals(statistics)),
        ("Windows", _WINDOW_HEAD, _windows(statistics)),
        ("Commit-wait", ["", ""], _commit(statistics)),
        ("Coordination", _COST_HEAD, _cost(statistics)),
    ]


def _run(run: Group, about: Mapping[str, str]) -> list[list[str]]:
    facts = {
        "run id": ", ".join(run["run_ids"]) or "not recorded",
        "nodes": ", ".join(run["nodes"]),
        "arrivals": f"{run['rows']:,}",
        "compared with all clocks": f"{run['rows_compared']:,}",
        "ChronoTick's status": _statuses(run["statuses"]),
        **_left_out(run),
        **_lost(run),
        **about,
    }
    return [[key, value] for key, value in facts.items()]


def _statuses(statuses: Mapping[str, int]) -> str:
    """Return how many arrivals had which status, the most frequent first."""
    often = sorted(statuses.items(), key=lambda item: (-item[1], item[0]))
    told = [f"{status} {count:,}" for status, count in often[:_MOST_STATUSES]]
    if rest := sum(count for _, count in often[_MOST_STATUSES:]):
        told.append(f"others {rest:,}")
    return ", ".join(told) or "not recorded"


def _left_out(run: Group) -> dict[str, str]:
    """Return what was not judged, if anything: nobody is to miss it."""
    counts = {
        "damaged lines left out": run["damaged_lines"],
        "repeated rows left out": run["repeated_rows"],
    }
    return {what: f"{count:,}" for what, count in counts.items() if count}


def _lost(run: Group) -> dict[str, str]:
    """Return what is missing of a node, if anything: nobody is to miss that either."""
    found = run["recorded"]
    told = []
    for name in missing_of(found):
        node = found["nodes"][name]
        missing, acknowledged = node["missing"], node["acknowledged"]
        alone = "" if node["recorded"] else ", no other arrival"
        told.append(f"{name} {missing:,} of {acknowledged:,}{alone}")
    if found["judged"] and not found["nodes"]:
        missing, acknowledged = found["missing"], found["acknowledged"]
        there, all_of_them = len(run["nodes"]), found["workers"]
        if missing or there < all_of_them:
            told.append(f"{missing:,} of {acknowledged:,}")
            told.append(f"arrivals of {there:,} of {all_of_them:,} workers are there")
    return {"acknowledged and not recorded": "; ".join(told)} if told else {}


def _claims(statistics: Group) -> list[list[str]]:
    verdicts = {True: "holds", False: "BROKEN", None: "not judged"}
    return [
        [
            claim["claim"],
            _share(claim["measured"])
            if "coverage" in claim["id"]
            else _count(claim["measured"]),
            ": ".join(filter(None, [verdicts[claim["holds"]], remark(claim)])),
        ]
        for claim in statistics["claims"]
    ]


_CLOCK_HEAD = [
    "Clock",
    "Received before sent",
    "Order decided",
    "Order wrong",
    "Same event: decided",
    "Same event: wrong",
    "Error, median",
    "Error, worst",
]


def _clocks(statistics: Group) -> list[list[str]]:
    return [_clock(statistics, name) for name in statistics["ordering"]["clocks"]]


def _clock(statistics: Group, name: str) -> list[str]:
    causality = statistics["causality"]["clocks"][name]
    ordering = statistics["ordering"]["clocks"][name]
    every, same = ordering.get("all_pairs", {}), ordering.get("same_event", {})
    errors = statistics["accuracy"]["clocks"].get(name, {}).get("error_ns")
    worst = errors["absolute"] if errors else {}
    before = causality.get("violation_share", causality.get("contradiction_share"))
    judged, compared = ordering["judged"], statistics["run"]["rows_compared"]
    # What one clock alone lacks is not like for like; it must not look so.
    fewer = f" ({judged:,} arrivals only)" if 0 < judged < compared else ""
    return [
        name + fewer,
        _share(before),
        _share(every.get("decided_share")),
        _share(every.get("wrong_share")),
        _share(same.get("decided_share")),
        _share(same.get("wrong_share")),
        _duration(worst.get("p50")),
        _duration(worst.get("max")),
    ]


_INTERVAL_HEAD = ["Interval", "Contains the truth", "Width, median", "Width, worst"]


def _intervals(statistics: Group) -> list[list[str]]:
    rows = []
    for name, group in statistics["accuracy"]["intervals"].items():
        width = group.get("width_ns", {})
        rows.append(
            [
                name,
                _share(group.get("coverage")),
                _duration(width.get("p50")),
                _duration(width.get("max")),
            ]
        )
    return rows


_WINDOW_HEAD = ["Window", "Clock", "Agree among decided", "Undecided", "Wrong arrivals"]


def _windows(statistics: Group) -> list[list[str]]:
    return [
        [
            f"{window['window_ms']:g} ms",
            "perfect clocks" if name == "truth" else name,
            _share(group.get("agreement_share")),
            _share(group.get("undecided_share")),
            _count(group.get("rows_wrong")),
        ]
        for window in statistics["windows"]["windows"]
        for name, group in window["clocks"].items()
        if group["judged"]
    ]


def _commit(statistics: Group) -> list[list[str]]:
    groups = statistics["commit_wait"]
    wait, order = groups["wait"].get("wait_ns", {}), groups["external_consistency"]
    rows = [
        ["wait, median", _duration(wait.get("p50"))],
        ["wait, 99 %", _duration(wait.get("p99"))],
        ["wait, longest", _duration(wait.get("max"))],
        ["pairs A before B", _count(order.get("pairs"))],
        ["stamps out of order after the wait", _count(order.get("breaks"))],
        ["the same without waiting", _count(order.get("breaks_without_wait"))],
    ]
    for after, group in groups["reread"].items():
        if group["judged"]:
            now, then = group["at_event_ms"]["p50"], group["then_ms"]["p50"]
            what = f"uncertainty re-read {after.replace('_', ' ')}, median"
            rows.append([what, f"{now:.4g} ms → {then:.4g} ms"])
    return rows


_COST_HEAD = ["Interval", "To decide", "Events that need a round trip", "Baseline"]


def _cost(statistics: Group) -> list[list[str]]:
    rows = []
    for name, group in statistics["coordination"]["clocks"].items():
        if not group["judged"]:
            continue
        parts = [("order", group["order"])]
        parts += [(f"window {w['window_ms']:g} ms", w) for w in group["windows"]]
        rows += [
            [name, what, _share(part["round_trip_share"]), "100 %"]
            for what, part in parts
        ]
    return rows


def _share(value: float | None) -> str:
    if value is None:
        return "–"
    percent = 100.0 * value
    if percent in {0.0, 100.0}:
        return f"{percent:.0f} %"
    # 99.9996 % must not read as 100 %.
    digits = max(2, 1 - math.floor(math.log10(min(percent, abs(100.0 - percent)))))
    return f"{percent:.{digits}f} %"


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _duration(value_ns: float | None) -> str:
    if value_ns is None:
        return "–"
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if abs(value_ns) >= size:
            return f"{value_ns / size:.4g} {unit}"
    return f"{value_ns:.4g} ns"
