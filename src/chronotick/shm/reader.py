"""The reference reader: copies out of the segment what was published, and nothing else.

Decides that a copy is whole (the protocol) and that its values are possible. Whether a
correction still applies takes clocks, and is decided in `chronotick.client`.

**Protocol.** Load the sequence; copy slot ``sequence & 1``; load the sequence again. If
it is the same, the writer has not begun to touch that slot again, since it does so only
after the next sequence is visible. If not, try again, a bounded number of times: then
an error, never a guess. The writer never blocks readers, alive, slow or dead.

**Takeovers.** A daemon of another boot or time namespace counts another RAW. It voids
both slots before it changes the header, and changes that before its first frame, so the
header is read between the two looks at the sequence: then slot and header are of one
daemon. Before or after them alone, a takeover in between would go unnoticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.errors import (
    ClockDisrupted,
    NotSynchronized,
    SegmentCorrupt,
    TornRead,
)
from chronotick.shm.codec import PastCorrection, Snapshot, decode_entry, decode_slot
from chronotick.shm.host import boot_id, fence, has_strong_ordering, time_namespace
from chronotick.shm.layout import (
    HEADER,
    HEADER_AT,
    HEADER_SIZE,
    RING_AT,
    RING_ENTRIES,
    RING_ENTRIES_AT,
    RING_ENTRY_SIZE,
    SEGMENT_SIZE,
    SEQUENCE_AT,
    SLOT_AT,
    SLOT_SIZE,
    State,
    codec,
)
from chronotick.shm.moving import tell_of_moves
from chronotick.shm.native import HOT
from chronotick.shm.segment import Mapping, attach, is_foreign, segment_path

if TYPE_CHECKING:
    import os
    from types import ModuleType

__all__ = ["SEQUENCE", "Header", "Look", "SegmentReader"]

SEQUENCE = SEQUENCE_AT // 8
"""Index of the publication word in a view of 8-byte words."""

# A copy takes 1 us and a writer publishes 1000 times a second at most: even two
# changes in a row mean that something else is going on.
_ATTEMPTS = 1000
_HEADER = codec(HEADER, HEADER_SIZE)
_BOOT = slice(HEADER_AT + 16, HEADER_AT + 32)
_NAMESPACE = slice(HEADER_AT + 48, HEADER_AT + 56)
# Boot, start, process, state and time namespace: another one with each takeover.
_DAEMON = slice(_BOOT.start, _NAMESPACE.stop)
_RING_COUNT = RING_AT // 8
_WEAK = not has_strong_ordering()


class Header(NamedTuple):
    """Who publishes. For people and tools; no time is computed from it."""

    magic: int
    version: int
    version_min: int
    total_size: int
    boot_id: bytes
    start_id: int
    writer_pid: int
    """In the daemon's own pid namespace."""
    state: int
    time_namespace: int
    started_raw_ns: int
    """0 until the daemon has published."""


class Look(NamedTuple):
    """A snapshot with the file it came from; one reference, so never a mixture."""

    mapping: Mapping
    snapshot: Snapshot


