"""How long a call takes here: every one timed, with percentiles.

Decides nothing about clocks. What the timing itself costs (some 50 ns) stays in: taken
off, a call as short as that would come out as nothing.
"""

from __future__ import annotations

from timeit import default_timer
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["PERCENTILES", "Latency", "measure", "summarize"]

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
_WARM_UP = 200


class Latency(NamedTuple):
    """Latency of one call in nanoseconds."""

    percentiles_ns: dict[float, float]
    mean_ns: float
    max_ns: float
    calls: int

    @property
    def median_ns(self) -> float:
        """The 50th percentile."""
        return self.percentiles_ns[50.0]


def measure(
    call: Callable[[], object],
    iterations: int,
    on_progress: Callable[[int], object] = lambda _: None,
) -> Latency:
    """Time `iterations` calls one by one.

    Args:
        call: What to time.
        iterations: How often, 1 or more.
        on_progress: Told how many calls were made since it was told last.
    """
    _time_each(call, min(iterations, _WARM_UP))
    chunk = max(iterations // 100, 1)
    times_s: list[float] = []
    while len(times_s) < iterations:
        count = min(chunk, iterations - len(times_s))
        times_s += _time_each(call, count)
        on_progress(count)
    return summarize(times_s)


def summarize(times_s: Sequence[float]) -> Latency:
    """Return the percentiles of `times_s`, nearest rank, in nanoseconds."""
    ordered = sorted(times_s)
    count = len(ordered)
    ranks = {p: min(int(count * p / 100.0), count - 1) for p in PERCENTILES}
    return Latency(
        percentiles_ns={p: ordered[rank] * 1e9 for p, rank in ranks.items()},
        mean_ns=sum(ordered) / count * 1e9,
        max_ns=ordered[-1] * 1e9,
        calls=count,
    )


def _time_each(call: Callable[[], object], count: int) -> list[float]:
    times_s = []
    for _ in range(count):
        start = default_timer()
        call()
        times_s.append(default_timer() - start)
    return times_s
