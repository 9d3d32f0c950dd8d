"""Fracast-0: 85,000 parameters, weights inside the package (Apache-2.0).

Decides how it is loaded and called. Its weights are the package's unless others are named;
those are then a directory or a repository of the hub, without a revision.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
from fracast import FracastModel

from chronotick.backends.weights import pick_device, place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chronotick.backends.registry import Choice

    Vector = NDArray[np.float32]

__all__ = ["FracastBackend", "load"]

_MEDIAN = 0.5


class FracastBackend:
    """A loaded Fracast model."""

    def __init__(self, model: FracastModel, described: str) -> None:
        self._model = model
        self._median = int(np.argmin(np.abs(np.array(model.quantiles) - _MEDIAN)))
        self.described = described

    def forecast(self, series: Vector, steps: int) -> Vector:
        """Return the median of the next `steps` values."""
        quantiles = self._model.forecast(series, horizon=steps)
        return np.asarray(quantiles[:, self._median], np.float32)


def load(choice: Choice) -> FracastBackend:
    """Load the bundled weights, or others.

    Raises:
        ValueError: A revision was named, which the library can't ask for.
    """
    device = pick_device(choice.device)
    found = None if choice.weights is None else place(choice.weights, "")
    if found and found.revision:
        raise ValueError(f"revision {found.revision}: fracast knows none")
    model = FracastModel.from_pretrained(
        found and found.where, weights="fp32", device=device
    )
    return FracastBackend(model, f"fracast {version('fracast')} on {device}")
