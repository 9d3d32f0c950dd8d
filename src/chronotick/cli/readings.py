"""What the kinds of reading cost: loops taken in turns, single calls, cold calls.

Decides how they are timed, and nothing about the clocks. A timer around one call costs
as much as the call, so what a reading costs, and every ratio, comes from uninterrupted
loops. The loops of all kinds take turns, so that a change of the CPU's speed meets all
of them. Single calls show the spread; their times include the timer's own cost.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from statistics import median
from timeit import Timer, default_timer
from typing import TYPE_CHECKING

from chronotick.client.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chronotick.client.clock import PythonClock

__all__ = [
    "BATCH",
    "COLD_BYTES",
    "SYSTEM",
    "Reading",
    "attach_ns",
    "batches_ns",
    "both_ends",
    "cold_ns",
    "pinned",
    "ratio",
    "single_calls_s",
]

BATCH = 500
"""Calls in one uninterrupted loop."""
COLD_BYTES = 8 << 20
"""Memory that is read before each cold call."""

_COLD_CALLS = 51
_ATTACHES = 101
_STRIDE = 64  # a cache line
_CHUNKS = 25


class Reading:
    """One kind of reading.

    Args:
        name: What people see.
        call: What is called; None for `time.time`.
        statement: What is timed, with `call` as a local name. Source text, because a
            lambda around it would cost as much as a reading does.
    """

    def __init__(
        self,
        name: str,
        call: Callable[[], object] | None = None,
        statement: str = "call()",
    ) -> None:
        self.name = name
        self._times_s: list[float] = []
        names = {"given": call, "append": self._times_s.append, "clock": default_timer}
        # timeit fetches the yardstick, so that no clock is imported here.
        setup = "from time import time as call" if call is None else "call = given"
        self._loop = Timer(statement, setup, globals=names)
        self._each = Timer(
            f"start = timer(); {statement}; keep(timer() - start)",
            f"{setup}; timer = clock; keep = append",
            globals=names,
        )

    def batch_ns(self, count: int = BATCH) -> float:
        """Return ns a call, of one loop of `count` calls."""
        return self._loop.timeit(count) / count * 1e9

    def each_s(self, count: int) -> list[float]:
        """Return the seconds that each of `count` calls took, timing included."""
        self._times_s.clear()
        self._each.timeit(count)
        return list(self._times_s)


SYSTEM = Reading("time.time()")
"""The yardstick."""


def both_ends(name: str, clock: PythonClock) -> Reading:
    """Return the reading of an interval of which both ends are looked at."""
    statement = "now = call(); now.earliest_ns; now.latest_ns"
    return Reading(name, clock.interval, statement)


def batches_ns(
    readings: Sequence[Reading],
    iterations: int,
    on_progress: Callable[[int], object] = lambda _: None,
) -> list[list[float]]:
    """Time loops of all `readings` in turns.

    Args:
        readings: What to time.
        iterations: How many calls of each, rounded up to whole batches.
        on_progress: Told how many calls were made since it was told last.

    Returns:
        For each reading, ns a call of each of its batches.
    """
    count = min(iterations, BATCH)
    found: list[list[float]] = [[] for _ in readings]
    for reading in readings:
        reading.batch_ns(count)
    for _ in range(-(-iterations // count)):
        for reading, batches in zip(readings, found, strict=True):
            batches.append(reading.batch_ns(count))
        on_progress(count * len(readings))
    return found


def ratio(batches: Sequence[float], yardstick: Sequence[float]) -> float:
    """Return the median ratio of loops that took turns.

    Each is compared with its neighbor in time, which ran at the same speed of the CPU.
    """
    pairs = zip(batches, yardstick, strict=True)
    return median(cost / unit for cost, unit in pairs)


def single_calls_s(
    reading: Reading,
    iterations: int,
    on_progress: Callable[[int], object] = lambda _: None,
) -> list[float]:
    """Return the seconds that each of `iterations` calls took, timing included."""
    chunk = max(iterations // _CHUNKS, 1)
    reading.each_s(min(chunk, BATCH))
    times_s: list[float] = []
    while len(times_s) < iterations:
        count = min(chunk, iterations - len(times_s))
        times_s += reading.each_s(count)
        on_progress(count)
    return times_s


def cold_ns(reading: Reading) -> float:
    """Return the median of calls after `COLD_BYTES` of other memory were read."""
    memory = bytearray(COLD_BYTES)
    times_s = []
    for _ in range(_COLD_CALLS):
        sum(memory[::_STRIDE])
        times_s += reading.each_s(1)
    return median(times_s) * 1e9


def attach_ns(path: str) -> float:
    """Return the median of attaching to the segment, reading it once and detaching."""

    def attach() -> None:
        with Clock(path) as clock:
            clock.now()

    return median(Reading("attach", attach).each_s(_ATTACHES)) * 1e9


@contextmanager
def pinned() -> Iterator[int | None]:
    """Keep this thread on one core; the value is its number, None where refused."""
    cores = os.sched_getaffinity(0)
    core = max(cores)
    try:
        os.sched_setaffinity(0, {core})
    except OSError:  # A sandbox may refuse; the caller says so.
        yield None
        return
    try:
        yield core
    finally:
        os.sched_setaffinity(0, cores)
