"""The conversation: one history in, one forecast out, a JSON line each.

Decides what is put before a model and how its answer is read: the rates of the past in
ppm relative to the newest one, and back. The process around it is `__main__`'s business.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, TextIO

import numpy as np

from chronotick.core.rates import RateForecast, RateHistory
from chronotick.core.units import PPB_PER_PPM

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from chronotick.backends.registry import Backend, Choice

    Vector = NDArray[np.float32]

__all__ = ["answer", "converse", "say"]

# A model's first step differs from the newest rate by noise it has seen through, and by
# what it got wrong. Half way between was best for Fracast at each of 1, 4 and 8 h.
_ANCHORED = 0.5


def answer(backend: Backend, choice: Choice, history: RateHistory) -> RateForecast:
    """Forecast from `history`.

    The level is taken off, so that 30 ppm of frequency error don't eat the digits of
    32-bit floats. A fitted line is not: without it the same model erred less.

    Raises:
        ValueError: The model's answer is empty, not finite or no series, or the history
            is one of the first two.
    """
    rates = np.array(history.rates_ppb[-choice.context :])
    if rates.size == 0 or not np.isfinite(rates).all():
        raise ValueError("the history is empty or not finite")
    newest = float(rates[-1])
    series = ((rates - newest) / PPB_PER_PPM).astype(np.float32)
    path = np.asarray(backend.forecast(series, choice.steps), np.float64)
    if path.ndim != 1 or path.size == 0 or not np.isfinite(path).all():
        raise ValueError("the model's answer is empty, not finite or no series")
    path = path[: choice.steps] * PPB_PER_PPM
    path -= _ANCHORED * path[0]
    means = newest + np.cumsum(path) / np.arange(1.0, path.size + 1.0)
    return RateForecast(
        raw_ns=history.raw_ns, step_s=history.step_s, means_ppb=tuple(means.tolist())
    )


def converse(
    backend: Backend, choice: Choice, questions: Iterable[str], answers: TextIO
) -> None:
    """Answer until there are no more questions.

    Raises:
        ValueError: As `answer` does; or a question is none. The process is to end: the
            one that asked starts another.
    """
    for line in questions:
        history = RateHistory(**json.loads(line))
        say(answers, forecast=asdict(answer(backend, choice, history)))


def say(answers: TextIO, **what: object) -> None:
    """Write one line: ``ready``, ``error`` or ``forecast``, and what there is to it."""
    # Not a number is no JSON: better an error here than a line that nobody can read.
    answers.write(json.dumps(what, allow_nan=False) + "\n")
    answers.flush()
