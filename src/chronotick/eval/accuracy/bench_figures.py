"""Figures of simulations and benches: every number is given, none is computed here.

Drawn with what `chronotick.eval.plots` hands out. Colors are Okabe and Ito's; line
styles and hatches say the same again.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from chronotick.core.status import Status
from chronotick.eval.plots import blank, plain, to_png

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from chronotick.sim.recorder import Publication

    Vector = NDArray[np.float64]

__all__ = ["draw_simulation"]

_HARD, _CALIBRATED, _ERROR, _WRONG = "#0072B2", "#009E73", "#000000", "#D55E00"
_BACKDROPS = {
    Status.UNKNOWN: ("#999999", "///", "nothing claimed"),
    Status.WARMUP: ("#F0E442", "...", "warming up"),
    Status.HOLDOVER: ("#56B4E9", "\\\\\\", "holdover"),
}
_LEAST_US = 1e-3
_US = 1e3


def draw_simulation(
    publications: Sequence[Publication],
    *,
    title: str,
    length_s: float,
    is_excused: Callable[[Publication], bool] = lambda _: False,
) -> bytes:
    """Return a PNG: error and both bounds over the time of the world.

    Above, sizes on a logarithmic scale; below, the signed error within the calibrated
    bound. What was published with the status SYNCHRONIZED has a white background.

    Args:
        publications: In their order.
        title: Of the figure.
        length_s: Of the world.
        is_excused: Whether nobody could have known that an interval was wrong.
    """
    figure = blank(10.0, 7.0)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    t_h = np.array([each.true_s / 3600.0 for each in publications])
    error_us = _column([_known(each, each.error_ns) for each in publications])
    hard_us = _column([_known(each, each.bound_ns) for each in publications])
    calibrated_us = _column([each.calibrated_99_ns for each in publications])
    _sizes(above, t_h, error_us, hard_us, calibrated_us)
    for mark, label, excused in (
        ("x", "hard bound missed", False),
        ("+", "hard bound missed, RAW had just leapt or stood still", True),
    ):
        missed = np.array(
            [not each.holds and is_excused(each) is excused for each in publications],
            np.bool_,
        )
        _misses(above, t_h[missed], error_us[missed], mark, label)
    _signed(below, t_h, error_us, calibrated_us)
    for axes in (above, below):
        _backdrop(axes, publications, length_s)
        plain(axes)
    below.set_xlim(0.0, length_s / 3600.0)
    below.set_xlabel("time since the start (h)")
    # A dollar in a summary is no formula, and half of one would be an error.
    above.set_title(title, loc="left", fontsize=11, parse_math=False)
    unique: dict[str, Artist] = {}
    for axes in (above, below):
        handles, labels = axes.get_legend_handles_labels()
        unique |= dict(zip(labels, handles, strict=True))
    figure.legend(
        list(unique.values()), list(unique), loc="outside lower center", ncols=3,
        frameon=False,
    )  # fmt: skip
    return to_png(figure)


def _sizes(
    axes: Axes, t_h: Vector, error_us: Vector, hard_us: Vector, calibrated_us: Vector
) -> None:
    size_us = np.maximum(np.abs(error_us), _LEAST_US)
    axes.plot(t_h, hard_us, color=_HARD, linewidth=1.2, label="hard bound")
    axes.plot(
        t_h, calibrated_us, color=_CALIBRATED, linewidth=1.2, linestyle="--",
        label="calibrated bound (99 %)",
    )  # fmt: skip
    axes.plot(t_h, size_us, color=_ERROR, linewidth=0.7, label="size of the error")
    axes.set_yscale("log")
    axes.set_ylabel("published − true UTC,\nsize (µs, logarithmic)")


def _misses(axes: Axes, t_h: Vector, error_us: Vector, mark: str, label: str) -> None:
    if t_h.size:
        axes.plot(t_h, np.abs(error_us), mark, color=_WRONG, label=label)


def _signed(axes: Axes, t_h: Vector, error_us: Vector, calibrated_us: Vector) -> None:
    axes.fill_between(
        t_h, -calibrated_us, calibrated_us, color=_CALIBRATED, alpha=0.2, linewidth=0.0,
        label="within the calibrated bound",
    )  # fmt: skip
    axes.plot(t_h, error_us, color=_ERROR, linewidth=0.7)
    axes.axhline(0.0, color="black", linewidth=0.4)
    axes.set_ylabel("published − true UTC (µs)")
    # Outages and starts would flatten everything else; they are in the panel above.
    known = np.abs(error_us[np.isfinite(error_us)])
    if known.size:
        most_us = max(float(np.quantile(known, 0.995)) * 1.6, _LEAST_US)
        axes.set_ylim(-most_us, most_us)


def _backdrop(axes: Axes, publications: Sequence[Publication], length_s: float) -> None:
    """Shade the times of all statuses but SYNCHRONIZED."""
    changes = [
        each
        for k, each in enumerate(publications)
        if k == 0 or each.status is not publications[k - 1].status
    ]
    ends = [each.true_s for each in changes] + [length_s]
    for each, (start_s, end_s) in zip(changes, pairwise(ends), strict=True):
        if each.status in _BACKDROPS:
            color, hatch, label = _BACKDROPS[each.status]
            axes.axvspan(
                start_s / 3600.0, end_s / 3600.0, facecolor=color, alpha=0.25,
                hatch=hatch, edgecolor=color, linewidth=0.0, label=label, zorder=0,
            )  # fmt: skip


def _known(published: Publication, value_ns: float) -> float | None:
    return None if published.status is Status.UNKNOWN else value_ns


def _column(values_ns: Sequence[float | None]) -> Vector:
    """Return µs; NaN where nothing was claimed."""
    return np.array([np.nan if v is None else v / _US for v in values_ns], np.float64)
