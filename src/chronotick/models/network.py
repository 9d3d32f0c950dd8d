"""The small forecaster: two hidden layers from three days of rates to eight hours.

Decides quantiles of the mean rate over the coming 10 minutes to 8 hours. It is plain
arithmetic on given weights; where those come from is `chronotick.models.train`'s
business, and whether they are believed is the ensemble's.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from chronotick.models.history import HORIZON, INPUTS, featurize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

__all__ = ["QUANTILES", "Forecast", "Network"]

QUANTILES = (0.05, 0.5, 0.95)
"""Levels of the outputs, in this order."""
# Distance of the 5 % and 95 % quantiles of a normal, in deviations.
_SPREAD = 3.2897
_NAMES = ("w1", "b1", "w2", "b2", "w3", "b3")


class Forecast(NamedTuple):
    """Mean rate over the next 1, 2, … `HORIZON` steps."""

    mean_ppb: Matrix
    sd_ppb: Matrix


class Network:
    """Weights and the forward pass.

    Args:
        weights: Arrays ``w1, b1, w2, b2, w3, b3`` as `train` returns them.

    Raises:
        ValueError: A shape does not fit `INPUTS` or `HORIZON`, or an array is missing
            or holds a number that is not finite.
    """

    def __init__(self, weights: Mapping[str, NDArray[np.floating]]) -> None:
        missing = [name for name in _NAMES if name not in weights]
        if missing:
            raise ValueError(f"weights lack {', '.join(missing)}")
        self._layers = [np.asarray(weights[name], np.float64) for name in _NAMES]
        w1, b1, w2, b2, w3, b3 = self._layers
        outputs = HORIZON * len(QUANTILES)
        fits = (
            w1.shape == (INPUTS, b1.size)
            and w2.shape == (b1.size, b2.size)
            and w3.shape == (b2.size, outputs)
            and b3.shape == (outputs,)
        )
        if not fits:
            raise ValueError(f"weights do not map {INPUTS} inputs to {outputs} outputs")
        if not all(np.isfinite(layer).all() for layer in self._layers):
            raise ValueError("weights hold a number that is not finite")

    @classmethod
    def load(cls, stream: IO[bytes]) -> Network:
        """Return the network that `train.main` wrote; the caller opens the file.

        The packaged one is the resource ``longterm.npz`` of `chronotick.models`.

        Raises:
            ValueError: Not such a file.
        """
        with np.load(stream, allow_pickle=False) as stored:
            return cls({name: stored[name] for name in _NAMES if name in stored})

    def quantiles(self, inputs: Matrix) -> Matrix:
        """Return quantiles in `Features.unit_ppb`: rows × `HORIZON` × levels."""
        w1, b1, w2, b2, w3, b3 = self._layers
        first = np.maximum(inputs @ w1 + b1, 0.0)
        second = np.maximum(first @ w2 + b2, 0.0)
        outputs = second @ w3 + b3
        return outputs.reshape(inputs.shape[0], HORIZON, len(QUANTILES))

    def forecast(self, rates_ppb: Matrix) -> Forecast:
        """Forecast one clock from its rates (newest last, `LEAST` of them or more)."""
        features = featurize(rates_ppb[None, :])
        low, middle, high = self.quantiles(features.inputs)[0].T
        unit = features.unit_ppb[0]
        # Quantiles of a network may cross; a spread never falls below a thousandth.
        spread = np.maximum(high - low, 1e-3) / _SPREAD
        return Forecast(float(features.anchor_ppb[0]) + unit * middle, unit * spread)
