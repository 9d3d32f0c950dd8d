"""Do calibrated and hard bounds hold, and how wide are they: scores of replays.

``python benchmarks/accuracy_bounds.py [--seeds 1] [--scale 1.0]`` prints a line for each cell of
`benchmarks/data/chronyd`: coverage of the calibrated intervals at each instant of the
truth, with a 95 % interval by bootstrap over two-hour blocks, and their median half
width over the oracle's. The oracle knows the errors and claims the constant half width
that holds exactly 99 % or 99.9 % of them. With `--scale` each half width is multiplied
first: what narrower intervals would have held.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.models_chronyd import BLOCK_S, Run, grouped, recordings, replay
from chronotick.eval.accuracy.bootstrap import Bootstrap, blocks_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

LEVELS = (0.99, 0.999)
DRAWS = 300
# While no server answers the width grows by the hour: no constant compares with it.
OUTAGES = ("e_hold", "e_hold_temp")


class Held(NamedTuple):
    """Errors and half widths where something was claimed; several runs in a row."""

    cell: str
    t_s: tuple[Vector, ...]
    error_us: Vector
    half_us: Vector

    @property
    def coverage(self) -> float:
        """Share of the instants at which the interval held."""
        return float(np.mean(self.error_us <= self.half_us))

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its 95 % interval; None where nothing was ever missed."""
        held = (self.error_us <= self.half_us).astype(np.float64)
        if held.all():
            return None
        return Bootstrap(blocks_of(self.t_s, BLOCK_S), seed=0).mean(held)

    def width(self, level: float) -> float:
        """Median half width over the oracle's."""
        return _width(self.error_us, self.half_us, level)

    def widths(self, level: float) -> Vector:
        """Return the same for blocks drawn with replacement."""
        block = blocks_of(self.t_s, BLOCK_S)
        ends = np.searchsorted(block, np.arange(block[-1] + 2))
        rng = np.random.default_rng(0)
        found = []
        for drawn in rng.integers(0, ends.size - 1, (DRAWS, ends.size - 1)):
            rows = np.concatenate([np.arange(ends[k], ends[k + 1]) for k in drawn])
            found.append(_width(self.error_us[rows], self.half_us[rows], level))
        return np.array(found)


def _width(error_us: Vector, half_us: Vector, level: float) -> float:
    return float(np.median(half_us) / np.quantile(error_us, level))


def held(runs: Sequence[Run], level: float, cell: str = "") -> Held:
    """Return the claims of one level in all `runs`."""
    halves = [run.half_99_us if level == 0.99 else run.half_999_us for run in runs]
    claimed = [np.isfinite(half) for half in halves]
    return Held(
        cell=cell or f"{runs[0].scenario} {runs[0].mode}",
        t_s=tuple(run.t_s[mask] for run, mask in zip(runs, claimed, strict=True)),
        error_us=np.concatenate(
            [np.abs(r.error_us[mask]) for r, mask in zip(runs, claimed, strict=True)]
        ),
        half_us=np.concatenate(
            [half[mask] for half, mask in zip(halves, claimed, strict=True)]
        ),
    )


def by_cell(runs: list[Run], level: float) -> list[Held]:
    """Return the claims of one level, a cell each."""
    return [held(group, level) for group in grouped(runs)]


def mean_width(
    cells: Sequence[Held], level: float
) -> tuple[float, tuple[float, float]]:
    """Return the geometric mean over `cells`, and its 95 % interval."""
    middle = np.exp(np.mean([np.log(each.width(level)) for each in cells]))
    drawn = np.exp(np.mean([np.log(each.widths(level)) for each in cells], axis=0))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(middle), (float(low), float(high))


def scaled(run: Run, by: float) -> Run:
    """Return the run as if all calibrated intervals had been `by` times as wide."""
    return replace(
        run, half_99_us=by * run.half_99_us, half_999_us=by * run.half_999_us
    )


def hard_misses(runs: Sequence[Run]) -> tuple[int, int]:
    """Return at how many instants the hard bound missed, and of how many."""
    missed = sum(int(np.sum(np.abs(run.error_us) > run.hard_us)) for run in runs)
    return missed, sum(int(np.isfinite(run.hard_us).sum()) for run in runs)


def main() -> None:
    """Replay and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    show([scaled(replay(name), options.scale) for name in recordings(options.seeds)])


def show(runs: list[Run]) -> None:
    """Print the table."""
    print(
        "| cell | 99 % held, 95 % | width / oracle's | 99.9 % | width | hard missed |"
    )
    print("|---|---|---|---|---|---|")
    for group in grouped(runs):
        cells = []
        for level in LEVELS:
            each = held(group, level)
            low, high = each.interval or (1.0, 1.0)
            cells.append(
                f"{100 * each.coverage:.2f} [{100 * low:.2f}, {100 * high:.2f}]"
            )
            cells.append(f"{each.width(level):.2f}")
        missed, of = hard_misses(group)
        print(f"| {each.cell} | {' | '.join(cells)} | {missed} of {of} |")
    pooled = [f"{100 * held(runs, level).coverage:.2f} | " for level in LEVELS]
    print(f"| pooled | {' | '.join(pooled)} | |")


if __name__ == "__main__":
    main()
