"""The only door to shared memory: finds, maps and checks the segment's file.

Decides whether a file may be read as a segment. Who may write it is decided in
`chronotick.shm.ownership`; what the slots say is for the reader and the writer.

The file is a plain one on tmpfs, mapped ``PROT_READ`` by readers.
`multiprocessing.shared_memory` was refused: before Python 3.13 any reader that exits
deletes the daemon's segment, it opens read-write, and it costs a helper process.
"""

from __future__ import annotations

import mmap
import os
import stat
from typing import Final

from chronotick.core.errors import (
    NoDaemon,
    SegmentCorrupt,
    SegmentUnreadable,
    SegmentVersionMismatch,
)
from chronotick.shm.layout import (
    HEADER_AT,
    MAGIC,
    SEGMENT_SIZE,
    VERSION,
    State,
)

__all__ = [
    "SEGMENT_VARIABLE",
    "Mapping",
    "attach",
    "check",
    "is_foreign",
    "map_device",
    "scratch_directory",
    "segment_path",
]

SEGMENT_VARIABLE: Final = "CHRONOTICK_SEGMENT"
"""Environment variable that names the segment where no path is given."""

_DIRECTORY, _NAME = "/dev/shm", "chronotick_shm"  # noqa: S108 - the documented place
# Segments with locks and status, settings and logs: a page and more each.
_SCRATCH_SIZE = 256 * 1024
_MAGIC_WORD = HEADER_AT // 8
_MAGIC = slice(HEADER_AT, HEADER_AT + 8)
_MAGIC_BYTES = MAGIC.to_bytes(8, "little")
_LAYOUT_WORD = _MAGIC_WORD + 1
_STATE_AT = HEADER_AT + 44
# Not to block on a FIFO that lies at the path.
_COMMON = os.O_CLOEXEC | os.O_NONBLOCK | getattr(os, "O_NOCTTY", 0)


def segment_path(path: str | os.PathLike[str] | None = None) -> str:
    """Return `path`, else $CHRONOTICK_SEGMENT, else ``/dev/shm/chronotick_shm``.

    Where there is no ``/dev/shm`` (not Linux) the file lies in ``/tmp``: slower to
    create, the same to read. It is never $TMPDIR: daemon and readers must agree.
    """
    if path is not None:
        return os.fspath(path)
    named = os.environ.get(SEGMENT_VARIABLE)
    if named:
        return named
    directory = _DIRECTORY if os.path.isdir(_DIRECTORY) else "/tmp"  # noqa: S108
    return f"{directory}/{_NAME}"


def scratch_directory() -> str | None:
    """Return where to make a folder for a segment that only we read.

    In shared memory if it may be written and is not full, as that of a container soon
    is; else None, the usual temporary place.
    """
    if not os.access(_DIRECTORY, os.W_OK | os.X_OK):
        return None
    space = os.statvfs(_DIRECTORY)
    # No blocks at all: mounted without a limit.
    is_full = space.f_blocks and space.f_bavail * space.f_frsize < _SCRATCH_SIZE
    return None if is_full else _DIRECTORY


