"""The panels of the figures: each draws one result into the axes it is given.

Decides what stands for which clock, and what is drawn where there is nothing to draw.
Every number comes from the statistics, none is computed. Colors are Okabe and Ito's,
which people with any color vision tell apart; hatches and markers say the same again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chronotick.eval.plots import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from chronotick.eval.streaming.judged import Group

__all__ = [
    "CLOCKS",
    "INTERVALS",
    "draw_causality",
    "draw_cost",
    "draw_coverage",
    "draw_ordering",
    "draw_series",
    "draw_windows",
    "say_why",
]

_COLORS = {
    "system": "#999999",
    "ntp": "#E69F00",
    "chronotick": "#56B4E9",
    "hard": "#0072B2",
    "calibrated": "#009E73",
    "truth": "#000000",
    "wrong": "#D55E00",
    "open": "#F0E442",
}
_LABELS = {
    "system": "system clock",
    "ntp": "plain NTP",
    "chronotick": "ChronoTick\nmidpoint",
    "hard": "ChronoTick\nhard bound",
    "calibrated": "ChronoTick\ncalibrated",
}
_MARKERS = {
    "system": "s",
    "ntp": "D",
    "chronotick": "o",
    "hard": "^",
    "calibrated": "v",
}
_POINTS = ("system", "ntp", "chronotick")
INTERVALS = ("hard", "calibrated")
CLOCKS = (*_POINTS, *INTERVALS)
_WINDOW_SHARES = {
    "agreement_share": "decided events in the same\nwindow on all nodes (%)",
    "undecided_share": "events that some node leaves\nundecided (%)",
}


def draw_causality(axes: Axes, statistics: Group) -> None:
    """Draw the share of arrivals that seem to precede their sending, by clock."""
    clocks = statistics["causality"]["clocks"]
    shares = [clocks[name].get("violation_share") for name in _POINTS]
    shares += [clocks[name].get("contradiction_share") for name in INTERVALS]
    _bars(axes, CLOCKS, shares)
    axes.set_ylabel("events received before they\nwere sent (% of arrivals)")
    axes.set_title("Causality: both ends by the same clock")


def _bars(axes: Axes, clocks: Sequence[str], shares: Sequence[float | None]) -> None:
    """Draw one bar a clock in percent, its value on top, "no data" where it is null."""
    heights = [0.0 if value is None else 100.0 * value for value in shares]
    drawn = axes.bar(
        [_LABELS[clock] for clock in clocks],
        heights,
        color=[_COLORS[clock] for clock in clocks],
        edgecolor="black",
        linewidth=0.6,
    )
    axes.bar_label(drawn, [_percent(value) for value in shares], padding=3, fontsize=9)
    axes.set_ylim(0.0, max(*heights, 1.0) * 1.18)
    axes.tick_params(axis="x", labelsize=8.5)
    plain(axes)


def draw_ordering(axes: Axes, statistics: Group, population: str) -> None:
    """Draw which share of a population of pairs each clock decides, and how."""
    clocks = statistics["ordering"]["clocks"]
    counts = [clocks[name].get(population, {}) for name in CLOCKS]
    decided = [100.0 * (c.get("decided_share") or 0.0) for c in counts]
    # Of the pairs whose true order is known, which may be other ones than those decided.
    wrong = [
        min(100.0 * (c.get("wrong_share") or 0.0), whole)
        for c, whole in zip(counts, decided, strict=True)
    ]
    right = [whole - part for whole, part in zip(decided, wrong, strict=True)]
    undecided = [100.0 * (c.get("ambiguous_share") or 0.0) for c in counts]
    places = range(len(CLOCKS))
    style: dict[str, Any] = {"edgecolor": "black", "linewidth": 0.6}
    axes.bar(places, right, color=_COLORS["hard"], label="decided, not wrong", **style)
    axes.bar(
        places, wrong, bottom=right, color=_COLORS["wrong"], hatch="xx",
        label="decided, and wrong", **style,
    )  # fmt: skip
    axes.bar(
        places, undecided, bottom=decided, color=_COLORS["open"], hatch="..",
        label="left open (ambiguous)", **style,
    )  # fmt: skip
    for place, count in zip(places, counts, strict=True):
        axes.text(place, 102.0, _wrong_label(count), ha="center", fontsize=8.5)
    axes.set_xticks(places, [_LABELS[name] for name in CLOCKS], fontsize=8)
    axes.set_ylim(0.0, 116.0)
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel("pairs (%)")
    plain(axes)


def _wrong_label(counts: Group) -> str:
    if not counts:
        return "no data"
    if counts["wrong"] is None:
        return "wrong: ?"
    return f"wrong:\n{_percent(counts['wrong_share'])}"


def draw_windows(
    axes: Axes, statistics: Group, share: str, clocks: Sequence[str]
) -> None:
    """Draw a share of events against the size of the window, by clock."""
    windows = statistics["windows"]["windows"]
    for clock in clocks:
        found = [window["clocks"][clock].get(share) for window in windows]
        points = [(k, 100.0 * v) for k, v in enumerate(found) if v is not None]
        if not points:
            continue
        axes.plot(
            *zip(*points, strict=True),
            color=_COLORS[clock],
            marker=_MARKERS.get(clock, "x"),
            linestyle=":" if clock == "truth" else "-",
            label=_name(clock),
        )
    axes.set_xticks(
        range(len(windows)), [f"{window['window_ms']:g}" for window in windows]
    )
    axes.set_xlabel("size of window (ms)")
    axes.set_ylim(-3.0, 105.0)
    axes.set_ylabel(_WINDOW_SHARES[share])
    plain(axes)


def draw_coverage(axes: Axes, statistics: Group) -> None:
    """Draw how often scaled intervals contain the truth against their width."""
    intervals = statistics["accuracy"]["intervals"]
    drawn, widest = False, 0.0
    for clock in INTERVALS:
        curve = intervals[clock].get("scaled")
        if not curve:
            continue
        drawn = True
        widest = max(widest, *(point["mean_width_ns"] for point in curve))
        widths = [point["mean_width_ns"] / 1e6 for point in curve]
        axes.plot(
            widths, [100.0 * point["coverage"] for point in curve],
            color=_COLORS[clock], marker=_MARKERS[clock], markersize=4,
            label=f"{_name(clock)}, scaled",
        )  # fmt: skip
        whole = next(point for point in curve if point["scale"] == 1.0)
        axes.plot(
            whole["mean_width_ns"] / 1e6, 100.0 * whole["coverage"], marker="o",
            markersize=12, markerfacecolor="none", markeredgecolor="black",
            linestyle="none",
            label="as published" if clock == INTERVALS[0] else None,
        )  # fmt: skip
    if drawn:
        if widest > 0:
            axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.legend(loc="lower right", frameon=False)
    else:
        say_why(axes, intervals["hard"].get("why_null", "no data"))
    axes.set_xlabel("mean width of the interval (ms)")
    axes.set_ylabel("intervals that contain the truth (%)")
    axes.set_title("Coverage against width: how much of the bound is needed")
    axes.set_ylim(0.0, 105.0)
    plain(axes)


def draw_series(axes: Axes, at_s: list[float], node: Group) -> None:
    """Draw one node's clocks, and its hard bound, over the run."""

    def milliseconds(name: str) -> list[float]:
        values = node[name]
        return [float("nan") if v is None else v / 1e6 for v in values]

    kept = [k for k, v in enumerate(node["chronotick"]) if v is not None]
    lower, upper = milliseconds("hard_lower"), milliseconds("hard_upper")
    times = [at_s[k] for k in kept]
    axes.fill_between(
        times, [lower[k] for k in kept], [upper[k] for k in kept],
        color=_COLORS["hard"], alpha=0.25, linewidth=0, label="ChronoTick hard bound",
    )  # fmt: skip
    for clock in _POINTS:
        values = milliseconds(clock)
        here = [k for k, v in enumerate(values) if v == v]  # noqa: PLR0124 - not NaN
        axes.plot(
            [at_s[k] for k in here], [values[k] for k in here], color=_COLORS[clock],
            marker=_MARKERS[clock], markersize=3, linewidth=1.0,
            label=_name(clock),
        )  # fmt: skip
    axes.axhline(0.0, color="black", linewidth=0.8, linestyle="--")
    # The system clock may be tens of ms away while the others agree to microseconds:
    # linear within 1 ms, logarithmic beyond.
    axes.set_yscale("symlog", linthresh=1.0)
    axes.yaxis.set_major_formatter("{x:g}")
    plain(axes)


