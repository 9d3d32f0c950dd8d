"""TimesFM 2.5 with 200 million parameters (Apache-2.0).

Decides how it is loaded and called. The 2.5 class is named on purpose, and refuses other
weights: those of 3.0 are not free for commercial use.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import torch
from timesfm import ForecastConfig, TimesFM_2p5_200M_torch

from chronotick.backends.weights import pick_device, place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chronotick.backends.registry import Choice

    Vector = NDArray[np.float32]

__all__ = ["TimesfmBackend", "load"]

_USUAL = "google/timesfm-2.5-200m-pytorch"


class TimesfmBackend:
    """A loaded and configured TimesFM 2.5."""

    def __init__(self, model: TimesFM_2p5_200M_torch, described: str) -> None:
        self._model = model
        self.described = described

    def forecast(self, series: Vector, steps: int) -> Vector:
        """Return the median of the next `steps` values."""
        point, _ = self._model.forecast(horizon=steps, inputs=[series])
        return np.asarray(point[0], np.float32)


def load(choice: Choice) -> TimesfmBackend:
    """Load a directory, or a repository of the hub."""
    device = pick_device(choice.device)
    found = place(choice.weights, _USUAL)
    # Compiling wants a C compiler at run time, to save milliseconds once in 10 minutes.
    model = TimesFM_2p5_200M_torch.from_pretrained(
        found.where, revision=found.revision, torch_compile=False
    )
    # The library takes a GPU whenever it sees one, whatever was asked for.
    model.model.device = torch.device(device)
    model.model.to(model.model.device)
    model.compile(
        ForecastConfig(
            max_context=choice.context,
            max_horizon=choice.steps,
            normalize_inputs=True,
            # Rates have no preferred sign.
            force_flip_invariance=True,
            infer_is_positive=False,
        )
    )
    return TimesfmBackend(
        model, f"timesfm {version('timesfm')} (2.5) on {device}, {found.where}"
    )
