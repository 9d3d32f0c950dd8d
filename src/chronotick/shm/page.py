"""One segment, for storing: the only code that stores into one.

Decides the order of the stores, and so what a reader can ever see. What is published
when is `chronotick.shm.writer`'s, what the bytes mean the codec's, and who may write
`chronotick.shm.ownership`'s.

**Why a reader never sees half a frame.** A frame is packed into a bytes object first;
`struct.pack_into` would zero its target before filling it. It is then copied into the
slot that the sequence does *not* point to, and one aligned 8-byte store of the next
sequence makes it live. Slot ``s & 1`` is touched again only after sequence ``s + 1``
is visible, so a reader that finds the same sequence before and after its copy has
copied from a slot that nobody was writing.

**Why plain stores suffice.** x86 makes the stores of one CPU visible in program order
(TSO; Intel SDM vol. 3 §9.2.2), and CPython performs each memoryview assignment
completely before the next. Ordinary 128-byte copies use no non-temporal stores, which
would be the exception. CPUs with weaker ordering need the C module's fences.

**With 32 bits** the store of the sequence is two of 4 bytes. Its upper half changes once
in 2^32 publications, over a year at 100 Hz, so all others are one store still. Between
the two halves of that one a reader finds the old slot, which nobody touches before the
other half is visible, or sequence 0, the new slot or no time at all: never a wrong one.

**What a kill leaves.** Before the sequence store: a half-written slot that no reader
looks at. After it: a complete frame. In the compatibility record: an odd number, which
the next writer mends. In the ring: an entry numbered 0, which readers skip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.shm.codec import decode_entry, decode_slot
from chronotick.shm.host import fence, has_strong_ordering
from chronotick.shm.layout import (
    HEADER_AT,
    RING_AT,
    RING_ENTRIES,
    RING_ENTRIES_AT,
    RING_ENTRY_SIZE,
    SEQUENCE_AT,
    SLOT_AT,
    SLOT_SIZE,
)

if TYPE_CHECKING:
    from types import ModuleType

    from chronotick.shm.codec import PastCorrection, Snapshot
    from chronotick.shm.segment import Mapping

__all__ = ["Page"]

_BOOT_WORDS = slice(HEADER_AT + 16, HEADER_AT + 32)
_NAMESPACE_WORD = (HEADER_AT + 48) // 8
_STARTED_WORD = (HEADER_AT + 56) // 8
_SEQUENCE = SEQUENCE_AT // 8
_RING_COUNT = RING_AT // 8
# The record's number is the 4-byte word at byte 68.
_NUMBER, _BEFORE_NUMBER, _AFTER_NUMBER = 17, slice(0, 68), slice(72, 128)
_U64 = 0xFFFF_FFFF_FFFF_FFFF


class Page:
    """A mapped segment, one method for each thing that is stored.

    Args:
        mapping: Writable, and nobody else's to write.
        hot: The C module that stores with fences; None for plain stores from Python.
    """

    def __init__(self, mapping: Mapping, hot: ModuleType | None) -> None:
        self.data, self._words = mapping.data, mapping.words
        self._halves = mapping.data.cast("I")
        self._hot = hot

    @property
    def sequence(self) -> int:
        """The live sequence; 0 while nothing has been published."""
        return self._words[_SEQUENCE]

    def live(self) -> Snapshot:
        """Return what is published now.

        Raises:
            ValueError: nothing that a writer of this layout stores.
        """
        sequence = self.sequence
        return decode_slot(sequence, self.data, _slot_at(sequence))

    def store_slot(self, slot: bytes) -> int:
        """Make `slot` live; return its sequence."""
        if self._hot is not None:
            self._hot.publish(self.data, 0, slot)
            return self._words[_SEQUENCE]
        # The next sequence comes from the segment and not from a variable beside it:
        # an interrupt between the store and its note must not make us write twice
        # with one number, that is, into the live slot.
        sequence = self._words[_SEQUENCE] + 1 & _U64 or 2
        at = _slot_at(sequence)
        self.data[at : at + SLOT_SIZE] = slot
        self._words[_SEQUENCE] = sequence
        return sequence

    def store_record(self, record: bytes) -> None:
        """Tell the compatibility record anew."""
        if self._hot is not None:
            self._hot.publish(self.data, 1, record)
            return
        # A writer killed here has left an odd number, which `| 1` keeps odd.
        odd = self._halves[_NUMBER] + 1 | 1
        self._halves[_NUMBER] = odd & 0xFFFF_FFFF
        self.data[_BEFORE_NUMBER] = record[_BEFORE_NUMBER]
        self.data[_AFTER_NUMBER] = record[_AFTER_NUMBER]
        self._halves[_NUMBER] = odd + 1 & 0xFFFF_FFFF

    # ── The ring ─────────────────────────────────────────────────────────────

    @property
    def next_entry(self) -> int:
        """Number of the ring's next entry."""
        return self._words[_RING_COUNT] + 1

    def store_entry(self, entry: bytes) -> None:
        """Append `entry`, which has the number `next_entry`, to the ring."""
        if self._hot is not None:
            self._hot.publish(self.data, 2, entry)
            return
        number = self.next_entry
        at = _entry_at(number)
        # 0 first: a reader of the entry that is replaced sees it go before it changes.
        self._words[at // 8] = 0
        self.data[at + 8 : at + RING_ENTRY_SIZE] = entry[8:]
        self._words[at // 8] = number
        self._words[_RING_COUNT] = number

    def mend_entries(self) -> list[PastCorrection]:
        """Return the ring's entries, oldest first.

        Damage is struck out of it: no reader uses it, and nothing else mends it.
        """
        count = self._words[_RING_COUNT]
        if count > _U64 // 2:
            self._words[_RING_COUNT] = 0
            self.forget_entries()
            return []
        found: list[PastCorrection] = []
        for number in range(max(count - RING_ENTRIES, 0) + 1, count + 1):
            at = _entry_at(number)
            try:
                entry = decode_entry(self.data, at)
            except ValueError:
                self._words[at // 8] = 0
                continue
            if entry.number == number:
                found.append(entry)
        return found

    def forget_entries(self) -> None:
        """Empty the ring; its numbers go on."""
        for number in range(1, RING_ENTRIES + 1):
            self._words[_entry_at(number) // 8] = 0

    # ── The header ───────────────────────────────────────────────────────────

    def counts_raw_of(self, header: bytes) -> bool:
        """Say whether what is there is of the boot and time namespace of `header`."""
        ours = memoryview(header).cast("Q")
        namespace = ours[_NAMESPACE_WORD - HEADER_AT // 8]
        return (
            self.data[_BOOT_WORDS] == header[16:32]
            and self._words[_NAMESPACE_WORD] == namespace
        )

    def store_header(self, header: bytes) -> None:
        """Say who publishes from now on, all but since when."""
        if not has_strong_ordering():
            # The sequences that voided the slots are visible before the header is; the
            # header is before the first frame by the fence that publishes it.
            fence()
        words = memoryview(header).cast("Q")
        for index, word in enumerate(words, start=HEADER_AT // 8):
            # When the daemon started is told together with its first frame: until then
            # the slot that readers see is its predecessor's.
            if index != _STARTED_WORD:
                self._words[index] = word

    def store_started(self, raw_ns: int) -> None:
        """Say since when."""
        self._words[_STARTED_WORD] = raw_ns & _U64


def _slot_at(sequence: int) -> int:
    return SLOT_AT + SLOT_SIZE * (sequence & 1)


def _entry_at(number: int) -> int:
    return RING_ENTRIES_AT + RING_ENTRY_SIZE * ((number - 1) % RING_ENTRIES)
