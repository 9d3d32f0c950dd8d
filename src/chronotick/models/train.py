"""Train the long-term network on simulated oscillators.

``python -m chronotick.models.train --seed 1 --steps 30000 --out longterm.npz``

Decides the weights, and nothing at run time: no daemon imports this module. About
20 minutes on one core; the same seed and NumPy give the same weights.
"""

from __future__ import annotations

import argparse
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from chronotick.models.generator import simulate
from chronotick.models.history import HORIZON, INPUTS, LEAST, PAST, featurize
from chronotick.models.network import QUANTILES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

__all__ = ["main", "train"]

_HIDDEN = 96
_BATCH = 512
_RATE = 3e-3
# Simulating costs more than learning: clocks are kept in a pool, and one batch in it is
# replaced every few steps. Each is seen a handful of times, never with the same past.
_POOL = 32
_REUSE = 6
_SHORT_PAST = 0.5
_LEVELS = np.array(QUANTILES, np.float32)
# Clocks that change by this much more than they ever did teach nothing.
_CLIP = 10.0
# Adam (Kingma & Ba, 2015) with the paper's decay rates.
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8
# The weights returned are an average over the last thousand or so steps.
_AVERAGING = 0.999


def train(
    rng: Generator,
    *,
    steps: int,
    report: Callable[[int, float], None],
    every: int = 1000,
    batch: int = _BATCH,
) -> dict[str, Matrix]:
    """Return trained weights.

    Args:
        rng: Source of all randomness.
        steps: Batches to learn from.
        report: Called with the step and the mean loss since the last report.
        every: Steps between reports.
        batch: Clocks in each batch.
    """
    weights = _initial(rng)
    average = {name: value.copy() for name, value in weights.items()}
    first = {name: np.zeros_like(value) for name, value in weights.items()}
    second = {name: np.zeros_like(value) for name, value in weights.items()}
    losses = []
    pool = _Pool(rng, batch)
    for step in range(1, steps + 1):
        loss, gradient = _backward(weights, *pool.draw())
        losses.append(loss)
        rate = _RATE * (0.01 + 0.99 * 0.5 * (1.0 + np.cos(np.pi * step / steps)))
        rate *= np.sqrt(1.0 - _BETA_2**step) / (1.0 - _BETA_1**step)
        for name, slope in gradient.items():
            first[name] += np.float32(1.0 - _BETA_1) * (slope - first[name])
            second[name] += np.float32(1.0 - _BETA_2) * (slope * slope - second[name])
            weights[name] -= (
                np.float32(rate) * first[name] / (np.sqrt(second[name]) + _EPSILON)
            )
            average[name] += np.float32(1.0 - _AVERAGING) * (
                weights[name] - average[name]
            )
        if step % every == 0:
            report(step, float(np.mean(losses)))
            losses.clear()
    return average


def _initial(rng: Generator) -> dict[str, Matrix]:
    sizes = (INPUTS, _HIDDEN, _HIDDEN, HORIZON * len(QUANTILES))
    weights: dict[str, Matrix] = {}
    for layer, (fan_in, fan_out) in enumerate(pairwise(sizes), 1):
        spread = np.sqrt(2.0 / fan_in)
        weights[f"w{layer}"] = rng.normal(0.0, spread, (fan_in, fan_out)).astype(
            np.float32
        )
        weights[f"b{layer}"] = np.zeros(fan_out, np.float32)
    weights["w3"] *= np.float32(0.1)
    return weights


class _Pool:
    """Simulated clocks to draw batches from."""

    def __init__(self, rng: Generator, size: int) -> None:
        self._rng, self._size = rng, size
        self._batches = [simulate(rng, size) for _ in range(_POOL)]
        self._drawn = 0

    def draw(self) -> tuple[Matrix, Matrix]:
        """Return inputs and targets of one batch."""
        rng, size = self._rng, self._size
        self._drawn += 1
        if self._drawn % _REUSE == 0:
            self._batches[self._drawn // _REUSE % _POOL] = simulate(rng, size)
        chosen = rng.integers(0, _POOL, size)
        row = rng.integers(0, size, size)
        pairs = [
            (self._batches[b].rates_ppb[r], self._batches[b].outcome_ppb[r])
            for b, r in zip(chosen.tolist(), row.tolist(), strict=True)
        ]
        # Physics has no preferred sign, and daemons are restarted at any time.
        sign = rng.choice((-1.0, 1.0), (size, 1))
        rates = np.array([rates for rates, _ in pairs]) * sign
        outcome = np.array([outcome for _, outcome in pairs]) * sign
        short = rng.random(size) < _SHORT_PAST
        known = np.where(short, rng.integers(LEAST, PAST, size), PAST)
        features = featurize(rates, known.astype(np.float64))
        target = (outcome - features.anchor_ppb[:, None]) / features.unit_ppb
        target = np.clip(target, -_CLIP, _CLIP)
        return features.inputs.astype(np.float32), target.astype(np.float32)


def _backward(
    weights: dict[str, Matrix], inputs: Matrix, target: Matrix
) -> tuple[float, dict[str, Matrix]]:
    """Return the pinball loss and its gradient."""
    first = np.maximum(inputs @ weights["w1"] + weights["b1"], 0.0)
    second = np.maximum(first @ weights["w2"] + weights["b2"], 0.0)
    outputs = second @ weights["w3"] + weights["b3"]
    error = target[:, :, None] - outputs.reshape(len(inputs), HORIZON, len(_LEVELS))
    below = error < 0.0
    loss = float(np.mean((_LEVELS - below) * error))
    slope = (below - _LEVELS).astype(np.float32) / np.float32(error.size)
    slope = slope.reshape(outputs.shape)
    into_second = (slope @ weights["w3"].T) * (second > 0.0)
    into_first = (into_second @ weights["w2"].T) * (first > 0.0)
    return loss, {
        "w3": second.T @ slope,
        "b3": slope.sum(axis=0),
        "w2": first.T @ into_second,
        "b2": into_second.sum(axis=0),
        "w1": inputs.T @ into_first,
        "b1": into_first.sum(axis=0),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and write the weights as an .npz of 16-bit floats with their provenance."""
    parser = argparse.ArgumentParser(description="Train the long-term network.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=30_000)
    parser.add_argument("--batch", type=int, default=_BATCH)
    parser.add_argument("--out", default="longterm.npz")
    options = parser.parse_args(arguments)

    def report(step: int, loss: float) -> None:
        sys.stderr.write(f"step={step} loss={loss:.5f}\n")

    rng = np.random.default_rng(options.seed)
    weights = train(rng, steps=options.steps, report=report, batch=options.batch)
    provenance = (
        f"python -m chronotick.models.train --seed {options.seed} "
        f"--steps {options.steps} --batch {options.batch}; numpy {np.__version__}; simulated clocks only"
    )
    arrays: dict[str, NDArray[np.generic]] = {
        name: value.astype(np.float16) for name, value in weights.items()
    }
    arrays["provenance"] = np.array(provenance)
    np.savez_compressed(options.out, allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()
