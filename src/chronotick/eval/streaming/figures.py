"""Figures from statistics: every number in them comes from the JSON, none is computed.

Colors are Okabe and Ito's, which people with any color vision tell apart; hatches and
markers say the same again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chronotick.eval.plots import blank, plain, to_png

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from chronotick.eval.streaming.judged import Group

__all__ = ["FIGURES", "draw"]

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
_INTERVALS = ("hard", "calibrated")
_CLOCKS = (*_POINTS, *_INTERVALS)
_VERDICTS = {
    "holds": "every claim that could be judged holds",
    "broken": "AT LEAST ONE CLAIM IS BROKEN",
    "not judged": "no claim could be judged",
}
_MAX_PANELS = 6
_LONGEST_NAME = 48


def draw(statistics: Group) -> dict[str, bytes]:
    """Return each figure's PNG by its name, without the ending."""
    return {name: to_png(plot(statistics)) for name, plot in FIGURES.items()}


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


def _causality(statistics: Group) -> Figure:
    figure = blank(8.0, 4.6)
    _draw_causality(figure.add_subplot(), statistics)
    return figure


def _draw_causality(axes: Axes, statistics: Group) -> None:
    clocks = statistics["causality"]["clocks"]
    shares = [clocks[name].get("violation_share") for name in _POINTS]
    shares += [clocks[name].get("contradiction_share") for name in _INTERVALS]
    _bars(axes, _CLOCKS, shares)
    axes.set_ylabel("events received before they\nwere sent (% of arrivals)")
    axes.set_title("Causality: both ends by the same clock")


def _ordering(statistics: Group) -> Figure:
    figure = blank(10.5, 4.8)
    for k, (name, title) in enumerate(
        (("all_pairs", "Any two events of different nodes"),
         ("same_event", "Arrivals of the same event"))
    ):  # fmt: skip
        axes = figure.add_subplot(1, 2, k + 1)
        _draw_ordering(axes, statistics, name)
        axes.set_title(title)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _draw_ordering(axes: Axes, statistics: Group, population: str) -> None:
    clocks = statistics["ordering"]["clocks"]
    counts = [clocks[name].get(population, {}) for name in _CLOCKS]
    decided = [100.0 * (c.get("decided_share") or 0.0) for c in counts]
    # Of the pairs whose true order is known, which may be other ones than those decided.
    wrong = [
        min(100.0 * (c.get("wrong_share") or 0.0), whole)
        for c, whole in zip(counts, decided, strict=True)
    ]
    right = [whole - part for whole, part in zip(decided, wrong, strict=True)]
    undecided = [100.0 * (c.get("ambiguous_share") or 0.0) for c in counts]
    places = range(len(_CLOCKS))
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
    axes.set_xticks(places, [_LABELS[name] for name in _CLOCKS], fontsize=8)
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


def _windows(statistics: Group) -> Figure:
    windows = statistics["windows"]["windows"]
    figure = blank(10.5, 4.8)
    agreement, undecided = figure.subplots(1, 2, sharex=True)
    _draw_windows(agreement, statistics, "agreement_share", (*_CLOCKS, "truth"))
    agreement.set_ylabel("decided events in the same\nwindow on all nodes (%)")
    agreement.set_title("Agreement among decided events")
    _draw_windows(undecided, statistics, "undecided_share", _INTERVALS)
    undecided.set_ylabel("events that some node leaves\nundecided (%)")
    undecided.set_title("What the intervals leave undecided")
    for axes in (agreement, undecided):
        sizes = [f"{window['window_ms']:g}" for window in windows]
        axes.set_xticks(range(len(windows)), sizes)
        axes.set_xlabel("size of window (ms)")
        axes.set_ylim(-3.0, 105.0)
    handles, labels = agreement.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _draw_windows(
    axes: Axes, statistics: Group, share: str, clocks: Sequence[str]
) -> None:
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
            label=_LABELS.get(clock, "perfect clocks").replace("\n", " "),
        )
    plain(axes)


def _coverage(statistics: Group) -> Figure:
    figure = blank(8.0, 4.8)
    _draw_coverage(figure.add_subplot(), statistics)
    return figure


