"""Figures of a backtest: every number comes from its document, none is computed.

Drawn with what `chronotick.eval.plots` hands out. Colors are Okabe and Ito's; markers
and line styles say the same again.
"""

from __future__ import annotations

from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any, NamedTuple

from chronotick.documents.quantities import format_duration
from chronotick.eval.accuracy.judge import POOLED
from chronotick.eval.accuracy.names import names_of
from chronotick.eval.plots import blank, plain, to_png

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from chronotick.eval.accuracy.judge import Document

__all__ = ["draw_accuracy"]


class _Style(NamedTuple):
    color: str
    marker: str
    line: str


_STYLES = {
    "hold": _Style("#999999", "s", ":"),
    "mindelay": _Style("#D55E00", "P", ":"),
    "regression": _Style("#CC79A7", "X", ":"),
    "kalman": _Style("#E69F00", "D", "--"),
    "bank": _Style("#56B4E9", "v", "-."),
    "longterm": _Style("#009E73", "^", "--"),
    "product": _Style("#0072B2", "o", "-"),
}
_OTHER = _Style("#000000", "x", ":")
_BOUNDS = {
    "hard": ("hard bound", _Style("#0072B2", "^", "-")),
    "calibrated_999": ("calibrated 99.9 %", _Style("#D55E00", "D", "--")),
    "calibrated_99": ("calibrated 99 %", _Style("#009E73", "o", "-.")),
    "sigma_99": ("2.58 σ", _Style("#CC79A7", "s", ":")),
}
_MAX_PANELS = 6
# Doubling over and over, more would run into each other.
_MOST_TIMES = 8
_PLAIN = "{x:,.15g}"
_WHOLE = 1000.0
# A promise, where to draw it, and in whose color.
_PROMISES = (("calibrated_99", 1.0), ("calibrated_999", 0.1))


def draw_accuracy(document: Document) -> dict[str, bytes]:
    """Return each figure's PNG by its name, without the ending."""
    drawings: dict[str, Callable[[Document], Figure | None]] = {
        "errors": _errors,
        "horizons": _horizons,
        "stability": _stability,
        "coverage": _coverage,
    }
    figures = {name: drawing(document) for name, drawing in drawings.items()}
    return {name: to_png(f) for name, f in figures.items() if f is not None}


def _errors(document: Document) -> Figure | None:
    """One panel a recording: errors in µs, with the last model's bound as a band."""
    traces = _with_rows(document["series"])
    if not traces:
        return None
    figure = blank(10.0, 1.4 + 2.6 * len(traces))
    panels = figure.subplots(len(traces), 1, squeeze=False)[:, 0]
    names = names_of(each["trace"] for each in document["series"])
    known = {
        each["path"]: "truth" if each["yardstick"] == "truth" else "measured"
        for each in document["traces"]
    }
    for axes, (trace, parts) in zip(panels, traces.items(), strict=True):
        _draw_errors(axes, parts)
        axes.set_ylabel(f"estimate − {known[trace]} (µs)")
        _title(axes, names[trace])
    panels[-1].set_xlabel("time since the first measurement (h)")
    horizon_s = next(iter(traces.values()))[0]["horizon_s"]
    ahead = f"foretold {format_duration(horizon_s)} before" if horizon_s else "said now"
    _legend(figure, panels[0], f"Errors of what was {ahead}")
    return figure


def _draw_errors(axes: Axes, parts: list[Document]) -> None:
    for part in parts:
        style = _STYLES.get(part["model"], _OTHER)
        hours = [t / 3600.0 for t in part["t_s"]]
        error_us = [_micro(value) for value in part["error_ns"]]
        axes.plot(
            hours, error_us, color=style.color, marker=style.marker, markersize=2.5,
            linestyle="none", label=part["model"], zorder=3,
        )  # fmt: skip
    last = parts[-1]
    for name in ("calibrated_99", "sigma_99"):
        if any(value is not None for value in last[name]):
            label, _ = _BOUNDS[name]
            half = [_micro(value) for value in last[name]]
            axes.fill_between(
                [t / 3600.0 for t in last["t_s"]], [-h for h in half], half,
                color=_STYLES.get(last["model"], _OTHER).color, alpha=0.18,
                linewidth=0, label=f"{label} of {last['model']}",
            )  # fmt: skip
            break
    # A start-up may be a thousand times as wrong as what follows, and a baseline always
    # is: linear where nearly all errors of the best one are, logarithmic beyond.
    usual_us = max(min(_usual_us(part) for part in parts), 1e-3)
    axes.set_yscale("symlog", linthresh=usual_us, linscale=2.0)
    axes.yaxis.set_major_formatter(_PLAIN)
    axes.axhline(0.0, color="black", linewidth=0.8)
    for side in (-usual_us, usual_us):
        axes.axhline(side, color="black", linewidth=0.4, linestyle=":")
    _note(axes, f"linear within ± {_plain(usual_us)} µs (dotted), logarithmic beyond")
    plain(axes)


