"""Publish in a child with other clocks, then here, and let the child read on.

    handed_over.py SEGMENT KIND

The child has its reader from here, is moved half a second ahead, and publishes, so that
its reader attaches to what is of its own clocks. Half a second, because nothing but the
time namespace gives it away: two would make the daemon look silent, too. Prints what
the child then makes of the frames that this process publishes: see moved.py.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from chronotick.core.errors import ClockDisrupted
from chronotick.shm.writer import SegmentWriter
from system.shm.host_frames import frame_now
from system.shm.moved import move_children, reader

if TYPE_CHECKING:
    from collections.abc import Callable

_AHEAD_NS = 500_000_000
_TIMES = 3


def main() -> None:
    """Do as the module says."""
    path, kind = sys.argv[1:]
    with SegmentWriter(path) as writer:
        writer.publish(frame_now(bound_ns=1000))
        read = reader(kind, path)
        read()
    move_children(0, _AHEAD_NS)
    done, go_on = os.pipe(), os.pipe()
    if os.fork() == 0:
        _publish_and_read(path, read)
        os.write(done[1], b"x")
        os.read(go_on[0], 1)
        for _ in range(_TIMES):
            sys.stdout.write(f"{_said(read)}\n")
        sys.stdout.flush()
        os._exit(0)
    os.close(done[1])
    os.read(done[0], 1)
    with SegmentWriter(path) as writer:
        writer.publish(frame_now(bound_ns=1000))
        os.write(go_on[1], b"x")
        os.wait()
        read()


def _publish_and_read(path: str, read: Callable[[], object]) -> None:
    with SegmentWriter(path) as writer:
        writer.publish(frame_now(bound_ns=1000))
        for _ in range(_TIMES):
            read()


def _said(read: Callable[[], object]) -> str:
    try:
        return str(read())
    except ClockDisrupted as error:
        return f"refused {'time namespace' in str(error)}"


if __name__ == "__main__":
    main()
