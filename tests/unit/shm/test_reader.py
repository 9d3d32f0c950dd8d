"""Reading: whole copies or an error, one decode a publication, restarts followed."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from chronotick.core.errors import (
    ClockDisrupted,
    NoDaemon,
    NotSynchronized,
    SegmentCorrupt,
    TornRead,
)
from chronotick.core.status import Status
from chronotick.shm import host
from chronotick.shm.codec import encode_slot
from chronotick.shm.layout import (
    HEADER_AT,
    RING_ENTRIES_AT,
    SEGMENT_SIZE,
    SLOT,
    SLOT_AT,
    SLOT_SIZE,
)
from chronotick.shm.reader import SEQUENCE, SegmentReader
from chronotick.shm.writer import SegmentWriter
from unit.shm.frames import RAW_NS, make_frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from chronotick.shm.segment import Mapping

_AT = {field.name: field.offset for field in SLOT}


@pytest.fixture
def reader(
    writer: SegmentWriter, attach: Callable[[str], SegmentReader]
) -> SegmentReader:
    """Return a reader of one published frame."""
    writer.publish(make_frame(utc_ns=1))
    return attach(writer.path)


def _poke(path: str, at: int, data: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


def test_nothing_published_is_not_synchronized(
    writer: SegmentWriter, attach: Callable[[str], SegmentReader]
) -> None:
    """A daemon that has just started is no missing daemon."""
    with pytest.raises(NotSynchronized, match="nothing has been published yet"):
        attach(writer.path).read()


def test_every_publication_is_seen(
    writer: SegmentWriter, reader: SegmentReader
) -> None:
    """The reader follows the sequence from slot to slot."""
    for utc_ns in range(2, 9):
        writer.publish(make_frame(utc_ns=utc_ns))

        assert reader.read().utc_ns == utc_ns


def test_a_publication_is_decoded_once(reader: SegmentReader) -> None:
    """Until the sequence moves the same object is returned."""
    assert reader.read() is reader.read()


def test_a_segment_that_never_holds_still_is_torn(writer: SegmentWriter) -> None:
    """After a bounded number of attempts: an error, never a guess."""
    writer.publish(make_frame(utc_ns=1))
    reader = SegmentReader(writer.path, hot=None)
    mapping = reader.mapping
    count = 0

    class Restless:
        """The words of a segment whose writer is faster than any reader."""

        def __getitem__(self, index: int) -> int:
            nonlocal count
            if index == SEQUENCE:
                count += 1
                return count
            return mapping.words[index]

    class Storm:
        words, data, path, size = Restless(), mapping.data, mapping.path, SEGMENT_SIZE

    reader._mapping = Storm()  # type: ignore[assignment]
    with pytest.raises(TornRead, match="1000 reads in a row"):
        reader.read()


def test_a_change_during_the_copy_is_noticed(
    writer: SegmentWriter,
) -> None:
    """A copy during which the writer came round is thrown away."""
    writer.publish(make_frame(utc_ns=1))
    reader = SegmentReader(writer.path, hot=None)
    mapping = reader.mapping

    class Interrupting:
        """Memory whose writer publishes twice while it is first copied."""

        def __init__(self) -> None:
            self.done = False

        def __getitem__(self, span: slice) -> memoryview:
            got = bytes(mapping.data[span])
            if not self.done and span.start >= SLOT_AT:
                self.done = True
                writer.publish(make_frame(utc_ns=2))
                writer.publish(make_frame(utc_ns=3))
            return memoryview(got)

    class Fake:
        words, path, size = mapping.words, mapping.path, SEGMENT_SIZE
        data = Interrupting()

    reader._mapping = Fake()  # type: ignore[assignment]
    assert reader.read().utc_ns == 3


@pytest.mark.parametrize("cut", range(0, SLOT_SIZE + 1, 8))
def test_a_writer_killed_while_filling_a_slot_is_not_noticed(
    writer: SegmentWriter,
    reader: SegmentReader,
    cut: int,
    attach: Callable[[str], SegmentReader],
) -> None:
    """However much of the next slot is there, readers go on with the last frame."""
    half = encode_slot(make_frame(utc_ns=2))[:cut]
    _poke(writer.path, SLOT_AT + SLOT_SIZE * ((writer.sequence + 1) & 1), half)

    assert reader.read().utc_ns == 1
    assert attach(writer.path).read().utc_ns == 1
    writer.publish(make_frame(utc_ns=3))
    assert reader.read().utc_ns == 3


def test_a_restarted_writer_is_followed_without_attaching_again(
    path: str, attach: Callable[[str], SegmentReader], hot: ModuleType | None
) -> None:
    """Same file, same mapping, next sequence."""
    with SegmentWriter(path, hot=hot) as writer:
        writer.publish(make_frame(utc_ns=1))
        reader = attach(path)
        mapping = reader.mapping
        assert reader.read().utc_ns == 1
    with SegmentWriter(path, hot=hot) as writer:
        writer.publish(make_frame(utc_ns=2))

        assert reader.read().utc_ns == 2
        assert reader.mapping is mapping
        assert not reader.refresh()


def test_a_replaced_file_is_opened_by_refresh(
    writer: SegmentWriter, reader: SegmentReader, hot: ModuleType | None
) -> None:
    """And only by it: until then the old file is read."""
    assert reader.read().utc_ns == 1
    os.unlink(writer.path)
    os.unlink(writer.path + ".lock")
    with SegmentWriter(writer.path, hot=hot) as successor:
        successor.publish(make_frame(utc_ns=2))

        assert reader.read().utc_ns == 1
        assert reader.refresh()
        assert reader.read().utc_ns == 2


def test_a_retired_file_is_left_by_refresh(
    writer: SegmentWriter, reader: SegmentReader
) -> None:
    """The mark says that another file takes the path, which is not there yet."""
    _poke(writer.path, HEADER_AT + 44, b"\x02")

    with pytest.raises(NoDaemon):
        reader.refresh()
    assert reader.read().utc_ns == 1


def test_a_vanished_file_has_no_daemon_but_its_memory_lives_on(
    writer: SegmentWriter, reader: SegmentReader
) -> None:
    """Removing the file takes nothing from readers that have mapped it."""
    os.unlink(writer.path)

    with pytest.raises(NoDaemon):
        reader.refresh()
    assert reader.read().utc_ns == 1


def test_a_file_truncated_under_the_reader_is_corrupt(
    writer: SegmentWriter, reader: SegmentReader
) -> None:
    """What is left of the page reads as zero, which the size gives away."""
    os.truncate(writer.path, 100)

    with pytest.raises(SegmentCorrupt, match="truncated to 100 bytes"):
        reader.read()
    os.truncate(writer.path, SEGMENT_SIZE)


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [("status", 7, "status 7"), ("source", 200, "source 200"), ("leap", 9, "leap 9")],
)
def test_an_impossible_value_is_corrupt(
    writer: SegmentWriter,
    name: str,
    value: int,
    what: str,
    attach: Callable[[str], SegmentReader],
) -> None:
    """A number without a meaning never becomes a plausible reading."""
    writer.publish(make_frame())
    at = SLOT_AT + SLOT_SIZE * (writer.sequence & 1) + _AT[name]
    _poke(writer.path, at, bytes([value]))

    with pytest.raises(SegmentCorrupt, match=what):
        attach(writer.path).read()


def test_another_boot_is_disrupted(
    writer: SegmentWriter, attach: Callable[[str], SegmentReader]
) -> None:
    """A file that survived a reboot counts a clock that is gone."""
    writer.publish(make_frame())
    _poke(writer.path, HEADER_AT + 16, bytes(range(16)))

    with pytest.raises(ClockDisrupted, match="rebooted"):
        attach(writer.path)


def test_a_reader_that_knows_no_boot_says_why(
    writer: SegmentWriter,
    attach: Callable[[str], SegmentReader],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has no /proc: the host may well not have rebooted."""
    writer.publish(make_frame())
    monkeypatch.setattr("chronotick.shm.reader.boot_id", lambda: bytes(16))

    with pytest.raises(ClockDisrupted, match="mount /proc"):
        attach(writer.path)