def _usual_us(part: Document) -> float:
    """Return what nine of ten errors are below."""
    sizes = sorted(abs(e) for e in part["error_ns"] if e is not None)
    return sizes[int(0.9 * len(sizes))] / 1e3 if sizes else float("inf")


def _horizons(document: Document) -> Figure | None:
    """RMSE against horizon with its interval; pooled where there is more than one."""
    parts = [
        r
        for r in document["results"]
        # No error has no place on a logarithmic axis.
        if r["error"] and r["error"]["rmse_ns"] > 0.0
    ]
    if any(r["trace"] == POOLED for r in parts):
        parts = [r for r in parts if r["trace"] == POOLED]
    traces = _by(parts, "trace")
    if not traces:
        return None
    figure = blank(1.5 + 5.5 * min(len(traces), 2), 0.9 + 3.6 * -(-len(traces) // 2))
    names = names_of(each["trace"] for each in document["series"])
    for k, (trace, rows) in enumerate(traces.items()):
        axes = figure.add_subplot(-(-len(traces) // 2), min(len(traces), 2), k + 1)
        for model, points in _by(rows, "model").items():
            _draw_horizons(axes, model, points)
        _title(axes, "all recordings" if trace == POOLED else names[trace])
        _log_axes(axes)
        axes.yaxis.set_major_formatter(_PLAIN)
        every = sorted({row["horizon_s"] for row in rows})
        _make_room_for_now(axes, every)
        axes.set_xticks(every, [format_duration(h_s) for h_s in every])
        axes.minorticks_off()
        axes.set_xlabel("horizon")
        axes.set_ylabel("RMSE (µs), 95 % interval")
    _legend(figure, figure.axes[0], "How errors grow with the horizon")
    return figure


def _make_room_for_now(axes: Axes, horizons_s: list[float]) -> None:
    """Give a horizon of 0 a place, to the left of the shortest other one."""
    ahead_s = [h_s for h_s in horizons_s if h_s > 0.0]
    if len(ahead_s) < len(horizons_s):
        axes.set_xscale("symlog", linthresh=min(ahead_s, default=1.0), linscale=0.5)


def _draw_horizons(axes: Axes, model: str, points: list[Document]) -> None:
    style = _STYLES.get(model, _OTHER)
    rmse_us = [p["error"]["rmse_ns"] / 1e3 for p in points]
    spans = [p["intervals"]["rmse_ns"] for p in points]
    below = [v - s[0] / 1e3 if s else 0.0 for v, s in zip(rmse_us, spans, strict=True)]
    above = [s[1] / 1e3 - v if s else 0.0 for v, s in zip(rmse_us, spans, strict=True)]
    axes.errorbar(
        [p["horizon_s"] for p in points], rmse_us,
        yerr=[[max(v, 0.0) for v in below], [max(v, 0.0) for v in above]],
        color=style.color, marker=style.marker, linestyle=style.line, capsize=3,
        label=model,
    )  # fmt: skip


def _stability(document: Document) -> Figure | None:
    """ADEV and MTIE side by side, a row for each recording."""
    moved = [s for s in document["stability"] if any(p["value"] for p in s["adev"])]
    traces = _by(moved, "trace")
    if not traces:
        return None
    figure = blank(11.0, 1.0 + 3.6 * len(traces))
    panels = figure.subplots(len(traces), 2, squeeze=False)
    names = names_of(each["trace"] for each in document["series"])
    for (left, right), (trace, parts) in zip(panels, traces.items(), strict=True):
        for part in parts:
            style = _STYLES.get(part["model"], _OTHER)
            options: dict[str, Any] = {
                "color": style.color,
                "marker": style.marker,
                "linestyle": style.line,
                "markersize": 4,
                "label": part["model"],
            }
            _draw_points(left, part["adev"], 1.0, options)
            if part["model"] in _STYLES:
                # The clock itself runs away by seconds: it would hide all the others.
                _draw_points(right, part["mtie"], 1e-3, options)
        _title(left, names[trace])
        left.set_ylabel("overlapping Allan deviation")
        left.set_xlabel("averaging time (s)")
        right.set_ylabel("MTIE (µs)")
        right.set_xlabel("window (s)")
        for axes in (left, right):
            _log_axes(axes)
            axes.grid(axis="x", linewidth=0.4, alpha=0.6)
            times_s = [point["tau_s"] for point in parts[-1]["adev"]]
            if len(times_s) <= _MOST_TIMES:
                # At the times themselves: a span below a decade has no other tick.
                axes.set_xticks(times_s, [_plain(each) for each in times_s], fontsize=8)
                axes.minorticks_off()
        right.yaxis.set_major_formatter(_PLAIN)
        if left_out := [p["model"] for p in parts if p["model"] not in _STYLES]:
            _note(
                right, f"left out: {', '.join(left_out)}, which would hide the others"
            )
    _legend(figure, panels[0, 0], "Stability of what is left after the correction")
    return figure


def _draw_points(
    axes: Axes, points: list[Document], scale: float, options: dict[str, Any]
) -> None:
    found = [(p["tau_s"], p["value"] * scale) for p in points if p["value"] > 0.0]
    if found:
        axes.plot(*zip(*found, strict=True), **options)


def _coverage(document: Document) -> Figure | None:
    """Misses against width, a panel for each horizon, of the last model."""
    parts = [r for r in document["results"] if r["bounds"]]
    if any(r["trace"] == POOLED for r in parts):
        parts = [r for r in parts if r["trace"] == POOLED]
    if not parts:
        return None
    last = parts[-1]
    parts = [
        p for p in parts if (p["model"], p["trace"]) == (last["model"], last["trace"])
    ]
    parts = parts[:_MAX_PANELS]
    columns = min(len(parts), 3)
    rows = -(-len(parts) // columns)
    figure = blank(1.0 + 3.8 * columns, 1.2 + 3.0 * rows)
    for k, part in enumerate(parts):
        axes = figure.add_subplot(rows, columns, k + 1)
        for name, (label, style) in _BOUNDS.items():
            if name in part["bounds"]:
                _draw_curve(axes, part["bounds"][name], label, style)
        _draw_promises(axes, part)
        axes.set_xscale("log")
        ahead = format_duration(part["horizon_s"])
        axes.set_title(f"{ahead} ahead" if part["horizon_s"] else "now", fontsize=10)
        axes.set_xlabel("mean half width (µs)")
        axes.set_ylabel("misses (%)")
        plain(axes)
    title = f"How much of the bounds of {last['model']} is needed (ring: as claimed; dashed: promised)"
    _legend(figure, figure.axes[0], title)
    return figure


def _draw_curve(axes: Axes, bound: Document, label: str, style: _Style) -> None:
    curve = [p for p in bound["curve"] if p["mean_width_ns"] > 0.0]
    axes.plot(
        [p["mean_width_ns"] / 1e3 for p in curve],
        [_missed(p["coverage"], bound["count"]) for p in curve],
        color=style.color, marker=style.marker, linestyle=style.line, markersize=3.5,
        label=label,
    )  # fmt: skip
    axes.plot(
        bound["mean_width_ns"] / 1e3, _missed(bound["coverage"], bound["count"]),
        marker="o", markersize=11, markerfacecolor="none", markeredgecolor="black",
        linestyle="none",
    )  # fmt: skip


def _draw_promises(axes: Axes, part: Document) -> None:
    """Scale the misses so that one in a thousand shows, and none has a place."""
    none = min(_missed(1.0, bound["count"]) for bound in part["bounds"].values())
    ticks = [tick for tick in (100.0, 10.0, 1.0, 0.1, 0.01, 0.001) if tick > none]
    axes.set_yscale("log")
    axes.set_ylim(none / 1.5, 150.0)
    axes.set_yticks([*ticks, none], [*(f"{tick:g}" for tick in ticks), "none"])
    axes.minorticks_off()
    for name, share in _PROMISES:
        if name in part["bounds"] and share > none:
            color = _BOUNDS[name][1].color
            axes.axhline(share, color=color, linewidth=0.8, linestyle="--", alpha=0.7)


def _missed(coverage: float, count: int) -> float:
    """Return the misses in percent; half of one where there was none."""
    return 100.0 * max(1.0 - coverage, 0.5 / count)


def _note(axes: Axes, text: str) -> None:
    axes.annotate(
        text, (1.0, 1.0), xycoords="axes fraction", ha="right", va="bottom", fontsize=8
    )


def _title(axes: Axes, name: str) -> None:
    # A dollar in a name is no formula, and half of one would be an error.
    axes.set_title(name, loc="left", fontsize=10, parse_math=False)


def _log_axes(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    # Whole decades: a tenth of one, stretched over the panel, looks like a difference.
    low, high = axes.get_ylim()
    axes.set_ylim(10.0 ** floor(log10(low)), 10.0 ** ceil(log10(high)))
    plain(axes)


def _legend(figure: Figure, axes: Axes, title: str) -> None:
    figure.suptitle(title)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)


def _with_rows(parts: list[Document]) -> dict[str, list[Document]]:
    return _by([p for p in parts if any(e is not None for e in p["error_ns"])], "trace")


def _by(parts: list[Document], key: str) -> dict[str, list[Document]]:
    """Group in the order of first appearance; no more traces than there is room for."""
    groups: dict[str, list[Document]] = {}
    for part in parts:
        groups.setdefault(part[key], []).append(part)
    return dict(list(groups.items())[:_MAX_PANELS])


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= _WHOLE else f"{value:.4g}"


def _micro(value: float | None) -> float:
    return float("nan") if value is None else value / 1e3
