"""`daemon.weights`: the package carries a network that works."""

from __future__ import annotations

import numpy as np

from chronotick.daemon.weights import packaged_network


def test_the_packaged_network_forecasts_a_steady_clock() -> None:
    """A day at one rate: it goes on at that rate, and the weights are read once."""
    network = packaged_network()
    forecast = network.forecast(np.full(144, 12_345.0))
    assert np.allclose(forecast.mean_ppb, 12_345.0, atol=1.0)
    assert packaged_network() is network
