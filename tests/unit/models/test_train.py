"""`models.generator` and `models.train`: seeded clocks, and a loss that falls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chronotick.models.generator import simulate
from chronotick.models.history import HORIZON, PAST
from chronotick.models.network import Network
from chronotick.models.train import main, train

if TYPE_CHECKING:
    from pathlib import Path


def test_the_same_seed_makes_the_same_clocks() -> None:
    """All randomness is the argument's."""
    first, again = (simulate(np.random.default_rng(5), 8) for _ in range(2))
    other = simulate(np.random.default_rng(6), 8)
    assert np.array_equal(first.rates_ppb, again.rates_ppb)
    assert not np.array_equal(first.rates_ppb, other.rates_ppb)


def test_clocks_are_of_this_world() -> None:
    """Three days each, finite, wandering by ppb to ppm; the outcome continues them."""
    batch = simulate(np.random.default_rng(1), 200)
    assert batch.rates_ppb.shape == (200, PAST)
    assert batch.outcome_ppb.shape == (200, HORIZON)
    assert np.isfinite(batch.rates_ppb).all()
    wander = np.ptp(batch.rates_ppb, axis=1)
    assert 10.0 < np.median(wander) < 5000.0
    gap = np.abs(batch.outcome_ppb[:, 0] - batch.rates_ppb[:, -1])
    assert np.median(gap / wander) < 0.1


def test_the_loss_falls() -> None:
    """Three hundred small steps are enough to see that it learns."""
    losses: list[float] = []
    weights = train(
        np.random.default_rng(2),
        steps=300,
        every=100,
        batch=48,
        report=lambda _, loss: losses.append(loss),
    )
    assert len(losses) == 3
    assert losses[-1] < 0.97 * losses[0]
    Network(weights)


def test_main_writes_weights_that_load(tmp_path: Path) -> None:
    """The file holds the network and how it came about."""
    path = tmp_path / "w.npz"
    main(["--seed", "3", "--steps", "2", "--batch", "8", "--out", str(path)])
    with np.load(path) as stored:
        assert "--seed 3 --steps 2" in str(stored["provenance"])
        Network({name: stored[name] for name in stored if name != "provenance"})
