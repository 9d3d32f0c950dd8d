"""Do the bounds hold on noise that nobody has looked at: chronyd's scenarios, made anew.

``python benchmarks/accuracy_fresh.py [--seeds 2] [--jobs 2]`` imagines other clocks and
networks after the scenarios of `benchmarks/data/chronyd`, at the instants at which
chronyd polled there, and prints what `accuracy_bounds.py` does. chronyd itself did not
run on them, so there is no ratio to it. In `c_cong` the congestion is ours: its
description leaves the tails open.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.accuracy_bounds import show
from benchmarks.models_chronyd import DATA, load, recordings, replay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

STEP_S = 4.0
WALK = 1e-9
"""Random walk of the rate, 1/√s."""
DAY_S, HOUR_S = 86_400.0, 3_600.0


class Clock(NamedTuple):
    """A free-running clock: its error at instants of true time."""

    t_s: Vector
    error_s: Vector

    def at(self, t_s: Vector) -> Vector:
        """Return what it shows."""
        return np.asarray(t_s + np.interp(t_s, self.t_s, self.error_s))

    def when(self, shown_s: Vector) -> Vector:
        """Return when it shows that."""
        return np.interp(shown_s, self.t_s + self.error_s, self.t_s)


def clock(rng: np.random.Generator, length_s: float, *, warms: bool) -> Clock:
    """Return 20 ppm and a random walk; with `warms` a day's and an hour's waves."""
    t_s = np.arange(0.0, length_s + DAY_S, STEP_S)
    rate = 20e-6 + np.cumsum(rng.normal(0.0, WALK * STEP_S**0.5, t_s.size))
    if warms:
        for peak_to_peak, period_s in ((0.5e-6, DAY_S), (0.1e-6, HOUR_S)):
            phase = t_s / period_s + rng.random()
            rate += peak_to_peak / 2.0 * np.sin(2.0 * np.pi * phase)
    steps = (rate[1:] + rate[:-1]) / 2.0 * STEP_S
    return Clock(t_s, 0.01 + np.concatenate(([0.0], np.cumsum(steps))))


def legs(
    rng: np.random.Generator, scenario: str, at_s: Vector
) -> tuple[Vector, Vector]:
    """Return how long packets take there and back, seconds."""
    size = at_s.size
    floor_s, queue_s = (100e-6, 20e-6) if scenario.endswith("lan") else (15e-3, 1e-3)
    if scenario == "h_gam":
        there, back = rng.gamma(3.0, 0.3e-3, size), rng.gamma(3.0, 0.6e-3, size)
    else:
        there, back = rng.exponential(queue_s, (2, size))
    if scenario == "c_cong":
        busy = at_s % (2.0 * HOUR_S) < 2400.0
        there = there + busy * np.minimum(rng.pareto(1.5, size) * 2e-3, 1.0)
        back = back + busy * np.minimum(rng.pareto(1.5, size) * 6e-3, 1.0)
        there = there + 8e-3 * (at_s % (12.0 * HOUR_S) >= 9.0 * HOUR_S)
    return floor_s + there, floor_s + back


def imagine(name: str, seed: int, to: Path) -> None:
    """Write a recording like `name`, with the noise of `seed`."""
    scenario, mode, _ = name.split(".")
    rng = np.random.default_rng([seed, *name.encode()])
    truth_s = load(DATA / f"{name}.truth.csv.gz")["t_true_s"]
    polled_s = load(DATA / f"{name}.exchanges.csv.gz")["t_local_s"]
    local = clock(rng, float(truth_s[-1]), warms=scenario.startswith(("d_", "e_hold_")))
    arrival_s = local.when(polled_s)
    there, back = legs(rng, scenario, arrival_s)
    sent_s = arrival_s - there - back
    offset_s = sent_s + there - (local.at(sent_s) + local.at(arrival_s)) / 2.0
    delay_s = local.at(arrival_s) - local.at(sent_s)
    nothing = np.full(truth_s.size, np.nan)
    stem = f"{to}/{scenario}.{mode}.s{seed}"
    _write(
        f"{stem}.exchanges.csv.gz",
        {"t_local_s": local.at(arrival_s), "offset_s": offset_s, "delay_s": delay_s},
    )
    _write(
        f"{stem}.truth.csv.gz",
        {
            "t_true_s": truth_s,
            "x_free_s": local.at(truth_s) - truth_s,
            "x_chronyd_s": nothing,
            "x_chronyd_tuned_s": nothing,
        },
    )


def _write(path: str, columns: dict[str, Vector]) -> None:
    rows = np.column_stack(list(columns.values()))
    np.savetxt(path, rows, "%.9f", ",", header=",".join(columns), comments="")


def main() -> None:
    """Imagine, replay and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2, choices=range(1, 10))
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        made = Path(folder)
        for name in recordings(seeds=1):
            for seed in range(1, options.seeds + 1):
                imagine(name, seed, made)
        with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
            names = recordings(data=made)
            runs = []
            for run in pool.map(partial(replay, data=made), names):
                runs.append(run)
                told = f"{len(runs)} of {len(names)} replays"
                print(told, file=sys.stderr, end="\r", flush=True)
    print(file=sys.stderr)
    show(runs)


if __name__ == "__main__":
    main()
