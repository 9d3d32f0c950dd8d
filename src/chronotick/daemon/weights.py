"""The trained network that comes with the package; decides only where it lies."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from chronotick.models.network import Network

__all__ = ["packaged_network"]


@cache
def packaged_network() -> Network:
    """Return the long-term forecaster that `chronotick.models.train` made."""
    with (files("chronotick.models") / "longterm.npz").open("rb") as stream:
        return Network.load(stream)
