"""Short-term models by the name that a configuration gives.

Decides what the names mean. Long-term experts are combined, not chosen: see
`chronotick.models.longterm`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chronotick.models.bank import BankModel
from chronotick.models.kalman import KalmanModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chronotick.models.protocol import OscillatorModel

__all__ = ["SHORT_TERM", "ShortTerm", "short_term"]


class ShortTerm(NamedTuple):
    """A short-term model and what it wants to be shown."""

    make: Callable[[], OscillatorModel]
    all_samples: bool
    """Whether it weighs delays itself, or wants what the sample filter lets through."""


SHORT_TERM: Mapping[str, ShortTerm] = {
    "bank": ShortTerm(BankModel, all_samples=True),
    "kalman": ShortTerm(KalmanModel, all_samples=False),
}
"""`bank`: many filters, weighted by how they predict; needs numpy. `kalman`: one."""


def short_term(name: str) -> ShortTerm:
    """Return the model called `name`.

    Raises:
        KeyError: there is none; the message lists those that there are.
    """
    try:
        return SHORT_TERM[name]
    except KeyError:
        known = ", ".join(SHORT_TERM)
        raise KeyError(f"no short-term model {name!r}; there are: {known}") from None
