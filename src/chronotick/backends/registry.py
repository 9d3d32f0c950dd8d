"""Learned forecasters by the name that a configuration gives.

Decides what the names mean and what each needs. Modules are imported when asked for, so
that naming one library never needs another.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

__all__ = ["LOADERS", "Backend", "BackendUnavailable", "Choice", "Loader", "load"]


class BackendUnavailable(Exception):
    """The library or the weights are missing; the message says what to do."""


class Backend(Protocol):
    """A loaded model."""

    @property
    def described(self) -> str:
        """Name, version and device, for a log."""
        ...

    def forecast(self, series: Vector, steps: int) -> Vector:
        """Return the median of the next `steps` values of a series, in its unit."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which model is loaded, and where it runs."""

    device: str = "auto"
    """``cpu``, ``cuda`` or ``auto``: cuda where there is one."""
    context: int = 432
    """Values of the past that it is shown at most."""
    steps: int = 48
    """Values of the future that it is asked for."""
    weights: str | None = None
    """A directory, or a hub's ``owner/name[@revision]``; None: the usual ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """How one kind of model is loaded."""

    module: str
    """Has ``load(choice) -> Backend``."""
    needs: str
    """What to install."""


LOADERS: Mapping[str, Loader] = {
    "fracast": Loader(
        module="chronotick.backends.fracast",
        needs="pip install 'chronotick[fracast]'",
    ),
    "chronos": Loader(
        module="chronotick.backends.chronos_bolt",
        needs="pip install 'chronotick[chronos]'",
    ),
    "timesfm": Loader(
        module="chronotick.backends.timesfm",
        needs="pip install 'chronotick[timesfm]'",
    ),
    "ttm": Loader(
        module="chronotick.backends.ttm",
        needs="pip install granite-tsfm, in an environment of its own",
    ),
}
"""The names that `[models]` may give, and what each needs."""


def load(name: str, choice: Choice) -> Backend:
    """Load the model called `name`.

    Raises:
        BackendUnavailable: There is none of that name, its library is not installed,
            or the weights can't be had.
    """
    loader = LOADERS.get(name)
    if loader is None:
        raise BackendUnavailable(
            f"no backend {name!r}; there are: {', '.join(LOADERS)}"
        )
    try:
        backend: Backend = import_module(loader.module).load(choice)
    except ImportError as error:
        raise BackendUnavailable(f"{error}; it needs: {loader.needs}") from error
    except (OSError, ValueError, RuntimeError) as error:
        raise BackendUnavailable(f"weights of {name}: {error}") from error
    return backend
