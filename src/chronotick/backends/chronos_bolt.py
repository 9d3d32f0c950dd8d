"""Chronos-Bolt: a T5 that answers with quantiles .1 to .9 (Apache-2.0).

Decides how it is loaded and called, nothing else. Beyond its own prediction length it
is rolled on by its library.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import torch
from chronos import ChronosBoltPipeline

from chronotick.backends.weights import pick_device, place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chronotick.backends.registry import Choice

    Vector = NDArray[np.float32]

__all__ = ["ChronosBackend", "load"]

_USUAL = "amazon/chronos-bolt-tiny"


class ChronosBackend:
    """A loaded Chronos-Bolt pipeline."""

    def __init__(self, pipeline: ChronosBoltPipeline, described: str) -> None:
        self._pipeline = pipeline
        self.described = described

    def forecast(self, series: Vector, steps: int) -> Vector:
        """Return the median of the next `steps` values."""
        # What the library calls the mean is the median: the model has no other.
        _, median = self._pipeline.predict_quantiles(
            torch.from_numpy(series), prediction_length=steps, quantile_levels=[0.5]
        )
        return np.asarray(median[0].numpy(), np.float32)


def load(choice: Choice) -> ChronosBackend:
    """Load a directory, or a repository of the hub."""
    device = pick_device(choice.device)
    found = place(choice.weights, _USUAL)
    pipeline = ChronosBoltPipeline.from_pretrained(
        found.where,
        revision=found.revision or "main",
        device_map=device,
        dtype="float32",
    )
    described = f"chronos-forecasting {version('chronos-forecasting')} on {device}"
    return ChronosBackend(pipeline, f"{described}, {found.where}")
