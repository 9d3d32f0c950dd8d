"""Publish frames: the writer of one segment.

Decides what is told when: what is news and what a heartbeat, what the ring remembers,
what becomes of the daemon's before us, and of a file that somebody removes. How it is
stored is `chronotick.shm.page`'s business, who may write is
`chronotick.shm.ownership`'s.

**Heartbeats.** With ``repeats=True`` a thread of the C module stores, too: what was
published last, with the clocks read again. It and we take turns under a lock, so that
there still is one writer at a time; see ``heart.h`` and ADR 24.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from typing import TYPE_CHECKING, Self

from chronotick.core.errors import UnsupportedPlatform
from chronotick.core.status import Status
from chronotick.core.units import NS_PER_S
from chronotick.shm.codec import (
    decode_entry,
    decode_slot,
    encode_entry,
    encode_slot,
    restamp_slot,
    void_slot,
)
from chronotick.shm.compat import choose_baseline, derive_record, encode_record
from chronotick.shm.host import boot_id, has_strong_ordering, time_namespace
from chronotick.shm.layout import (
    HEADER,
    HEADER_AT,
    HEADER_SIZE,
    MAGIC,
    RING_ENTRIES,
    SEGMENT_SIZE,
    SLOT_SIZE,
    VERSION,
    VERSION_MIN,
    State,
    codec,
)
from chronotick.shm.native import HOT, WHY
from chronotick.shm.ownership import acquire
from chronotick.shm.page import Page
from chronotick.shm.segment import segment_path

if TYPE_CHECKING:
    from types import ModuleType

    from chronotick.core.records import Correction, Frame
    from chronotick.shm._hot import Heart
    from chronotick.shm.codec import PastCorrection, Snapshot

__all__ = ["SegmentWriter"]

_HEADER = codec(HEADER, HEADER_SIZE)
_RECORD_PERIOD_NS = 100_000_000
# Heartbeats go on by themselves for so long: enough for an event loop that is late twice
# in a row, and well within the second for which readers take silence for life.
_LEASE_NS = 3 * _RECORD_PERIOD_NS


class SegmentWriter:
    """A `chronotick.core.ports.FrameSink` on shared memory; one per segment.

    Not thread-safe: one task publishes. A context manager.

    Args:
        path: The segment; default `chronotick.shm.segment.segment_path`.
        hot: The C module that stores with fences; None for plain stores from Python.
        repeats: Whether a thread makes the heartbeats between publications, on this
            host's clocks: so not for frames of an imagined host, nor in a process that
            forks and publishes from the child. Needs the C module, and a thread to be
            had, also where the segment is put back; `refresh_period_ns` says whether
            it is done.

    Raises:
        SegmentLocked: another process publishes there.
        SegmentUnwritable: the directory or file refuses writing.
        UnsupportedPlatform: this CPU orders stores weakly and there is no C module.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        hot: ModuleType | None = HOT,
        repeats: bool = False,
    ) -> None:
        if hot is None and not has_strong_ordering():
            raise UnsupportedPlatform(
                f"publishing on {os.uname().machine} needs the C module, and this "
                f"is {WHY}"
            )
        self.path = segment_path(path)
        self.start_id = int.from_bytes(os.urandom(8), "little")
        """Tells this start of the daemon from every other."""
        header = self._header()
        image = (
            bytes(HEADER_AT) + header + bytes(SEGMENT_SIZE - HEADER_AT - HEADER_SIZE)
        )
        self._owned = acquire(self.path, image)
        self._hot = hot
        self._page = Page(self._owned.mapping, hot)
        self._place_due_raw_ns = 0
        self.put_back_count = 0
        """How often somebody has removed the segment or its lock, and it was put back."""
        self._closed = False
        self._told: tuple[object, ...] = ()
        self._history: deque[PastCorrection] = deque(maxlen=RING_ENTRIES)
        self._started_raw_ns = 0
        self._marker: int | None = None
        # What heartbeats are made from.
        self._correction: Correction | None = None
        self._kind: tuple[object, ...] = ()
        self._packed = bytearray(SLOT_SIZE)
        self._record_due_raw_ns = 0
        self._repeats = repeats
        self._heart: Heart | None = None
        if self._owned.reused:
            self._adopt(header)
        self._start_heart()

    @property
    def refresh_period_ns(self) -> int:
        """See `chronotick.core.ports.FrameSink`; 0 without a thread for heartbeats."""
        return 0 if self._heart is None else _RECORD_PERIOD_NS

    @property
    def sequence(self) -> int:
        """The live sequence; 0 while nothing has been published."""
        return self._page.sequence

    @property
    def inherited_void_after_raw_ns(self) -> int:
        """RAW instant until which what is published now is good; 0 if it is not.

        Read it before the first `publish`: an earlier daemon's correction, of this
        boot, is worth more to readers than the news that nothing is known yet.
        """
        if self.sequence == 0:
            return 0
        try:
            live = self._page.live()
        except ValueError:
            return 0
        return 0 if live.status is Status.UNKNOWN else live.void_after_raw_ns

    def publish(self, frame: Frame) -> None:
        """Make `frame` what readers see from now on.

        Raises:
            ValueError: a field is not finite or does not fit, or the writer is
                closed. Nothing was published.
            RuntimeError: in a forked child, which has not the thread that `repeats`
                promised. Nothing was published.
            SegmentLocked: somebody removed the lock, and another process has it now.
            SegmentUnwritable: somebody removed the file, and it cannot be made again.
        """
        if self._closed:
            raise ValueError(f"this writer of {self.path} is closed")
        self._keep_place(frame.as_of_raw_ns)
        kind = (
            frame.void_after_raw_ns,
            frame.heartbeat_ns,
            frame.correction_count,
            frame.tai_minus_utc_s,
            frame.smear,
            frame.disruption_marker,
        )
        if frame.correction is self._correction and kind == self._kind:
            self._beat(frame)
            return
        slot = encode_slot(frame)
        snapshot = self._publish_slot(slot, frame)
        self._packed[:] = slot
        self._correction, self._kind = frame.correction, kind
        self._record_due_raw_ns = frame.as_of_raw_ns + _RECORD_PERIOD_NS
        if frame.started_raw_ns != self._started_raw_ns:
            self._started_raw_ns = frame.started_raw_ns
            self._page.store_started(frame.started_raw_ns)
        self._remember(snapshot)
        self._publish_record(snapshot)

    def _beat(self, frame: Frame) -> None:
        """Publish what was published before, with the clocks read again.

        Nine frames in ten are heartbeats, so they are cheap: the packed slot is
        restamped, and the record, whose readers extrapolate like all others, is told
        again only ten times a second.
        """
        restamp_slot(self._packed, frame)
        slot = bytes(self._packed)
        # Where a thread makes the others, what comes here is few already.
        if self._heart is None and frame.as_of_raw_ns < self._record_due_raw_ns:
            self._store_slot(slot, frame)
            return
        self._record_due_raw_ns = frame.as_of_raw_ns + _RECORD_PERIOD_NS
        self._publish_record(self._publish_slot(slot, frame))

    def close(self) -> None:
        """Let another daemon publish here. Readers go on until `void_after`."""
        self._closed = True
        if self._heart is not None:
            self._heart.stop()  # Before the lock goes: it may be another's to write.
        self._owned.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep_place(self, raw_ns: int) -> None:
        """Once a second look whether the segment is still where readers find it.

        Nobody asks a daemon before cleaning up: systemd removes what a user has in
        /dev/shm at the end of the last session (RemoveIPC), others what looks old.
        """
        if raw_ns < self._place_due_raw_ns:
            return
        if not self._owned.is_in_place():
            self._put_back()
        # Not before: where that failed, the next publication is for nobody, too.
        self._place_due_raw_ns = raw_ns + NS_PER_S

    def _put_back(self) -> None:
        # What is copied must hold still; and a heart that was stopped publishes nothing
        # any more, so it is none, also where nothing can be put back.
        heart, self._heart = self._heart, None
        if heart is not None:
            heart.stop()
        self._owned.put_back()
        self.put_back_count += 1
        self._page = Page(self._owned.mapping, self._hot)
        self._start_heart()

    def _start_heart(self) -> None:
        if not self._repeats or self._hot is None:
            return
        # No thread to be had: then each heartbeat is published, as without C.
        with contextlib.suppress(OSError):
            self._heart = self._hot.Heart(self._page.data)

    def _header(self) -> bytes:
        return _HEADER.pack(
            MAGIC,
            VERSION,
            VERSION_MIN,
            SEGMENT_SIZE,
            boot_id(),
            self.start_id,
            os.getpid(),
            State.LIVE,
            time_namespace(),
            0,
        )

    def _adopt(self, header: bytes) -> None:
        """Take over a file that readers may be attached to.

        What an earlier boot, or another time namespace, left there counts another
        RAW: both slots are voided before the header says that they are of this boot.
        """
        if self._page.counts_raw_of(header):
            self._recall()
        else:
            if self.sequence:
                self._publish_slot(void_slot())
                self._publish_record(self._publish_slot(void_slot()))
            self._page.forget_entries()
        self._page.store_header(header)

    def _recall(self) -> None:
        """Learn the system clock's past from the daemon before us."""
        with contextlib.suppress(ValueError):
            self._marker = self._page.live().disruption_marker
        self._history.extendleft(self._page.mend_entries())

    def _publish_slot(self, slot: bytes, frame: Frame | None = None) -> Snapshot:
        return decode_slot(self._store_slot(slot, frame), slot)

    def _store_slot(self, slot: bytes, frame: Frame | None) -> int:
        """Make `slot`, which says `frame` or nothing, live; return its sequence."""
        if self._heart is None or frame is None:
            return self._page.store_slot(slot)
        # Heartbeats that are as seldom as publications are these publications.
        is_repeated = frame.heartbeat_ns < _RECORD_PERIOD_NS
        return self._heart.publish(
            slot,
            frame.heartbeat_ns,
            _LEASE_NS if is_repeated else 0,
            frame.correction.last_sync_raw_ns,
        )

    def _publish_record(self, snapshot: Snapshot) -> None:
        record = derive_record(
            snapshot,
            started_raw_ns=self._started_raw_ns,
            baseline=choose_baseline(snapshot, self._history),
        )
        self._page.store_record(encode_record(record, 0))

    def _remember(self, snapshot: Snapshot) -> None:
        """Append to the ring if the correction changed. A heartbeat changes nothing."""
        told = (
            *snapshot[1:6],
            *snapshot[11:15],
            snapshot.status,
            snapshot.reasons,
            snapshot.disruption_marker,
        )
        if told == self._told or snapshot.status is Status.UNKNOWN:
            return
        if snapshot.disruption_marker != self._marker:
            # RAW, in which its entries are told, did not run through.
            self._marker = snapshot.disruption_marker
            self._history.clear()
            self._page.forget_entries()
        self._told = told
        entry = encode_entry(self._page.next_entry, snapshot)
        self._page.store_entry(entry)
        self._history.appendleft(decode_entry(entry))
