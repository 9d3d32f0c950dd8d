"""Who may write a segment: one process, and in which file.

Decides whether a file is used as it is or replaced, and refuses what others may have
planted at our names. How others are kept out is `chronotick.shm.claim`'s business, what
is written the writer's.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.errors import (
    NoDaemon,
    SegmentCorrupt,
    SegmentUnwritable,
    SegmentVersionMismatch,
)
from chronotick.shm.claim import (
    claim,
    is_named,
    lock_beside,
    open_own,
    refuse_claimed,
)
from chronotick.shm.layout import HEADER, HEADER_AT, SEGMENT_SIZE, VERSION, State
from chronotick.shm.segment import Mapping, check, is_foreign

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["OwnedSegment", "acquire"]

_OFFSETS = {field.name: HEADER_AT + field.offset for field in HEADER}
_MODE = 0o644


class _Claimed(NamedTuple):
    """A mapped file, and the descriptor that has it locked."""

    mapping: Mapping
    fd: int


class OwnedSegment:
    """A segment that this process alone may write, until `release`.

    The locks go with the process, however that ends, but a forked child holds them too.
    A process that publishes must not fork children that outlive it.
    """

    def __init__(self, file: _Claimed, lock_fd: int, *, reused: bool) -> None:
        self.mapping = file.mapping
        self.reused = reused
        """Whether the file was there before and readers may be attached to it."""
        self._claimed_fd = file.fd
        self._lock_fd = lock_fd

    def is_in_place(self) -> bool:
        """Say whether segment and lock still lie where they were put."""
        path = self.mapping.path
        return self.mapping.is_current() and is_named(path + ".lock", self._lock_fd)

    def put_back(self) -> None:
        """Own the path again after somebody has cleaned up there.

        What the removed file says is put into a new one, and its readers are told to
        open the path again.

        Raises:
            SegmentLocked: another process has taken it meanwhile.
            SegmentUnwritable: as `acquire`.
        """
        lost = self.mapping
        try:
            if not lost.is_current():
                _refuse_others(lost.path)
            if not is_named(lost.path + ".lock", self._lock_fd):
                lock_fd = lock_beside(lost.path)
                os.close(self._lock_fd)
                self._lock_fd = lock_fd
            if not lost.is_current():
                file = _replace(lost.path, bytes(lost.data))
                os.close(self._claimed_fd)
                self.mapping, self._claimed_fd = file
                lost.data[_OFFSETS["state"]] = State.RETIRED
        except OSError as exc:
            raise SegmentUnwritable(lost.path, exc.strerror or str(exc)) from exc

    def release(self) -> None:
        """Let another daemon write. Removes nothing: readers go on. Idempotent."""
        fd, self._lock_fd = self._lock_fd, -1
        if fd >= 0:
            os.close(self._claimed_fd)
            with contextlib.suppress(OSError):
                os.ftruncate(fd, 0)
            os.close(fd)


def acquire(path: str, image: bytes) -> OwnedSegment:
    """Lock and map the segment at `path` for writing.

    A file that is a segment of this layout is used as it is: never truncated, since
    that would kill readers with SIGBUS, and never unlinked. Any other segment there,
    whatever its layout or damage, is marked retired and replaced, atomically, by a new
    file that holds `image`. Any other file is somebody's data, and is refused.

    In a world-writable directory others can plant files and links under our names.
    Nothing here follows a link, and a file of another owner, or one that also has
    another name, is refused: mended by removing it, never by writing to it.

    Raises:
        SegmentLocked: another process holds it; the error names its pid.
        SegmentUnwritable: the operating system refuses, or see above.
    """
    try:
        _refuse_others(path)
        lock_fd = lock_beside(path)
        try:
            owned = _map_or_create(path, image, lock_fd)
        except BaseException:
            os.close(lock_fd)
            raise
    except OSError as exc:
        raise SegmentUnwritable(path, exc.strerror or str(exc)) from exc
    return owned


def _refuse_others(path: str) -> None:
    """Refuse what is not ours to write, before anything is locked beside it.

    A lock would be left beside somebody's device, folder or data; and a daemon that
    publishes there, whose lock was removed, could not put its own back.
    """
    with contextlib.suppress(FileNotFoundError), _opened(path) as fd:
        _is_segment(path, fd)
        refuse_claimed(path, fd)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    """Open what lies at the segment's path for the time of a block, if it is ours."""
    fd = open_own(path, path, os.O_RDWR)
    try:
        yield fd
    finally:
        os.close(fd)


def _map_or_create(path: str, image: bytes, lock_fd: int) -> OwnedSegment:
    with contextlib.suppress(FileNotFoundError), _opened(path) as fd:
        mapping = _map_reusable(path, fd)
        if mapping is not None:
            file = _Claimed(mapping, claim(path, path, fd))
            return OwnedSegment(file, lock_fd, reused=True)
    return OwnedSegment(_replace(path, image), lock_fd, reused=False)


def _replace(path: str, image: bytes) -> _Claimed:
    """Put a new file that holds `image` at `path`, and retire the segment there."""
    with contextlib.suppress(FileNotFoundError), _opened(path) as fd:
        refuse_claimed(path, fd)
        _retire(path, fd)
    return _create(path, image)


def _map_reusable(path: str, fd: int) -> Mapping | None:
    if os.fstat(fd).st_size != SEGMENT_SIZE:
        return None
    _reserve(fd)
    mapping = Mapping(path, fd, writable=True)
    try:
        check(mapping)
    except (SegmentCorrupt, SegmentVersionMismatch, NoDaemon):
        return None
    version_at = _OFFSETS["version"]
    if mapping.data[version_at : version_at + 2] != VERSION.to_bytes(2, "little"):
        return None
    os.fchmod(fd, _MODE)
    return mapping


def _retire(path: str, fd: int) -> None:
    """Tell readers of the old file to open the path again.

    Magic and state lie at the same place in every layout.
    """
    if _is_segment(path, fd):
        os.pwrite(fd, State.RETIRED.to_bytes(4, "little"), _OFFSETS["state"])


def _is_segment(path: str, fd: int) -> bool:
    """Say whether the file was a segment, of whatever layout, rather than nothing yet.

    Anything else is refused.
    """
    size, start = os.fstat(fd).st_size, os.pread(fd, SEGMENT_SIZE, 0)
    if is_foreign(size, start):
        raise SegmentUnwritable(
            path,
            f"{path} is some other file of {size} bytes",
            "move it away, or choose another path",
        )
    return any(start)


def _create(path: str, image: bytes) -> _Claimed:
    """Put a complete new file at `path` by rename: no reader ever sees half of one."""
    name = f"{path}.{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name)  # Of a process with our pid that was killed right here.
    fd = open_own(path, name, os.O_RDWR | os.O_CREAT | os.O_EXCL, _MODE)
    try:
        os.fchmod(fd, _MODE)  # The umask must not shut readers out.
        _reserve(fd)
        os.pwrite(fd, image, 0)
        mapping = Mapping(path, fd, writable=True)
        claimed_fd = claim(path, name, fd)
        try:
            os.rename(name, path)
        except BaseException:
            os.close(claimed_fd)
            raise
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    finally:
        os.close(fd)
    return _Claimed(mapping, claimed_fd)


def _reserve(fd: int) -> None:
    """Have the page allocated now: a store into a hole of a full tmpfs is SIGBUS."""
    try:
        os.posix_fallocate(fd, 0, SEGMENT_SIZE)
    except OSError as exc:
        # Not every file system can; then the full write that follows must do.
        if exc.errno not in {errno.EOPNOTSUPP, errno.EINVAL}:
            raise
