"""Many processes that read one segment at the same time.

Decides that all of them are ready before any begins. Each times `now_ns()` and
`time.time()` in turns, so that its ratio is of one process under one load.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import click

from chronotick.cli.companion import companion, hear
from chronotick.cli.progress import progress
from chronotick.cli.readings import SYSTEM, Reading, batches_ns, ratio
from chronotick.client.clock import Clock
from chronotick.core.errors import ChronotickError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["Reader", "read_at_once"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What one process of many found: medians of its batches, in ns a call."""

    now_ns_ns: float
    """Cost of `now_ns()`."""
    time_time_ns: float
    """Cost of `time.time()`."""

    ratio: float
    """Of the two: the median of the turns."""


def read_at_once(path: str, readers: int, iterations: int) -> list[Reader]:
    """Read the segment in `readers` processes, `iterations` times in each.

    Raises:
        click.ClickException: one of them could not read.
    """
    with ExitStack() as stack:
        lines = [
            stack.enter_context(companion(_read, path, iterations))
            for _ in range(readers)
        ]
        # It ends before they read, which it would disturb.
        with progress("starting readers") as tell:
            for ready, line in enumerate(lines, 1):
                _told(line)
                tell(ready, readers)
        for line in lines:
            line.send("go")
        found = [_told(line) for line in lines]
        return [reader for reader in found if reader is not None]


def _told(line: Connection) -> Reader | None:
    """Return what a process found; None when it says that it is ready."""
    told: Reader | str | None = hear(line)
    if isinstance(told, str):
        raise click.ClickException(f"a reader of many failed: {told}")
    return told


def _read(line: Connection, path: str, iterations: int) -> None:
    try:
        with Clock(path) as clock:
            clock.now_ns()
            line.send(None)
            line.recv()
            kinds = (Reading("now_ns()", clock.now_ns), SYSTEM)
            quick, system = batches_ns(kinds, iterations)
        line.send(
            Reader(
                now_ns_ns=median(quick),
                time_time_ns=median(system),
                ratio=ratio(quick, system),
            )
        )
    except ChronotickError as error:
        line.send(str(error))
    except (EOFError, BrokenPipeError):
        pass  # Nobody is there to hear it.
