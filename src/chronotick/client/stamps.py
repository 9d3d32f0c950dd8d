"""What stamps are taken and given as; of a module that every reader can afford.

`chronotick.client.past`, which reckons with them, is loaded when it is first needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Stamps: TypeAlias = NDArray[np.int64]
else:
    # Whoever asks for the annotations at run time need not have numpy.
    Stamps = Any

__all__ = ["Corrected", "StampClock", "Stamps"]

StampClock: TypeAlias = Literal["realtime", "raw"]
"""Which clock a stamp was read from: CLOCK_REALTIME or CLOCK_MONOTONIC_RAW."""


class Corrected(NamedTuple):
    """An array of stamps as UTC, each within ± its hard half width."""

    utc_ns: Stamps
    half_width_ns: Stamps
