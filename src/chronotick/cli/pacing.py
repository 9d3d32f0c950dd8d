"""Do something again and again, at a pace, until a time is up.

Runs on the host's own oscillator, never on the time that is being shown.
"""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

from chronotick.core.units import NS_PER_S
from chronotick.daemon.clocks import HostClock

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ticks"]


def ticks(period_s: float, for_s: float | None = None) -> Iterator[float]:
    """Yield the seconds since the start: now, and then every `period_s`.

    Keeps its phase and drops the ticks that were missed. Ends after `for_s`, if given,
    with one last tick then. Ctrl-C interrupts the wait.
    """
    host, pause = HostClock(), Event()
    start_ns, due_s = host.raw_ns(), 0.0
    while True:
        elapsed_s = (host.raw_ns() - start_ns) / NS_PER_S
        last = for_s is not None and elapsed_s >= for_s
        if last or elapsed_s >= due_s:
            yield elapsed_s
            if last:
                return
            elapsed_s = (host.raw_ns() - start_ns) / NS_PER_S
            due_s = (elapsed_s // period_s + 1) * period_s
        until_s = due_s if for_s is None else min(due_s, for_s)
        pause.wait(max(until_s - elapsed_s, 0.0))
