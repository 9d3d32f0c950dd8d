"""How one process keeps others from writing a segment: two locks, by the kernel.

Decides how they are taken and what tells that another has them. What is done with the
segment's file then is `chronotick.shm.ownership`'s business.

**Why two.** The lock beside the file is the one to go by: it is there before the file
is, and only its owner can open it. But whoever cleans up may remove it alone, and a
second daemon would make another. So the segment's own file is locked, too. Readers may
open that one, and so lock it for reading: this keeps no daemon out. Then the second lock
is not to be had, and the first must do.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from contextlib import ExitStack
from typing import NamedTuple

from chronotick.core.errors import SegmentLocked, SegmentUnwritable
from chronotick.shm.layout import HEADER, HEADER_AT

__all__ = [
    "claim",
    "is_named",
    "lock_beside",
    "open_own",
    "refuse_claimed",
]

_LOCK_MODE = 0o600
_COMMON = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
_FLOCK = struct.Struct("hhqqi0q")
_PID_AT = HEADER_AT + next(f.offset for f in HEADER if f.name == "writer_pid")


class _Whole(NamedTuple):
    """`struct flock` for all of a file; see fcntl(2)."""

    type: int
    whence: int = os.SEEK_SET
    start: int = 0
    length: int = 0
    pid: int = 0


def lock_beside(path: str) -> int:
    """Lock the file beside the segment at `path`; return its descriptor.

    Raises:
        SegmentLocked: another process holds it; the error names its pid.
        SegmentUnwritable: what lies there is not ours.
        OSError: the operating system refuses.
    """
    name = path + ".lock"
    while True:
        # Only the owner may open it: who can open a file can lock it.
        fd = open_own(path, name, os.O_RDWR | os.O_CREAT, _LOCK_MODE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_named(name, fd):
                os.ftruncate(fd, 0)
                os.pwrite(fd, b"%d\n" % os.getpid(), 0)
                return fd
        except BlockingIOError:
            written = os.pread(fd, 32, 0).strip()
            os.close(fd)
            pid = int(written) if written.isdigit() else None
            raise SegmentLocked(path, pid) from None
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # Removed while we waited: what we locked is nobody's lock.


def claim(path: str, name: str, fd: int) -> int:
    """Lock the segment's own file, too; return a descriptor that holds it until closed.

    Of an open file (OFD), not of the process: one more reader of ours that closes the
    file would else give the lock away. And not of the open file that is mapped: a forked
    child that closes all it has would keep it.

    Args:
        path: The segment's.
        name: What its file is called now.
        fd: The file, open.

    Raises:
        SegmentLocked: another process writes it, or has put another file there.
        SegmentUnwritable: what lies there is not ours.
        OSError: the operating system refuses.
    """
    own_fd = open_own(path, name, os.O_RDWR)
    with ExitStack() as undone:
        undone.callback(os.close, own_fd)
        if not os.path.samestat(os.fstat(own_fd), os.fstat(fd)):
            raise SegmentLocked(path, None)
        try:
            fcntl.fcntl(own_fd, fcntl.F_OFD_SETLK, _FLOCK.pack(*_Whole(fcntl.F_WRLCK)))
        except OSError:
            # A reader's lock, or a file system without: no reason to refuse.
            refuse_claimed(path, own_fd)
        undone.pop_all()
    return own_fd


def refuse_claimed(path: str, fd: int) -> None:
    """See that nobody writes the segment that is open as `fd`.

    Raises:
        SegmentLocked: somebody does; the error names the pid that the segment does.
    """
    try:
        asked = _FLOCK.pack(*_Whole(fcntl.F_WRLCK))
        found = _Whole(*_FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked)))
    except OSError:
        return
    if found.type == fcntl.F_WRLCK:
        pid = int.from_bytes(os.pread(fd, 4, _PID_AT), "little")
        raise SegmentLocked(path, pid or None)


def is_named(name: str, fd: int) -> bool:
    """Say whether `name` still names the open file."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(name))
    except FileNotFoundError:
        return False


def open_own(path: str, name: str, flags: int, mode: int = 0) -> int:
    """Open our own regular file `name`, following nothing.

    Raises:
        SegmentUnwritable: it is something else, or another's.
        OSError: the operating system refuses.
    """
    try:
        fd = os.open(name, flags | _COMMON, mode)
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            raise SegmentUnwritable(path, f"{name} is a symbolic link") from None
        raise
    status = os.fstat(fd)
    what = None
    if not stat.S_ISREG(status.st_mode):
        what = "is not a regular file"
    elif status.st_uid != os.geteuid():
        what = f"belongs to uid {status.st_uid}, not to uid {os.geteuid()}"
    elif status.st_nlink > 1:
        what = "has another name too (hard link)"
    if what is not None:
        os.close(fd)
        raise SegmentUnwritable(path, f"{name} {what}")
    return fd
