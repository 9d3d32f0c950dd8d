"""Write rows of events as they are finished: CSV, one file a node.

Decides the bytes of a recording, and whose the file is. A row is in the file as soon as it
is written, so a node that is killed loses only what was still open. The file is locked
while it is recorded, and what was recorded earlier is not written over, unless that was
asked for.
"""

from __future__ import annotations

import csv
import errno
import fcntl
import io
import os
import stat
from typing import TYPE_CHECKING, Self, TextIO

from chronotick.core.errors import ChronotickError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from chronotick.eval.streaming.columns import Column

__all__ = ["Recorder", "UnwritableRecording"]

# A file system that has no locks, a network's for instance, says one of these.
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


class UnwritableRecording(ChronotickError):
    """The file cannot be written; found out before any event, unless a disk fills up."""


class Recorder:
    """An open recording; a context manager.

    A new file has its header at once. An older recording that may be replaced stays as
    it is until `replace_old`.

    Args:
        path: The file; its folder is made.
        columns: Its columns.
        is_replacing: An older recording may be replaced. False: it is refused.

    Raises:
        UnwritableRecording: it holds a recording, another process is recording to it, or
            the operating system refuses.
    """

    def __init__(
        self, path: Path, columns: Sequence[Column], *, is_replacing: bool = False
    ) -> None:
        self._path = path
        self._names = [column.name for column in columns]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _claimed(path)
        except OSError as error:
            raise _unwritable(path, error) from error
        self._writer = csv.DictWriter(
            self._file, self._names, restval="", lineterminator="\n"
        )
        self.rows = 0
        """Rows written so far."""
        try:
            self._start(is_replacing=is_replacing)
        except BaseException:
            self._close()
            raise

    def replace_old(self) -> None:
        """Let go of an older recording; to be called when nothing but a disk can fail.

        Raises:
            UnwritableRecording: the operating system refuses.
        """
        if self._old() is not None:
            self._begin()

    def write(self, row: Mapping[str, object]) -> None:
        """Append `row`; what it does not name, or is None, is empty.

        Raises:
            ValueError: it names a column that there is not: a bug of ours.
            UnwritableRecording: the disk is full, or gone.
        """
        try:
            self._writer.writerow(row)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        self.rows += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _start(self, *, is_replacing: bool) -> None:
        old = self._old()
        if old is None:
            self._begin()
        elif not is_replacing:
            raise UnwritableRecording(
                f"{old} holds a recording already: move it away, or record to another "
                "file with --output"
            )

    def _old(self) -> Path | None:
        """Return the file that holds an older recording; None if there is none."""
        header = self._header()
        try:
            # One that never got beyond its header holds no event.
            if self._is_regular() and not header.startswith(
                os.pread(self._file.fileno(), len(header) + 1, 0)
            ):
                return self._path
            return next((path for path in self._twins() if path.exists()), None)
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def _header(self) -> bytes:
        # The names of nodes are among those of columns, and may need quotes.
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(self._names)
        return text.getvalue().encode()

    def _twins(self) -> list[Path]:
        """Return what whoever judges the folder would read in place of this file."""
        parquet = self._path.with_suffix(".parquet")
        return [parquet] if parquet != self._path else []

    def _is_regular(self) -> bool:
        return stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)

    def _begin(self) -> None:
        """Empty the file and write the header."""
        try:
            for path in self._twins():
                path.unlink(missing_ok=True)
            if self._is_regular():
                self._file.truncate(0)
            self._writer.writeheader()
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def _close(self) -> None:
        try:
            self._file.close()
        except OSError:
            # What is left over is a row that could not be written, which was told.
            return


def _claimed(path: Path) -> TextIO:
    """Open a file for us alone, with what is in it.

    Raises:
        UnwritableRecording: another process is recording to it.
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if isinstance(error, BlockingIOError):
            os.close(descriptor)
            raise UnwritableRecording(
                f"another process is recording to {path}: end it, or record to another "
                "file with --output"
            ) from error
        if error.errno not in _NO_LOCKS:
            os.close(descriptor)
            raise
        # Without locks there is still the refusal to write over events.
    return os.fdopen(descriptor, "w", newline="", encoding="utf-8", buffering=1)


def _unwritable(path: Path, error: OSError) -> UnwritableRecording:
    return UnwritableRecording(f"cannot write {path}: {error.strerror or error}")
