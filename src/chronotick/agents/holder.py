"""The process that has a segment where nothing is published any more.

Decides whether a silent daemon is gone, stopped or hung: another can be started only
where it is gone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from chronotick.core.commands import at_segment
from chronotick.core.errors import SegmentLocked
from chronotick.shm.claim import refuse_claimed

__all__ = ["Holder", "holder_of"]

_STOPPED = "Tt"
"""By a signal, by a debugger; proc(5)."""


class Holder(NamedTuple):
    """A process that keeps other daemons from publishing."""

    what: str
    """One clause."""
    mend: str
    """The command to run on this host."""


def holder_of(path: str) -> Holder | None:
    """Return who has the silent segment at `path`; None where a daemon may start."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        refuse_claimed(path, fd)
    except SegmentLocked as error:
        return _told(path, error.pid)
    finally:
        os.close(fd)
    return None


def _told(path: str, pid: int | None) -> Holder:
    # No more than a look: what hangs may be an application that embeds a daemon, and
    # how that is restarted is not known here.
    look = at_segment("chronotick status", path)
    state = "" if pid is None else _state_of(pid)
    if not state:
        # The pid is of the daemon's own namespace: a container's, perhaps.
        return Holder("a process unseen from here has the segment: restart it", look)
    if state in _STOPPED:
        return Holder(f"process {pid} is stopped", f"kill -CONT {pid}")
    return Holder(f"process {pid} hangs: restart it", look)


def _state_of(pid: int) -> str:
    """Return the letter of proc(5), or nothing."""
    try:
        told = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    # The name before it is in parentheses and may hold anything.
    return told.rpartition(b")")[2].split()[0].decode()
