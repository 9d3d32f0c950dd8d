"""A writer killed at every byte of a publication: nothing wrong, nobody blocked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chronotick.shm.compat import decode_record
from chronotick.shm.layout import (
    RING_AT,
    RING_ENTRIES_AT,
    RING_ENTRY_SIZE,
    SEQUENCE_AT,
    SLOT_AT,
    SLOT_SIZE,
)
from chronotick.shm.reader import SegmentReader
from chronotick.shm.writer import SegmentWriter
from unit.shm.frames import RAW_NS, make_frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

_OLD, _NEW = 1_000, 2_000


def _images(path: str, hot: ModuleType | None) -> tuple[bytes, bytes]:
    """Return a segment before and after one publication."""
    with SegmentWriter(path, hot=hot) as writer:
        for utc_ns in (1, 2, _OLD):
            writer.publish(make_frame(raw_ns=RAW_NS + utc_ns, utc_ns=utc_ns))
        before = Path(path).read_bytes()
        writer.publish(make_frame(raw_ns=RAW_NS + _NEW, utc_ns=_NEW))
        return before, Path(path).read_bytes()


def _left_behind(before: bytes, after: bytes) -> Iterator[bytes]:
    """Yield every image that a kill can leave, in the order of the writer's stores.

    Copies are cut at every byte. The words that publish (sequence, numbers, count) are
    single stores: all of them is there, or nothing.
    """
    image = bytearray(before)
    slot = SLOT_AT + SLOT_SIZE * (after[SEQUENCE_AT] & 1)
    number = int.from_bytes(after[RING_AT : RING_AT + 8], "little")
    entry = RING_ENTRIES_AT + RING_ENTRY_SIZE * (number - 1)
    odd = (int.from_bytes(before[68:72], "little") + 1 | 1).to_bytes(4, "little")
    stores: list[tuple[int, bytes]] = [
        *((at, after[at : at + 1]) for at in range(slot, slot + SLOT_SIZE)),
        (SEQUENCE_AT, after[SEQUENCE_AT : SEQUENCE_AT + 8]),
        (entry, bytes(8)),
        *((at, after[at : at + 1]) for at in range(entry + 8, entry + RING_ENTRY_SIZE)),
        (entry, after[entry : entry + 8]),
        (RING_AT, after[RING_AT : RING_AT + 8]),
        (68, odd),
        *((at, after[at : at + 1]) for at in (*range(68), *range(72, 128))),
        (68, after[68:72]),
    ]
    yield bytes(image)
    for at, data in stores:
        image[at : at + len(data)] = data
        yield bytes(image)
    assert image == after, "the stores above are not those of a publication"


@pytest.fixture
def left_behind(path: str, hot: ModuleType | None) -> list[bytes]:
    """Return all of them."""
    return list(_left_behind(*_images(path + ".made", hot)))


def test_readers_see_the_old_frame_or_the_new_one(
    path: str, left_behind: list[bytes], hot: ModuleType | None
) -> None:
    """Whole, at the first attempt, and never the old one again after the new one."""
    seen = []
    with open(path, "w+b") as file:
        file.write(left_behind[0])
        file.flush()
        attached = SegmentReader(path, hot=hot)
        for image in left_behind:
            file.seek(0)
            file.write(image)
            file.flush()
            got = SegmentReader(path, hot=hot).read()

            assert attached.read() == got
            assert got.utc_ns in {_OLD, _NEW}
            assert got.raw_ns == RAW_NS + got.utc_ns
            seen.append(got.utc_ns)
            for past in attached.history():
                assert past.raw_ns == RAW_NS + past.utc_ns
    assert seen == sorted(seen)
    assert set(seen) == {_OLD, _NEW}


def test_readers_of_the_record_take_it_whole_or_not_at_all(
    left_behind: list[bytes],
) -> None:
    """Evenness is what protects it: comparing the numbers alone would not."""
    whole = {bytes(left_behind[0][:128]), bytes(left_behind[-1][:128])}
    odd = 0
    for image in left_behind:
        number, _ = decode_record(image)
        if number % 2:
            odd += 1
        else:
            assert bytes(image[:128]) in whole
    assert odd > 100


def test_the_next_writer_mends_everything(
    path: str, left_behind: list[bytes], hot: ModuleType | None
) -> None:
    """On the same file, with readers that stay attached."""
    for image in left_behind[::7]:
        Path(path).write_bytes(image)
        reader = SegmentReader(path, hot=hot)
        before = reader.read()
        with SegmentWriter(path, hot=hot) as writer:
            writer.publish(make_frame(raw_ns=RAW_NS + 3_000, utc_ns=3_000))
            after = reader.read()

            assert after.utc_ns == 3_000
            assert after.sequence == before.sequence + 1
            assert decode_record(reader.mapping.data)[0] % 2 == 0
            assert reader.history()[0].utc_ns == 3_000