def draw_cost(axes: Axes, statistics: Group) -> None:
    """Draw which share of decisions needs a round trip, by interval."""
    clocks = statistics["coordination"]["clocks"]
    sizes = [f"{size:g} ms" for size in statistics["run"]["windows_ms"]]
    judged = [clock for clock in INTERVALS if clocks[clock]["judged"]]
    for k, clock in enumerate(judged):
        shares = [clocks[clock]["order"]["round_trip_share"]]
        shares += [w["round_trip_share"] for w in clocks[clock]["windows"]]
        shift = 0.4 * k - 0.2 * (len(judged) - 1)
        drawn = axes.bar(
            [place + shift for place in range(len(shares))],
            [100.0 * share for share in shares],
            0.4,
            color=_COLORS[clock],
            edgecolor="black",
            linewidth=0.6,
            hatch="//" if k else "",
            label=_name(clock),
        )
        axes.bar_label(
            drawn, [_percent(s, 2) for s in shares], fontsize=7.5, padding=2, zorder=3,
            # In front of the baseline, which runs through those near 100 %.
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip
    axes.axhline(100.0, color="black", linestyle="--", linewidth=1.0, label="baseline")
    axes.set_xticks(range(len(sizes) + 1), ["order", *sizes])
    axes.set_ylim(0.0, 130.0)
    axes.set_yticks(range(0, 101, 20))
    axes.set_xlabel("what must be decided")
    axes.set_ylabel("events that need a round trip (%)")
    axes.set_title("Coordination cost")
    axes.legend(loc="upper right", ncols=3, fontsize=8, framealpha=0.9)
    plain(axes)


def say_why(axes: Axes, why: str) -> None:
    """Write in the middle why there is nothing to draw."""
    axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes)


def _name(clock: str) -> str:
    """Return the clock's label in one line."""
    return _LABELS.get(clock, "perfect clocks").replace("\n", " ")


def _percent(value: float | None, digits: int = 3) -> str:
    if value is None:
        return "no data"
    percent = 100.0 * value
    if percent in {0.0, 100.0}:
        return f"{percent:.0f} %"
    # 99.96 % must not read as 100 %.
    if percent > 99.9:  # noqa: PLR2004 - a third digit would round it up
        return "> 99.9 %"
    return f"{percent:.{3 if percent >= 10 else digits}g} %"  # noqa: PLR2004
