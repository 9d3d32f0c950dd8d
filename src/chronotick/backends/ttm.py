"""Tiny Time Mixers: a small mixer with a fixed context and horizon (Apache-2.0).

Decides how it is loaded and called. ``granite-tsfm`` pins a torch that is older than what
the other backends get, hence an environment of its own.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import torch
from tsfm_public.models.tinytimemixer import TinyTimeMixerForPrediction

from chronotick.backends.weights import pick_device, place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chronotick.backends.registry import Choice

    Vector = NDArray[np.float32]

__all__ = ["TtmBackend", "load"]

_USUAL = "ibm-granite/granite-timeseries-ttm-r2"


class TtmBackend:
    """A loaded Tiny Time Mixer."""

    def __init__(self, model: TinyTimeMixerForPrediction, described: str) -> None:
        self._model = model
        self.described = described

    def forecast(self, series: Vector, steps: int) -> Vector:
        """Return the next `steps` values, or the fewer that the weights are made for."""
        past = torch.from_numpy(series)[None, :, None].to(self._model.device)
        with torch.inference_mode():
            # A history that is shorter than the context is padded by the library, and
            # by the mask it knows which values are real.
            answer = self._model(
                past_values=past, past_observed_mask=torch.ones_like(past)
            )
        values = answer.prediction_outputs[0, :steps, 0].cpu().numpy()
        return np.asarray(values, np.float32)


def load(choice: Choice) -> TtmBackend:
    """Load a directory, or a repository of the hub."""
    device = pick_device(choice.device)
    found = place(choice.weights, _USUAL)
    model = TinyTimeMixerForPrediction.from_pretrained(
        found.where, revision=found.revision or "main"
    )
    model = model.to(device).eval()
    return TtmBackend(
        model, f"granite-tsfm {version('granite-tsfm')} on {device}, {found.where}"
    )