def _draw_coverage(axes: Axes, statistics: Group) -> None:
    intervals = statistics["accuracy"]["intervals"]
    drawn, widest = False, 0.0
    for clock in _INTERVALS:
        curve = intervals[clock].get("scaled")
        if not curve:
            continue
        drawn = True
        widest = max(widest, *(point["mean_width_ns"] for point in curve))
        widths = [point["mean_width_ns"] / 1e6 for point in curve]
        axes.plot(
            widths, [100.0 * point["coverage"] for point in curve],
            color=_COLORS[clock], marker=_MARKERS[clock], markersize=4,
            label=f"{_LABELS[clock].replace(chr(10), ' ')}, scaled",
        )  # fmt: skip
        whole = next(point for point in curve if point["scale"] == 1.0)
        axes.plot(
            whole["mean_width_ns"] / 1e6, 100.0 * whole["coverage"], marker="o",
            markersize=12, markerfacecolor="none", markeredgecolor="black",
            linestyle="none",
            label="as published" if clock == _INTERVALS[0] else None,
        )  # fmt: skip
    if drawn:
        if widest > 0:
            axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.legend(loc="lower right", frameon=False)
    else:
        _say_why(axes, intervals["hard"].get("why_null", "no data"))
    axes.set_xlabel("mean width of the interval (ms)")
    axes.set_ylabel("intervals that contain the truth (%)")
    axes.set_title("Coverage against width: how much of the bound is needed")
    axes.set_ylim(0.0, 105.0)
    plain(axes)


def _say_why(axes: Axes, why: str) -> None:
    axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes)


def _series(statistics: Group) -> Figure:
    series = statistics["accuracy"]["series"]
    if not series["judged"]:
        figure = blank(9.0, 3.2)
        _say_why(figure.add_subplot(), series["why_null"])
        return figure
    nodes = sorted(series["nodes"])[:_MAX_PANELS]
    figure = blank(9.0, 1.2 + 2.3 * len(nodes))
    panels = figure.subplots(len(nodes), 1, sharex=True, squeeze=False)[:, 0]
    for axes, node in zip(panels, nodes, strict=True):
        _draw_series(axes, series["at_s"], series["nodes"][node])
        # A name, not a formula.
        axes.set_title(_cut(node), loc="left", fontsize=10, parse_math=False)
        axes.set_ylabel("offset (ms)")
    panels[-1].set_xlabel("time since the first event (s)")
    title = f"Clocks against the {series['relative_to']} (positive is ahead)"
    if len(nodes) < len(series["nodes"]):
        title += f", {len(nodes)} of {len(series['nodes'])} nodes"
    figure.suptitle(title)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _cut(name: str) -> str:
    """Return as much of a name as there is room for: matplotlib makes the room."""
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"


def _draw_series(axes: Axes, at_s: list[float], node: Group) -> None:
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
            label=_LABELS[clock].replace("\n", " "),
        )  # fmt: skip
    axes.axhline(0.0, color="black", linewidth=0.8, linestyle="--")
    # The system clock may be tens of ms away while the others agree to microseconds:
    # linear within 1 ms, logarithmic beyond.
    axes.set_yscale("symlog", linthresh=1.0)
    axes.yaxis.set_major_formatter("{x:g}")
    plain(axes)


def _dashboard(statistics: Group) -> Figure:
    figure = blank(12.5, 8.4)
    axes = figure.subplots(2, 2)
    _draw_causality(axes[0, 0], statistics)
    _draw_ordering(axes[0, 1], statistics, "same_event")
    axes[0, 1].set_title("Order of arrivals of the same event")
    axes[0, 1].legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.12),
        ncols=3,
        fontsize=8,
        frameon=False,
    )
    _draw_windows(axes[1, 0], statistics, "agreement_share", _CLOCKS)
    windows = statistics["windows"]["windows"]
    sizes = [f"{window['window_ms']:g}" for window in windows]
    axes[1, 0].set_xticks(range(len(windows)), sizes)
    axes[1, 0].set_ylim(-3.0, 105.0)
    axes[1, 0].set_xlabel("size of window (ms)")
    axes[1, 0].set_ylabel("decided events in the same\nwindow on all nodes (%)")
    axes[1, 0].set_title("Window agreement among decided events")
    if axes[1, 0].get_legend_handles_labels()[0]:
        axes[1, 0].legend(loc="lower right", fontsize=8, framealpha=0.9)
    _draw_cost(axes[1, 1], statistics)
    run = statistics["run"]
    figure.suptitle(
        f"{run['rows']:,} arrivals on {len(run['nodes'])} nodes: "
        + _VERDICTS[statistics["verdict"]]
    )
    return figure


def _draw_cost(axes: Axes, statistics: Group) -> None:
    clocks = statistics["coordination"]["clocks"]
    sizes = [f"{size:g} ms" for size in statistics["run"]["windows_ms"]]
    judged = [clock for clock in _INTERVALS if clocks[clock]["judged"]]
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
            label=_LABELS[clock].replace("\n", " "),
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


FIGURES: dict[str, Callable[[Group], Figure]] = {
    "dashboard": _dashboard,
    "causality": _causality,
    "ordering": _ordering,
    "windows": _windows,
    "coverage_width": _coverage,
    "offsets": _series,
}
"""The figures by name, in the order of the report."""