class SegmentReader:
    """One attached segment. Thread-safe and fork-safe: it holds no lock.

    Args:
        path: The segment; default `chronotick.shm.segment.segment_path`.
        hot: The C module that copies slots; None for the copy in Python.

    Raises:
        NoDaemon: there is no segment at the path.
        ClockDisrupted: the segment was written on another boot of this host, or in
            another time namespace.
        SegmentError: see `chronotick.shm.segment.attach`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        hot: ModuleType | None = HOT,
    ) -> None:
        self.path = segment_path(path)
        self._hot = hot
        self._boot_id = boot_id()
        self._namespace = time_namespace()
        self._mapping = attach(self.path)
        self._seen: Look | None = None
        self._check_origin(_origin(self._mapping))
        tell_of_moves(self)

    @property
    def mapping(self) -> Mapping:
        """The file that is attached now."""
        return self._mapping

    @property
    def header(self) -> Header:
        """The segment's header, as it is now."""
        return Header(*_HEADER.unpack_from(self._mapping.data, HEADER_AT))

    def read(self) -> Snapshot:
        """Return what was published last. Raises as `look`."""
        return self.look().snapshot

    def look(self) -> Look:
        """Return what was published last, decoded once per publication.

        Raises:
            NotSynchronized: nothing has been published yet.
            ClockDisrupted: what is there is of another boot or time namespace.
            TornRead: the segment changed during every attempt.
            SegmentCorrupt: truncated under us, or impossible values.
        """
        mapping, seen = self._mapping, self._seen
        sequence = mapping.words[SEQUENCE]
        if (
            seen is not None
            and seen.mapping is mapping
            and seen.snapshot.sequence == sequence
        ):
            return seen
        if sequence == 0:
            self._explain_nothing(mapping)
        self._seen = seen = Look(mapping, self._decode(mapping))
        return seen

    def history(self) -> list[PastCorrection]:
        """Return the ring of recent corrections, newest first.

        An entry that is being replaced is left out.

        Raises:
            ClockDisrupted: what is there is of another boot or time namespace.
            TornRead: another daemon took over during every attempt.
            SegmentCorrupt: impossible values.
        """
        mapping = self._mapping
        for _ in range(_ATTEMPTS):
            # A daemon's entries come after its header: the same header on both sides
            # of the copies means that no other daemon's are among them.
            daemon = bytes(mapping.data[_DAEMON])
            self._check_origin(_origin(mapping))
            count = mapping.words[_RING_COUNT]
            numbers = range(count, max(count - RING_ENTRIES, 0), -1)
            copies = [_copy_entry(mapping, number) for number in numbers]
            if bytes(mapping.data[_DAEMON]) == daemon:
                return [entry for entry in copies if entry is not None]
        raise TornRead(mapping.path, _ATTEMPTS)

    def refresh(self) -> bool:
        """Open the path again if it names another file now; say whether it did.

        A new daemon uses the old file where it can, so this is rare.

        Raises:
            NoDaemon, SegmentError, ClockDisrupted: as when attaching. What was
                attached before stays attached.
        """
        if self._mapping.is_current() and self.header.state == State.LIVE:
            return False
        mapping = attach(self.path)
        self._check_origin(_origin(mapping))
        self._mapping = mapping
        return True

    def on_moved(self) -> None:
        """See `chronotick.shm.moving`: what was good for the parent is not good here."""
        self._namespace = time_namespace()
        self._seen = None

    def _check_origin(self, origin: bytes) -> None:
        if origin[:16] != self._boot_id:
            if not any(self._boot_id):
                raise ClockDisrupted(
                    self.path,
                    "without /proc nobody knows whether it is of this boot",
                    "mount /proc where it is read",
                )
            raise ClockDisrupted(self.path, "the host has rebooted since")
        theirs, ours = int.from_bytes(origin[16:], "little"), self._namespace
        if theirs and ours and theirs != ours:
            raise ClockDisrupted(
                self.path,
                "it was made in another time namespace, with other clocks",
                "run `chronotick daemon` in this one",
            )

    def _decode(self, mapping: Mapping) -> Snapshot:
        hot = self._hot
        whole = _copy(mapping) if hot is None else hot.copy_slot(mapping.data)
        if whole is None:
            raise TornRead(mapping.path, _ATTEMPTS)
        sequence, copy, origin = whole
        self._check_origin(origin)
        try:
            return decode_slot(sequence, copy)
        except ValueError as exc:
            raise SegmentCorrupt(mapping.path, str(exc)) from exc

    def _explain_nothing(self, mapping: Mapping) -> None:
        if mapping.size < SEGMENT_SIZE:
            foreign = is_foreign(mapping.size, mapping.data)
            what = f"truncated to {mapping.size} bytes"
            raise SegmentCorrupt(self.path, what, is_foreign=foreign)
        raise NotSynchronized(self.path, "nothing has been published yet")


def _origin(mapping: Mapping) -> bytes:
    """Return the boot id and the time namespace whose RAW the segment counts."""
    return bytes(mapping.data[_BOOT]) + bytes(mapping.data[_NAMESPACE])


def _copy(mapping: Mapping) -> tuple[int, bytes, bytes] | None:
    words, data = mapping.words, mapping.data
    for _ in range(_ATTEMPTS):
        sequence = words[SEQUENCE]
        if _WEAK:
            fence()
        at = SLOT_AT + SLOT_SIZE * (sequence & 1)
        copy, origin = bytes(data[at : at + SLOT_SIZE]), _origin(mapping)
        if _WEAK:
            fence()
        if words[SEQUENCE] == sequence:
            return sequence, copy, origin
    return None


def _copy_entry(mapping: Mapping, number: int) -> PastCorrection | None:
    at = RING_ENTRIES_AT + RING_ENTRY_SIZE * ((number - 1) % RING_ENTRIES)
    before = mapping.words[at // 8]
    if _WEAK:
        fence()
    copy = bytes(mapping.data[at : at + RING_ENTRY_SIZE])
    if _WEAK:
        fence()
    if not number == before == mapping.words[at // 8]:
        return None
    try:
        return decode_entry(copy)
    except ValueError as exc:
        raise SegmentCorrupt(mapping.path, str(exc)) from exc
