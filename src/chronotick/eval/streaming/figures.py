"""The figures of the report: which panels stand together, in what size.

What a panel shows is decided in `panels`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.eval.plots import blank, to_png
from chronotick.eval.streaming.panels import (
    CLOCKS,
    INTERVALS,
    draw_causality,
    draw_cost,
    draw_coverage,
    draw_ordering,
    draw_series,
    draw_windows,
    say_why,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from chronotick.eval.streaming.judged import Group

__all__ = ["FIGURES", "draw"]

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


def _causality(statistics: Group) -> Figure:
    figure = blank(8.0, 4.6)
    draw_causality(figure.add_subplot(), statistics)
    return figure


def _ordering(statistics: Group) -> Figure:
    figure = blank(10.5, 4.8)
    every, same = figure.subplots(1, 2)
    draw_ordering(every, statistics, "all_pairs")
    every.set_title("Any two events of different nodes")
    draw_ordering(same, statistics, "same_event")
    same.set_title("Arrivals of the same event")
    _explain_below(figure, 3)
    return figure


def _windows(statistics: Group) -> Figure:
    figure = blank(10.5, 4.8)
    agreement, undecided = figure.subplots(1, 2, sharex=True)
    draw_windows(agreement, statistics, "agreement_share", (*CLOCKS, "truth"))
    agreement.set_title("Agreement among decided events")
    draw_windows(undecided, statistics, "undecided_share", INTERVALS)
    undecided.set_title("What the intervals leave undecided")
    _explain_below(figure, 3)
    return figure


def _coverage(statistics: Group) -> Figure:
    figure = blank(8.0, 4.8)
    draw_coverage(figure.add_subplot(), statistics)
    return figure


def _series(statistics: Group) -> Figure:
    series = statistics["accuracy"]["series"]
    if not series["judged"]:
        figure = blank(9.0, 3.2)
        say_why(figure.add_subplot(), series["why_null"])
        return figure
    nodes = sorted(series["nodes"])[:_MAX_PANELS]
    figure = blank(9.0, 1.2 + 2.3 * len(nodes))
    panels = figure.subplots(len(nodes), 1, sharex=True, squeeze=False)[:, 0]
    for axes, node in zip(panels, nodes, strict=True):
        draw_series(axes, series["at_s"], series["nodes"][node])
        # A name, not a formula.
        axes.set_title(_cut(node), loc="left", fontsize=10, parse_math=False)
        axes.set_ylabel("offset (ms)")
    panels[-1].set_xlabel("time since the first event (s)")
    title = f"Clocks against the {series['relative_to']} (positive is ahead)"
    if len(nodes) < len(series["nodes"]):
        title += f", {len(nodes)} of {len(series['nodes'])} nodes"
    figure.suptitle(title)
    _explain_below(figure, 4)
    return figure


def _cut(name: str) -> str:
    """Return as much of a name as there is room for: matplotlib makes the room."""
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"


def _dashboard(statistics: Group) -> Figure:
    figure = blank(12.5, 8.4)
    (causality, ordering), (windows, cost) = figure.subplots(2, 2)
    draw_causality(causality, statistics)
    draw_ordering(ordering, statistics, "same_event")
    ordering.set_title("Order of arrivals of the same event")
    ordering.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.12),
        ncols=3,
        fontsize=8,
        frameon=False,
    )
    draw_windows(windows, statistics, "agreement_share", CLOCKS)
    windows.set_title("Window agreement among decided events")
    if windows.get_legend_handles_labels()[0]:
        windows.legend(loc="lower right", fontsize=8, framealpha=0.9)
    draw_cost(cost, statistics)
    run = statistics["run"]
    figure.suptitle(
        f"{run['rows']:,} arrivals on {len(run['nodes'])} nodes: "
        + _VERDICTS[statistics["verdict"]]
    )
    return figure


def _explain_below(figure: Figure, columns: int) -> None:
    """Put one legend, the first panel's, below all panels."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False
    )


FIGURES: dict[str, Callable[[Group], Figure]] = {
    "dashboard": _dashboard,
    "causality": _causality,
    "ordering": _ordering,
    "windows": _windows,
    "coverage_width": _coverage,
    "offsets": _series,
}
"""The figures by name, in the order of the report."""