def test_another_time_namespace_is_disrupted(
    writer: SegmentWriter, attach: Callable[[str], SegmentReader]
) -> None:
    """Its RAW differs from ours by a constant: wrong, and plausible."""
    writer.publish(make_frame())
    _poke(writer.path, HEADER_AT + 48, b"\x01" * 8)

    with pytest.raises(ClockDisrupted, match="time namespace"):
        attach(writer.path)


@pytest.mark.parametrize("side", ["writer", "reader"])
def test_a_host_without_time_namespaces_is_not_disrupted(
    writer: SegmentWriter,
    monkeypatch: pytest.MonkeyPatch,
    side: str,
    attach: Callable[[str], SegmentReader],
) -> None:
    """0 stands for unknown, and says nothing about the other side."""
    writer.publish(make_frame())
    if side == "writer":
        _poke(writer.path, HEADER_AT + 48, bytes(8))
    else:
        monkeypatch.setattr("chronotick.shm.reader.time_namespace", lambda: 0)

    assert attach(writer.path).read().status is Status.SYNCHRONIZED


def test_a_change_of_boot_is_noticed_by_attached_readers(
    writer: SegmentWriter, reader: SegmentReader
) -> None:
    """With the next publication, before anything is decoded."""
    _poke(writer.path, HEADER_AT + 16, bytes(range(16)))
    writer.publish(make_frame())

    with pytest.raises(ClockDisrupted):
        reader.read()


