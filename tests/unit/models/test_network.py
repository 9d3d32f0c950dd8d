"""`models.network`: a forward pass that checks what it is given."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from chronotick.models.generator import simulate
from chronotick.models.history import HORIZON, INPUTS, featurize
from chronotick.models.network import QUANTILES, Network


def weights(*, hidden: int = 4, seed: int = 0) -> dict[str, np.ndarray]:
    """Return small random weights of the right shapes."""
    rng = np.random.default_rng(seed)
    sizes = (INPUTS, hidden, hidden, HORIZON * len(QUANTILES))
    result = {}
    for layer in (1, 2, 3):
        result[f"w{layer}"] = rng.normal(0, 0.1, (sizes[layer - 1], sizes[layer]))
        result[f"b{layer}"] = np.zeros(sizes[layer])
    return result


def test_zero_weights_forecast_no_change() -> None:
    """With nothing learned, the newest rate goes on."""
    zeros = {name: np.zeros_like(value) for name, value in weights().items()}
    rates = np.random.default_rng(1).normal(size=100).cumsum()
    forecast = Network(zeros).forecast(rates)
    assert forecast.mean_ppb == pytest.approx(np.full(HORIZON, rates[-1]))
    assert (forecast.sd_ppb > 0.0).all()


def test_a_forecast_follows_unit_and_origin() -> None:
    """In other units and around another rate, the same forecast."""
    network = Network(weights())
    rates = 10.0 * np.random.default_rng(2).normal(size=300).cumsum()
    plain, moved = network.forecast(rates), network.forecast(2.0 * rates - 900.0)
    # The least scale of the features is not quite free of units.
    assert moved.mean_ppb == pytest.approx(2.0 * plain.mean_ppb - 900.0, abs=0.5)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"w1": np.zeros((3, 4))}, "do not map"),
        ({"b3": np.zeros(5)}, "do not map"),
        ({"w2": np.full((4, 4), np.nan)}, "not finite"),
    ],
)
def test_wrong_weights_are_refused(
    damage: dict[str, np.ndarray],
    message: str,
) -> None:
    """Wrong shapes or numbers raise at once, not as a strange forecast later."""
    with pytest.raises(ValueError, match=message):
        Network(weights() | damage)


def test_missing_weights_are_named() -> None:
    """The error says what is not there."""
    incomplete = weights()
    del incomplete["b2"]
    with pytest.raises(ValueError, match="b2"):
        Network(incomplete)


def test_the_packaged_network_beats_no_change() -> None:
    """On simulated clocks it has not seen, at 1, 4 and 8 h, and it knows its spread."""
    with files("chronotick.models").joinpath("longterm.npz").open("rb") as stream:
        network = Network.load(stream)
    batch = simulate(np.random.default_rng(987), 600)
    features = featurize(batch.rates_ppb)
    outcome = (batch.outcome_ppb - features.anchor_ppb[:, None]) / features.unit_ppb
    quantiles = network.quantiles(features.inputs)
    for steps, most in ((6, 0.95), (24, 0.9), (48, 0.88)):
        truth = outcome[:, steps - 1]
        low, middle, high = quantiles[:, steps - 1].T
        missed = np.abs(truth - middle).mean()
        assert missed < most * np.abs(truth).mean()
        inside = ((low <= truth) & (truth <= high)).mean()
        assert 0.85 <= inside <= 0.95
