"""How fast the machine is, and which figures were taken while it was undisturbed.

``python benchmarks/pace.py``

Cores are shared with others: the same instructions take twice as long in one minute as in
the next, in CPU time, too. So a benchmark that judges a cost notes beside each figure what
a ``time.time()`` cost just then, and judges the quarter of its figures for which that was
cheapest. No figure is chosen by itself. Run alone, it shows by how much the machine varies.
"""

from __future__ import annotations

import time
import timeit
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Paced", "pace_ns", "undisturbed"]

CALLS, TIMES = 1_000, 20_000
TIMER = timeit.Timer("t()", timer=time.thread_time, globals={"t": time.time})


class Paced(NamedTuple):
    """A figure and what a `time.time()` cost when it was taken, in ns."""

    pace_ns: float
    value: float


def pace_ns() -> float:
    """Return what a `time.time()` costs this thread now, in CPU ns."""
    return TIMER.timeit(CALLS) / CALLS * 1e9


def undisturbed(found: Sequence[Paced]) -> list[Paced]:
    """Return the quarter of `found` in which the machine was fastest, in order."""
    fastest = np.argsort([each.pace_ns for each in found], kind="stable")
    return [found[k] for k in sorted(fastest[: max(len(found) // 4, 1)])]


def main() -> None:
    """Show how fast the machine is."""
    found = [pace_ns() for _ in range(TIMES)]
    least, quarter, median, most = np.quantile(found, [0, 0.25, 0.5, 0.99])
    print(
        f"time.time(): {median:.0f} ns (least {least:.0f}, a quarter at most "
        f"{quarter:.0f}, 99 % at most {most:.0f})"
    )


if __name__ == "__main__":
    main()