def test_a_takeover_from_another_time_namespace_is_noticed_by_attached_readers(
    writer: SegmentWriter,
    reader: SegmentReader,
    hot: ModuleType | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sequence goes on and the file stays: only the header tells."""
    assert reader.read().utc_ns == 1
    writer.close()
    monkeypatch.setattr("chronotick.shm.writer.time_namespace", lambda: 7)
    with SegmentWriter(writer.path, hot=hot) as foreign:
        with pytest.raises(ClockDisrupted, match="time namespace"):
            reader.read()
        foreign.publish(make_frame(utc_ns=2))
        with pytest.raises(ClockDisrupted, match="time namespace"):
            reader.read()
        with pytest.raises(ClockDisrupted, match="time namespace"):
            reader.history()


class _Interrupted:
    """A mapping during whose n-th access somebody else does something."""

    def __init__(self, mapping: Mapping, at: int, act: Callable[[], None]) -> None:
        self._left, self._act = at, act
        self.path, self.size = mapping.path, mapping.size
        self.words = _Watched(self, mapping.words)
        self.data = _Watched(self, mapping.data)

    def tick(self) -> None:
        """Count an access."""
        self._left -= 1
        if self._left == 0:
            self._act()


class _Watched:
    def __init__(self, owner: _Interrupted, memory: memoryview) -> None:
        self._owner, self._memory = owner, memory

    def __getitem__(self, at: Any) -> Any:
        self._owner.tick()
        got = self._memory[at]
        return got if isinstance(got, int) else memoryview(bytes(got))


_OURS, _FOREIGN = 11, 22


@pytest.mark.parametrize("call", ["read", "history"])
@pytest.mark.parametrize("access", range(1, 16))
@pytest.mark.parametrize("order", [(_OURS, _FOREIGN), (_FOREIGN, _OURS)])
def test_a_takeover_at_any_access_lends_no_foreign_frame(
    path: str,
    call: str,
    access: int,
    order: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Slot and header belong together, whenever the writer changes."""

    def publish(namespace: int) -> None:
        monkeypatch.setattr("chronotick.shm.writer.time_namespace", lambda: namespace)
        with SegmentWriter(path, hot=None) as writer:
            for number in range(3):
                writer.publish(make_frame(utc_ns=namespace, raw_ns=RAW_NS + number))

    monkeypatch.setattr("chronotick.shm.reader.time_namespace", lambda: _OURS)
    publish(_OURS)
    reader = SegmentReader(path, hot=None)
    publish(order[0])
    reader._mapping = _Interrupted(  # type: ignore[assignment]
        reader.mapping, access, lambda: publish(order[1])
    )
    with suppress(ClockDisrupted, NotSynchronized):
        if call == "read":
            assert reader.read().utc_ns == _OURS
        else:
            assert {entry.utc_ns for entry in reader.history()} <= {_OURS}


def test_the_header_names_the_writer(
    writer: SegmentWriter, reader: SegmentReader
) -> None:
    """For people and tools."""
    header = reader.header

    assert header.writer_pid == os.getpid()
    assert header.start_id == writer.start_id
    assert header.started_raw_ns == make_frame().started_raw_ns
    assert header.total_size == SEGMENT_SIZE


def test_a_ring_entry_that_is_being_replaced_is_left_out(
    writer: SegmentWriter, reader: SegmentReader
) -> None:
    """A writer killed in the ring costs one entry and blocks nobody."""
    writer.publish(make_frame(raw_ns=RAW_NS + 1))
    _poke(writer.path, RING_ENTRIES_AT, bytes(8))

    assert [entry.number for entry in reader.history()] == [2]


def test_a_corrupt_ring_entry_is_named(
    writer: SegmentWriter, reader: SegmentReader
) -> None:
    """Impossible values in history are not passed on."""
    _poke(writer.path, RING_ENTRIES_AT + 74, b"\xee")

    with pytest.raises(SegmentCorrupt, match="status 238"):
        reader.history()


@pytest.mark.parametrize("weak", [False, True])
def test_fences_change_nothing_but_the_order(
    writer: SegmentWriter,
    monkeypatch: pytest.MonkeyPatch,
    weak: bool,
    attach: Callable[[str], SegmentReader],
) -> None:
    """On weakly ordered CPUs the same protocol runs with fences between its loads."""
    fences: list[Callable[[], None]] = []

    def fence() -> None:
        fences.append(host.fence)
        host.fence()

    monkeypatch.setattr("chronotick.shm.reader._WEAK", weak)
    monkeypatch.setattr("chronotick.shm.reader.fence", fence)
    writer.publish(make_frame(utc_ns=5))
    reader = SegmentReader(writer.path, hot=None)

    assert reader.read().utc_ns == 5
    assert len(reader.history()) == 1
    assert len(fences) == (4 if weak else 0)
