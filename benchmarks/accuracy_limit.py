"""How good can it be: us beside whoever has been told everything but the noise itself.

``python benchmarks/accuracy_limit.py [--seeds 12] [--jobs 2]`` replays chronyd's own
recordings of ``b_wan`` and ``e_hold`` (default polling) and as many other draws of the
same noise (`benchmarks/accuracy_fresh.py`) through the daemon's estimator and through
the best there can be: the mean of what is possible (particles), told how much the rate
wanders, where the delay floor is, and that queues are exponential. Both see exchanges as
they come. RMS in µs; where a server has been gone for some hours, at that instant.
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
from benchmarks.accuracy_fresh import WALK, imagine
from benchmarks.models_chronyd import DATA, OUTAGES, WARM_UP_S, load, replay, rms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

SCENARIOS = ("b_wan", "e_hold")
FLOOR_S = 30e-3
"""Delay of a packet that never queued, both ways together."""
PARTICLES = 20_000
FEWEST = 50
"""With fewer particles left, the nearest ones stand in for what is possible."""
ROUGHENING = 0.02
"""Share of its own spread that each copy of a particle is moved by."""


class Errors(NamedTuple):
    """Instants of true time, s, and errors there, µs."""

    t_s: Vector
    error_us: Vector


class Possible:
    """Clocks that everything measured so far allows, equally likely all.

    With exponential queues each way, an exchange whose delay is above the floor by e
    says that the offset is within e/2 of what it measured, anywhere in there alike.
    """

    def __init__(
        self, rng: np.random.Generator, offset_s: float, half_s: float
    ) -> None:
        self._rng = rng
        self.offset_s = offset_s + half_s * rng.uniform(-1.0, 1.0, PARTICLES)
        self.rate = rng.normal(-20e-6, 1e-6, PARTICLES)

    def move(self, t_s: float) -> None:
        """Let time pass: the rate walks at random (exact for its integral, too)."""
        step, own = self._rng.normal(size=(2, PARTICLES)) * WALK
        step *= t_s**0.5
        self.offset_s += (
            self.rate * t_s + step * t_s / 2.0 + own * (t_s**3 / 12.0) ** 0.5
        )
        self.rate += step

    def narrow(self, offset_s: float, half_s: float) -> None:
        """Keep those that an exchange allows, in as many copies as before."""
        beyond = np.abs(self.offset_s - offset_s) - half_s
        allowed = np.flatnonzero(beyond <= 0.0)
        if allowed.size < FEWEST:
            allowed = np.argsort(beyond)[:FEWEST]
        kept = self._rng.choice(allowed, PARTICLES)
        self.offset_s, self.rate = (
            each[kept] + self._rng.normal(0.0, ROUGHENING * each[kept].std(), PARTICLES)
            for each in (self.offset_s, self.rate)
        )

    def mean_s(self, ahead_s: float) -> float:
        """Return the offset to expect."""
        return float(self.offset_s.mean() + self.rate.mean() * ahead_s)


def told(name: str, data: Path) -> Errors:
    """Replay a recording through what is possible."""
    exchanges = load(data / f"{name}.exchanges.csv.gz")
    truth = load(data / f"{name}.truth.csv.gz")
    middle_s = exchanges["t_local_s"] - exchanges["delay_s"] / 2.0
    half_s = np.maximum((exchanges["delay_s"] - FLOOR_S) / 2.0, 1e-7)
    clocks = Possible(np.random.default_rng(0), exchanges["offset_s"][0], half_s[0])
    seen, said_s = 0, []
    for at_s in truth["t_true_s"] + truth["x_free_s"]:
        while seen + 1 < exchanges.size and exchanges["t_local_s"][seen + 1] <= at_s:
            seen += 1
            clocks.move(middle_s[seen] - middle_s[seen - 1])
            clocks.narrow(exchanges["offset_s"][seen], half_s[seen])
        said_s.append(clocks.mean_s(at_s - middle_s[seen]))
    scored = truth["t_true_s"] >= WARM_UP_S
    error_us = 1e6 * (np.array(said_s) + truth["x_free_s"])
    return Errors(truth["t_true_s"][scored], error_us[scored])


def both(name: str, data: Path) -> tuple[Errors, Errors, Errors]:
    """Return our errors, those of whoever is told, and chronyd's (NaN where not run)."""
    run = replay(name, data=data)
    chronyd = Errors(run.t_s, run.reference_us)
    return Errors(run.t_s, run.error_us), told(name, data), chronyd


def lines(
    scenario: str, draws: str, runs: list[tuple[Errors, Errors, Errors]]
) -> Iterator[str]:
    """Return rows of a Markdown table."""
    columns = list(zip(*runs, strict=True))
    everything = [np.concatenate([each.error_us for each in who]) for who in columns]
    if scenario == "b_wan":
        yield _line(f"{scenario} | {draws}", everything)
        return
    for hours, instants in OUTAGES.items():
        at_s = [3600.0 * instant for instant in instants]
        yield _line(
            f"{scenario}, {hours} h without a server | {draws}",
            [
                np.concatenate([np.interp(at_s, e.t_s, e.error_us) for e in who])
                for who in columns
            ],
        )


def _line(what: str, errors_us: list[Vector]) -> str:
    ours, limit, chronyd = (rms(each) for each in errors_us)
    theirs = "–" if np.isnan(chronyd) else f"{chronyd:,.0f} ({ours / chronyd:.2f})"
    best = "" if np.isnan(chronyd) else f" ({limit / chronyd:.2f} of chronyd's)"
    return (
        f"| {what} | {ours:,.0f} | {limit:,.0f}{best} | {ours / limit:.3f} | {theirs} |"
    )


def main() -> None:
    """Replay and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    print("| | draws | ours, µs | told everything | ratio | chronyd (ours over it) |")
    print("|---|---|---|---|---|---|")
    with (
        TemporaryDirectory() as folder,
        ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool,
    ):
        made = Path(folder)
        for scenario in SCENARIOS:
            recorded = [f"{scenario}.def.s{seed}" for seed in (1, 2)]
            fresh = [
                f"{scenario}.def.s{seed}" for seed in range(10, 10 + options.seeds)
            ]
            for name in fresh:
                seed = int(name.rpartition(".s")[2])
                # Polled at the instants of one recording or the other.
                imagine(f"{scenario}.def.s{1 + seed % 2}", seed, made)
            for draws, data, names in (
                ("chronyd's two", DATA, recorded),
                (f"{options.seeds} others", made, fresh),
            ):
                runs = list(pool.map(partial(both, data=data), names))
                print(*lines(scenario, draws, runs), sep="\n", flush=True)


if __name__ == "__main__":
    main()
