"""`shm.page`: C and Python store the same bytes, and what is stored is what is read."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.shm.codec import decode_slot, encode_entry, encode_slot
from chronotick.shm.layout import (
    HEADER_AT,
    HEADER_SIZE,
    RING_ENTRIES,
    SEGMENT_SIZE,
    SLOT_SIZE,
)
from chronotick.shm.native import HOT, WHY
from chronotick.shm.page import Page
from chronotick.shm.segment import Mapping
from unit.shm.frames import RAW_NS, make_frame

if TYPE_CHECKING:
    from types import ModuleType

_SLOT = encode_slot(make_frame())


def blank(hot: ModuleType | None) -> Page:
    """Return a page of zeros that nobody else has."""
    with tempfile.TemporaryFile() as file:
        os.ftruncate(file.fileno(), SEGMENT_SIZE)
        return Page(Mapping("blank", file.fileno(), writable=True), hot)


@pytest.mark.skipif(HOT is None, reason=f"no C module: {WHY}")
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["slot", "record", "entry"]),
            st.binary(min_size=SLOT_SIZE, max_size=SLOT_SIZE),
        ),
        max_size=60,
    )
)
def test_c_and_python_store_the_same(stores: list[tuple[str, bytes]]) -> None:
    """Byte for byte, whatever is stored in whatever order."""
    pages = [blank(HOT), blank(None)]
    for page in pages:
        for kind, data in stores:
            if kind == "slot":
                page.store_slot(data)
            elif kind == "record":
                # Its number is the page's to count.
                page.store_record(data[:68] + bytes(4) + data[72:])
            else:
                number = page.next_entry.to_bytes(8, "little")
                page.store_entry(number + data[8:80])
    assert bytes(pages[0].data) == bytes(pages[1].data)


def test_what_is_stored_is_live(hot: ModuleType | None) -> None:
    """The newest slot, under the sequence that was told."""
    page = blank(hot)
    for expected in range(1, 5):
        slot = encode_slot(make_frame(raw_ns=RAW_NS + expected))
        assert page.store_slot(slot) == page.sequence == expected
        assert page.live() == decode_slot(expected, slot)


def test_the_ring_keeps_the_newest_in_their_order(hot: ModuleType | None) -> None:
    """Also once it has gone round; forgotten, its numbers go on."""
    page, snapshot = blank(hot), decode_slot(1, _SLOT)
    for _ in range(RING_ENTRIES + 6):
        page.store_entry(encode_entry(page.next_entry, snapshot))
    numbers = [entry.number for entry in page.mend_entries()]
    assert numbers == list(range(7, RING_ENTRIES + 7))
    page.forget_entries()
    assert page.mend_entries() == []
    assert page.next_entry == RING_ENTRIES + 7


def test_a_header_says_since_when_only_when_told(hot: ModuleType | None) -> None:
    """Until then readers see the slot of the daemon before."""
    page, header = blank(hot), bytes(range(HEADER_SIZE))
    assert not page.counts_raw_of(header)
    page.store_header(header)
    assert bytes(page.data[HEADER_AT:][: HEADER_SIZE - 8]) == header[:-8]
    assert page.counts_raw_of(header)
    assert bytes(page.data[HEADER_AT + 56 :][:8]) == bytes(8)
    page.store_started(7)
    assert page.data[HEADER_AT + 56] == 7
    another_space = header[:48] + bytes(8) + header[56:]
    assert not page.counts_raw_of(another_space)
