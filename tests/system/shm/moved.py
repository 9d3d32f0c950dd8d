"""Read a segment, fork a child into a time namespace with other clocks, read there.

    moved.py SEGMENT KIND SECONDS

Prints what the child makes of it: whether it is refused for that reason, or what it
read. It is asked as often as the parent, because a clock that is asked again looks less
far.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from chronotick.client.clock import Clock, PythonClock
from chronotick.client.monotonic import MonotonicClock
from chronotick.client.record import ChronoTickClient
from chronotick.core.errors import ClockDisrupted
from chronotick.shm.reader import SegmentReader

if TYPE_CHECKING:
    from collections.abc import Callable

_NEW_TIME = 0x80
_TIMES = 3


def _native(path: str) -> Callable[[], object]:
    return Clock(path).now_ns


def _pure(path: str) -> Callable[[], object]:
    return PythonClock(path).interval


def _monotonic(path: str) -> Callable[[], object]:
    return MonotonicClock(Clock(path)).now_ns


def _record(path: str) -> Callable[[], object]:
    return ChronoTickClient(path).get_time


def _segment(path: str) -> Callable[[], object]:
    return SegmentReader(path).read


def reader(kind: str, path: str) -> Callable[[], object]:
    """Return what reads the segment: native, pure, monotonic, record or segment."""
    read: Callable[[], object] = globals()[f"_{kind}"](path)
    return read


def move_children(seconds: int, rest_ns: int = 0) -> None:
    """Have children, and not this process, count RAW so much further."""
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_TIME):
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/timens_offsets").write_text(
        f"monotonic {seconds} {rest_ns}\nboottime {seconds} {rest_ns}\n"
    )


def main() -> None:
    """Do as the module says."""
    path, kind, seconds = sys.argv[1:]
    read = reader(kind, path)
    for _ in range(_TIMES):
        read()
    move_children(int(seconds))
    before = time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
    if os.fork() == 0:
        moved = time.clock_gettime(time.CLOCK_MONOTONIC_RAW) - before
        assert (moved > 1) == (int(seconds) > 0), moved
        for _ in range(_TIMES):
            try:
                said = str(read())
            except ClockDisrupted as error:
                said = f"refused {'time namespace' in str(error)}"
            sys.stdout.write(f"{said}\n")
        sys.stdout.flush()
        os._exit(0)
    os.wait()
    read()


if __name__ == "__main__":
    main()
