"""Bounded time for any process: what a daemon on this host publishes, read cheaply.

>>> import chronotick
>>> now = chronotick.interval()  # doctest: +SKIP
>>> now.earliest_ns, now.latest_ns, now.status  # doctest: +SKIP

UTC lies between the ends; how wide that is depends on the servers and the network. The
functions here read the default segment ($CHRONOTICK_SEGMENT, else
``/dev/shm/chronotick_shm``); `Clock` reads any other. All raise `ClockError` or
`SegmentError` where no trustworthy time can be given: see `chronotick.core.errors`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

# Before the imports below, which fail elsewhere for want of a clock.
if sys.platform != "linux":
    raise ImportError(
        "chronotick needs Linux (its CLOCK_MONOTONIC_RAW and CLOCK_BOOTTIME); on "
        f"{sys.platform} run it in a container or a virtual machine"
    )

from chronotick.client.clock import Clock
from chronotick.core.errors import (
    ChronotickError,
    ClockError,
    NoDaemon,
    NotSynchronized,
    SegmentError,
    StaleCorrection,
)
from chronotick.core.reading import Interval
from chronotick.core.status import Reason, Source, Status
from chronotick.shm.native import HOT

if TYPE_CHECKING:
    from chronotick.client.record import ChronoTickClient, ChronoTickData

    __version__: str

__all__ = [
    "now",
    "now_ns",
    "interval",
    "before",
    "after",
    "wait_until_after",
    "Clock",
    "Interval",
    "Status",
    "Reason",
    "Source",
    "ChronoTickClient",
    "ChronoTickData",
    "ChronotickError",
    "ClockError",
    "NoDaemon",
    "NotSynchronized",
    "StaleCorrection",
    "SegmentError",
    "NATIVE",
]

NATIVE = HOT is not None
"""Whether the C module reads the time; `chronotick doctor` says why if not."""

# One clock for all of the process. It attaches at its first reading, so importing this
# package touches no file. The functions are its bound methods: a wrapper would cost as
# much as reading the system clock does.
_clock = Clock()
now = _clock.now
now_ns = _clock.now_ns
interval = _clock.interval
before = _clock.before
after = _clock.after
wait_until_after = _clock.wait_until_after

_LAZY = {"ChronoTickClient", "ChronoTickData"}


def __getattr__(name: str) -> object:
    """Load what most programs never ask for, and what is slow to find out."""
    if name in _LAZY:
        from chronotick.client import record  # noqa: PLC0415

        value: object = getattr(record, name)
    elif name == "__version__":
        from chronotick.core.version import installed_version  # noqa: PLC0415

        value = installed_version()
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