class Mapping:
    """One mapped segment file. Lives as long as somebody holds it or its views.

    There is no `close`: a thread may be reading through a view, so the memory is
    unmapped when the last reference goes, and not before.
    """

    __slots__ = ("_mmap", "_opened", "data", "path", "uid", "words")

    def __init__(self, path: str, fd: int, *, writable: bool = False) -> None:
        status = os.fstat(fd)
        prot = mmap.PROT_READ | mmap.PROT_WRITE if writable else mmap.PROT_READ
        self.path = path
        self.uid = status.st_uid
        """Owner of the file: who may publish here."""
        self._opened = (status.st_dev, status.st_ino)
        self._mmap = mmap.mmap(fd, SEGMENT_SIZE, flags=mmap.MAP_SHARED, prot=prot)
        self.data = memoryview(self._mmap)
        # An item of a "Q" view is loaded and stored by one aligned 8-byte move:
        # CPython copies the constant 8 bytes, which compilers turn into one `mov`. Into
        # two where there are 32 bits: `chronotick.shm.page` says why that does, too.
        self.words = self.data.cast("Q")

    @property
    def size(self) -> int:
        """The file's size now: less than it was if somebody truncated it."""
        return self._mmap.size()

    def is_current(self) -> bool:
        """Say whether the path still names this file."""
        try:
            status = os.stat(self.path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._opened


def attach(path: str) -> Mapping:
    """Map the segment at `path` for reading, after checking that it is one.

    A symbolic link is followed: whoever may put one there may put a file there.

    Raises:
        NoDaemon: there is no such file, or a daemon is just replacing it.
        SegmentUnreadable: the operating system refuses.
        SegmentCorrupt: not a regular file, too small, or no magic number.
        SegmentVersionMismatch: written in a layout that this code does not speak.
    """
    try:
        fd = os.open(path, os.O_RDONLY | _COMMON)
    except FileNotFoundError:
        raise NoDaemon(path) from None
    except OSError as exc:
        raise SegmentUnreadable(path, exc.strerror or str(exc)) from exc
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise SegmentCorrupt(path, "not a regular file", is_foreign=True)
        # Before mapping: touching a page past the end of a file is SIGBUS.
        if status.st_size < SEGMENT_SIZE:
            short = os.pread(fd, SEGMENT_SIZE, 0)
            raise SegmentCorrupt(
                path,
                _truncated(status.st_size),
                is_foreign=is_foreign(status.st_size, short),
            )
        mapping = Mapping(path, fd)
    except ValueError:  # Shrunk since: mmap compares with the size, too.
        raise SegmentCorrupt(path, _truncated(os.fstat(fd).st_size)) from None
    except OSError as exc:
        raise SegmentUnreadable(path, exc.strerror or str(exc)) from exc
    finally:
        os.close(fd)
    check(mapping)
    return mapping


def check(mapping: Mapping) -> None:
    """Look whether the header is that of a live segment of a layout we speak.

    Raises:
        SegmentCorrupt: no magic number, or an impossible size.
        SegmentVersionMismatch: a layout that this code does not speak.
        NoDaemon: retired: another file is about to take its path.
    """
    if mapping.words[_MAGIC_WORD] != MAGIC:
        foreign = is_foreign(mapping.size, mapping.data)
        raise SegmentCorrupt(mapping.path, "no magic number", is_foreign=foreign)
    layout = mapping.words[_LAYOUT_WORD]
    version, version_min, size = layout & 0xFFFF, layout >> 16 & 0xFFFF, layout >> 32
    if not version_min <= VERSION <= version:
        raise SegmentVersionMismatch(mapping.path, version, VERSION)
    if size != SEGMENT_SIZE:
        raise SegmentCorrupt(mapping.path, _truncated(size))
    if mapping.data[_STATE_AT] != State.LIVE:
        raise NoDaemon(mapping.path)


def is_foreign(size: int, start: bytes | memoryview) -> bool:
    """Say whether a file is somebody's data, and so refused by every daemon.

    Without the magic only what holds nothing is ours: a file that was never written, for
    want of time or space.

    Args:
        size: The file's.
        start: Its bytes, up to those of a segment.
    """
    if start[_MAGIC] == _MAGIC_BYTES:
        return False
    return size > SEGMENT_SIZE or any(start)


def _truncated(size: int) -> str:
    return f"{size} bytes where {SEGMENT_SIZE} are needed"


def map_device(path: str, size: int) -> memoryview | None:
    """Map a read-only device page as 8-byte words; None where there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | _COMMON)
    except OSError:
        return None
    try:
        page = mmap.mmap(fd, size, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
    except (OSError, ValueError):
        return None
    finally:
        os.close(fd)
    return memoryview(page).cast("Q")
