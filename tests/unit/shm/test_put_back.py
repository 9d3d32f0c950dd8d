"""A segment that somebody removes under its writer is put back, or its writer ends."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from chronotick.core.errors import SegmentLocked, SegmentUnwritable
from chronotick.core.units import NS_PER_S
from chronotick.shm.layout import SEQUENCE_AT, State
from chronotick.shm.native import HOT, WHY
from chronotick.shm.reader import SegmentReader
from chronotick.shm.writer import SegmentWriter
from unit.shm.frames import RAW_NS, make_frame

if TYPE_CHECKING:
    from chronotick.core.records import Frame
    from chronotick.shm._hot import Heart

needs_c = pytest.mark.skipif(HOT is None, reason=f"no C module: {WHY}")


def at_s(seconds: float) -> Frame:
    """Return a frame published so long after the first one."""
    return make_frame(raw_ns=RAW_NS + round(seconds * NS_PER_S))


@pytest.mark.parametrize("removed", [("",), (".lock",), ("", ".lock")])
def test_what_is_cleaned_up_is_put_back(
    path: str, hot: ModuleType | None, removed: tuple[str, ...]
) -> None:
    """Within a second, with all that the file said; nobody else gets in."""
    with SegmentWriter(path, hot=hot) as writer:
        writer.publish(at_s(0.0))
        attached = SegmentReader(path, hot=hot)
        for suffix in removed:
            os.unlink(path + suffix)
        writer.publish(at_s(0.5))
        writer.publish(at_s(1.0))
        attached.refresh()
        for reader in (attached, SegmentReader(path, hot=hot)):
            assert reader.read().as_of_raw_ns == RAW_NS + NS_PER_S
            assert len(reader.history()) == 3
            assert reader.header.start_id == writer.start_id
        with pytest.raises(SegmentLocked):
            SegmentWriter(path, hot=hot)
        writer.publish(at_s(1.1))
        assert attached.read().as_of_raw_ns == RAW_NS + round(1.1 * NS_PER_S)


def test_putting_back_opens_no_more_than_it_closes(path: str) -> None:
    """Whoever cleans up each night must not end a daemon for want of descriptors."""
    with SegmentWriter(path, hot=None) as writer:
        counts = set()
        for k in range(5):
            writer.publish(at_s(2.0 * k))
            counts.add(len(os.listdir("/proc/self/fd")))
            for suffix in ("", ".lock"):
                os.unlink(path + suffix)
        assert len(counts) == 1


def test_readers_of_a_removed_file_are_told_to_look_again(
    path: str, hot: ModuleType | None
) -> None:
    """It says that it is retired, for those that ask its state and not the path."""
    with SegmentWriter(path, hot=hot) as writer:
        writer.publish(at_s(0.0))
        attached = SegmentReader(path, hot=hot)
        os.unlink(path)
        writer.publish(at_s(1.0))
        assert attached.header.state == State.RETIRED
        assert SegmentReader(path, hot=hot).header.state == State.LIVE


def test_without_its_lock_a_segment_has_one_writer_all_the_same(
    path: str, hot: ModuleType | None
) -> None:
    """Nor does the one that is refused keep the other from locking it anew."""
    with SegmentWriter(path, hot=hot) as writer:
        writer.publish(at_s(0.0))
        os.unlink(path + ".lock")
        with pytest.raises(SegmentLocked) as caught:
            SegmentWriter(path, hot=hot)
        assert caught.value.pid == os.getpid()
        assert not os.path.exists(path + ".lock")
        writer.publish(at_s(1.0))
        assert os.path.exists(path + ".lock")
    with SegmentWriter(path, hot=hot) as successor:
        assert successor.start_id != writer.start_id


@pytest.mark.parametrize("its_lock_too", [False, True])
def test_putting_back_takes_nobody_elses_segment(
    path: str, hot: ModuleType | None, its_lock_too: bool
) -> None:
    """Two that publish in one place would be worse than one that ends.

    Nor is one taken whose lock somebody has removed, too.
    """
    first = SegmentWriter(path, hot=hot)
    first.publish(at_s(0.0))
    os.unlink(path)
    os.unlink(path + ".lock")
    with SegmentWriter(path, hot=hot) as second:
        second.publish(at_s(0.5))
        if its_lock_too:
            os.unlink(path + ".lock")
        with pytest.raises(SegmentLocked):
            first.publish(at_s(1.0))
        # Nor the lock, while it ends: the second one would be refused its own.
        second.publish(at_s(1.5))
        first.close()
        assert SegmentReader(path, hot=hot).header.start_id == second.start_id
        with pytest.raises(SegmentLocked):
            SegmentWriter(path, hot=hot)


@pytest.mark.parametrize("kind", [fcntl.F_RDLCK, fcntl.F_WRLCK])
def test_a_reader_cannot_keep_a_daemon_out(
    path: str, hot: ModuleType | None, kind: int
) -> None:
    """It may open the file, and so lock it: but only as readers do."""
    with SegmentWriter(path, hot=hot) as writer:
        writer.publish(at_s(0.0))
    asked = struct.pack("hhqqi0q", kind, os.SEEK_SET, 0, 0, 0)
    with open(path, "rb") as reader:
        with suppress(OSError):  # Which is what a lock for writing is refused with.
            fcntl.fcntl(reader, fcntl.F_OFD_SETLK, asked)
        with suppress(BlockingIOError):
            fcntl.flock(reader, fcntl.LOCK_EX | fcntl.LOCK_NB)
        SegmentWriter(path, hot=hot).close()


def test_where_nothing_can_be_put_back_publishing_says_so(
    path: str, hot: ModuleType | None
) -> None:
    """A correction that nobody can read is not published."""
    with SegmentWriter(path, hot=hot) as writer:
        writer.publish(at_s(0.0))
        os.unlink(path)
        os.mkdir(path)
        with pytest.raises(SegmentUnwritable):
            writer.publish(at_s(1.0))
        os.rmdir(path)


@needs_c
def test_heartbeats_go_on_in_the_file_that_is_put_back(path: str) -> None:
    """The thread stores where readers look, and no longer where they did."""
    with SegmentWriter(path, repeats=True) as writer:
        raw_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        writer.publish(make_frame(raw_ns=raw_ns - NS_PER_S))
        attached = SegmentReader(path)
        os.unlink(path)
        writer.publish(make_frame(raw_ns=raw_ns))
        old = attached.mapping.words[SEQUENCE_AT // 8]
        here = SegmentReader(path)
        seen = here.read().sequence
        deadline = time.monotonic() + 30.0
        while here.read().sequence == seen and time.monotonic() < deadline:
            pass
        assert here.read().sequence > seen
        assert attached.mapping.words[SEQUENCE_AT // 8] == old


def _with_threads(count: int) -> ModuleType:
    """Return the C module on a machine that has so many more threads."""
    assert HOT is not None
    make, left = HOT.Heart, [None] * count

    def heart(segment: memoryview) -> Heart:
        if not left:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        left.pop()
        made: Heart = make(segment)
        return made

    scarce = ModuleType("scarce")
    vars(scarce).update(vars(HOT), Heart=heart)
    return scarce


@needs_c
def test_without_a_thread_for_the_new_file_each_heartbeat_is_published(
    path: str,
) -> None:
    """As without one at the start: a machine that is short of threads ends no daemon."""
    with SegmentWriter(path, hot=_with_threads(1), repeats=True) as writer:
        assert writer.refresh_period_ns > 0
        writer.publish(at_s(0.0))
        os.unlink(path)
        for seconds in (1.0, 1.01, 2.0):
            writer.publish(at_s(seconds))
            read = SegmentReader(path).read()
            assert read.as_of_raw_ns == RAW_NS + round(seconds * NS_PER_S)
        assert writer.refresh_period_ns == 0
        assert writer.put_back_count == 1


@needs_c
def test_what_could_not_be_put_back_is_tried_again(path: str) -> None:
    """With each publication, as each is for nobody; then the heart beats as before."""
    with SegmentWriter(path, repeats=True) as writer:
        writer.publish(at_s(0.0))
        os.unlink(path)
        os.mkdir(path)
        for seconds in (1.0, 1.01):
            with pytest.raises(SegmentUnwritable):
                writer.publish(at_s(seconds))
        assert writer.refresh_period_ns == 0
        os.rmdir(path)
        writer.publish(at_s(1.02))
        assert SegmentReader(path).read().as_of_raw_ns == RAW_NS + 1_020_000_000
        assert writer.refresh_period_ns > 0
