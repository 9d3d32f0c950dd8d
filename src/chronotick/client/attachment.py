"""The segment that a clock reads from: attached at first use, followed to a new daemon's.

Decides when the path is looked at again, and that a correction which still holds is not
given up for a file that nobody can read. Reads no clock: it asks for a reading of the
host's after each look at the segment, and keeps nothing of whoever gives it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.client.view import prepare
from chronotick.core.errors import ClockError, SegmentCorrupt, SegmentError
from chronotick.core.status import Reason
from chronotick.shm.reader import SegmentReader
from chronotick.shm.segment import segment_path
from chronotick.shm.vmclock import DisruptionMarker

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from chronotick.client.view import HostReading, View

__all__ = ["Attachment"]


class Attachment:
    """One clock's hold on a segment. Thread-safe and fork-safe: it holds no lock.

    Args:
        given: The segment's path; None for the default.
    """

    def __init__(self, given: str | os.PathLike[str] | None) -> None:
        self._given = given
        self.marker_words: Sequence[int] | None = None
        """The page of vmclock; None where there is none, or before the first use."""
        self._is_closed = False
        self._reader: SegmentReader | None = None

    @property
    def path(self) -> str:
        """Path of the segment."""
        reader = self._reader
        return segment_path(self._given) if reader is None else reader.path

    def reader(self) -> SegmentReader:
        """Return the attached reader, attaching it at first.

        Raises:
            ValueError: it was closed.
            NoDaemon, ClockDisrupted, SegmentError: as `SegmentReader`.
        """
        if self._is_closed:
            raise ValueError("this Clock is closed")
        # Two threads may both attach: the second mapping is dropped, nothing else. A
        # lock here would stay locked in a child forked by another thread.
        reader = self._reader
        if reader is None:
            reader = SegmentReader(self._given)
            self.marker_words = DisruptionMarker().words
            self._reader = reader
        return reader

    def view(self, read_host: Callable[[], HostReading]) -> tuple[View, int]:
        """Look at everything: the path, the segment, the clocks.

        Args:
            read_host: Reads the host's clocks, after the segment.

        Returns:
            A view that holds, and the RAW instant for which it was found to.

        Raises:
            ClockError, SegmentError: there is none; see `prepare` and `SegmentReader`.
            ValueError: it was closed.
        """
        reader = self.reader()
        try:
            view, raw = self._prepare(reader, read_host)
        except (ClockError, SegmentCorrupt):
            # Perhaps a new daemon made a new file, and we hold its predecessor's.
            if not reader.refresh():
                raise
            view, raw = self._prepare(reader, read_host)
        if Reason.WRITER_SILENT in view.reasons and _has_successor(reader):
            view, raw = self._prepare(reader, read_host)
        return view, raw

    def close(self) -> None:
        """Detach for good."""
        self._is_closed = True
        self._reader = None

    def _prepare(
        self, reader: SegmentReader, read_host: Callable[[], HostReading]
    ) -> tuple[View, int]:
        # The order matters: what was published first, then the clocks.
        look, host = reader.look(), read_host()
        return prepare(reader.path, look, host, self.marker_words), host.raw_ns


def _has_successor(reader: SegmentReader) -> bool:
    """Say whether a new daemon's file lies at the path now.

    Whatever else lies there is no reason to refuse a correction that still holds.
    """
    try:
        return reader.refresh()
    except (ClockError, SegmentError):
        return False
