"""Draw the figures of docs/explanation/estimation.md from what the table was made of.

python benchmarks/accuracy_table.py --json numbers.json
python tools/accuracy_figures.py numbers.json [FOLDER]

Nothing is computed here: ratios and intervals come from the file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chronotick.eval.plots import blank, plain, to_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IMAGES = Path(__file__).parents[1] / "docs" / "images"
# Okabe and Ito's colors; markers say the same again.
BLUE, ORANGE, GREEN, BLACK = "#0072B2", "#D55E00", "#009E73", "#000000"
CLOSE, APART = 0.08, 0.05
"""Between a number and a line, and between names, in units of the ratio."""
KINDS = {
    "diurnal": ("follow a day", BLUE, "o", "-"),
    "other": ("thermostat, own load", ORANGE, "s", "--"),
    "walk": ("a random walk only", BLACK, "^", ":"),
    "first": ("first day", GREEN, "D", "-."),
}


def main() -> None:
    """Draw and save."""
    numbers = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else IMAGES  # noqa: PLR2004
    (folder / "chronyd.png").write_bytes(draw_chronyd(numbers["chronyd"]))
    (folder / "horizons.png").write_bytes(draw_horizons(numbers["longterm"]))


def draw_chronyd(rows: list[dict[str, Any]]) -> bytes:
    """Return our error over chronyd's in each scenario, with targets."""
    figure = blank(9.0, 4.6)
    both = figure.subplots(1, 2, sharey=False, width_ratios=(8, 5))
    whose = {
        "def": "default polling: over chronyd's",
        "fast": "4 s: over the tuned chronyd's",
    }
    for axes, (mode, title) in zip(both, whose.items(), strict=True):
        _ratios(axes, [row for row in rows if row["mode"] == mode])
        axes.set_title(title, loc="left", fontsize=10)
    both[0].set_ylabel("our RMS error / theirs")
    handles, labels = both[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return to_png(figure)


def _ratios(axes: Axes, rows: list[dict[str, Any]]) -> None:
    for k, row in enumerate(rows):
        low, high = row["interval"]
        axes.plot(
            [k, k],
            [low, high],
            color=BLUE,
            lw=2.5,
            label="95 % interval" if k == 0 else None,
        )
        axes.plot(
            [k],
            [row["ratio"]],
            "o",
            color=BLUE,
            ms=7,
            label="measured" if k == 0 else None,
        )
        if row["target"] is not None:
            axes.plot(
                [k - 0.3, k + 0.3], [row["target"]] * 2, color=ORANGE, lw=1.5, ls="--",
                label="target" if k == 0 else None,
            )  # fmt: skip
        # Not across the target's line.
        near = row["target"] is not None and 0.0 <= row["target"] - high < CLOSE
        top = row["target"] if near else high
        axes.annotate(
            f"{row['ratio']:.2f}", (k, top), xytext=(0, 4), ha="center",
            textcoords="offset points", fontsize=9,
        )  # fmt: skip
    axes.axhline(1.0, color=BLACK, lw=0.8)
    axes.set_xticks(
        range(len(rows)), [row["scenario"] for row in rows], rotation=35, ha="right"
    )
    axes.set_xlim(-0.6, len(rows) - 0.2)
    axes.set_ylim(0.0, 1.25)
    plain(axes)


def draw_horizons(rows: list[dict[str, Any]]) -> bytes:
    """Return the long-term error over the short-term one, against the horizon."""
    figure = blank(8.0, 4.6)
    axes = figure.subplots()
    labelled: set[str] = set()
    ends: list[tuple[float, str, str]] = []
    for clock in dict.fromkeys(row["clock"] for row in rows):
        mine = [row for row in rows if row["clock"] == clock]
        kind = clock.partition("-")[0]
        label, color, marker, style = KINDS[kind if kind in KINDS else "other"]
        hours = [row["hours"] for row in mine]
        ratios = [row["ratio"] for row in mine]
        axes.plot(
            hours, ratios, color=color, marker=marker, ls=style, lw=1.3,
            label=None if label in labelled else label,
        )  # fmt: skip
        labelled.add(label)
        axes.vlines(
            hours,
            [(row["interval"] or [row["ratio"]] * 2)[0] for row in mine],
            [(row["interval"] or [row["ratio"]] * 2)[1] for row in mine],
            color=color, lw=3, alpha=0.25,
        )  # fmt: skip
        ends.append((ratios[-1], clock, color))
    _name(axes, ends, mine[-1]["hours"])
    axes.axhline(1.0, color=BLACK, lw=0.8)
    axes.set_xscale("log")
    axes.set_xticks([1, 4, 8], ["1 h", "4 h", "8 h"])
    axes.set_xticks([], minor=True)
    axes.set_xlim(0.9, 13.5)
    axes.set_ylim(0.0, 1.35)
    axes.set_xlabel("ahead")
    axes.set_ylabel("RMS error, with the long-term ensemble / without")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    plain(axes)
    return to_png(figure)


def _name(axes: Axes, ends: list[tuple[float, str, str]], hours: float) -> None:
    """Write each clock's name beside the end of its line, none over another."""
    place = 0.0
    for ratio, clock, color in sorted(ends):
        place = max(ratio, place + APART)
        axes.annotate(
            clock, (hours, ratio), xytext=(1.13 * hours, place), va="center",
            fontsize=8, color=color,
            arrowprops={
                "arrowstyle": "-", "color": color, "lw": 0.4, "shrinkB": 3,
                "relpos": (0.0, 0.5),
            },
        )  # fmt: skip


if __name__ == "__main__":
    main()
