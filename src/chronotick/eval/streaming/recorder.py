"""Write rows of events as they are finished: CSV, one file a node.

Decides the bytes of a recording. A row is in the file as soon as it is written, so a
node that is killed loses only what was still open.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Self

from chronotick.core.errors import ChronotickError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from chronotick.eval.streaming.columns import Column

__all__ = ["Recorder", "UnwritableRecording"]


class UnwritableRecording(ChronotickError):
    """The file cannot be written; found out before any event, unless a disk fills up."""


class Recorder:
    """An open recording; a context manager.

    Args:
        path: The file; its folder is made. An older file is replaced.
        columns: Its columns.

    Raises:
        UnwritableRecording: the operating system refuses.
    """

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Whoever judges the folder would read it in place of the new file.
            path.with_suffix(".parquet").unlink(missing_ok=True)
            self._file = path.open("w", newline="", encoding="utf-8", buffering=1)
        except OSError as error:
            raise _unwritable(path, error) from error
        self._path = path
        self._writer = csv.DictWriter(
            self._file,
            [column.name for column in columns],
            restval="",
            lineterminator="\n",
        )
        try:
            self._writer.writeheader()
        except OSError as error:
            self._close()
            raise _unwritable(path, error) from error
        self.rows = 0
        """Rows written so far."""

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

    def _close(self) -> None:
        try:
            self._file.close()
        except OSError:
            # What is left over is a row that could not be written, which was told.
            return


def _unwritable(path: Path, error: OSError) -> UnwritableRecording:
    return UnwritableRecording(f"cannot write {path}: {error.strerror or error}")
