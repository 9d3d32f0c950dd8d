"""Heartbeats outside the event loop: a real thread on the real clocks, polled."""

from __future__ import annotations

import mmap
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chronotick.client.clock import Clock
from chronotick.core.errors import ClockDisrupted
from chronotick.core.records import Variance
from chronotick.core.status import Reason, Source, Status
from chronotick.core.units import NS_PER_S
from chronotick.shm.codec import Snapshot, decode_slot, encode_slot
from chronotick.shm.compat import decode_record
from chronotick.shm.layout import SEGMENT_SIZE, SLOT_SIZE
from chronotick.shm.native import HOT, WHY
from chronotick.shm.reader import SegmentReader
from chronotick.shm.writer import SegmentWriter
from system.peers import wait_until
from system.shm.host_frames import frame_now, pair_now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chronotick.core.records import Frame
    from chronotick.shm._hot import Heart

_PERIOD_NS = 1_000_000
_LONG_NS = 999_999_999

pytestmark = pytest.mark.skipif(HOT is None, reason=WHY)


@pytest.fixture
def segment() -> Iterator[memoryview]:
    """Return memory of a segment's size, which nothing holds any more at the end."""
    with mmap.mmap(-1, SEGMENT_SIZE) as memory, memoryview(memory) as view:
        yield view


@pytest.fixture
def heart(segment: memoryview) -> Iterator[Heart]:
    """Return a heart at rest."""
    assert HOT is not None
    made: Heart = HOT.Heart(segment)
    yield made
    made.stop()


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return where a segment may be made."""
    return str(tmp_path / "segment")


def _publish(heart: Heart, frame: Frame, lease_ns: int = _LONG_NS) -> int:
    last_sync_raw_ns = frame.correction.last_sync_raw_ns
    return heart.publish(encode_slot(frame), _PERIOD_NS, lease_ns, last_sync_raw_ns)


def _live(segment: memoryview) -> tuple[int, bytes]:
    assert HOT is not None
    found = HOT.copy_slot(segment)
    assert found is not None
    sequence, slot, _ = found
    return int(sequence), bytes(slot)


def _beat(heart: Heart, segment: memoryview, frame: Frame) -> Snapshot:
    """Wait for a beat of `frame` that nobody has seen yet.

    On a starved machine a lease can run out before there was one: then it is renewed.
    """
    before, _ = _live(segment)

    def has_beaten() -> bool:
        if not heart.is_beating():
            _publish(heart, frame)
        got = decode_slot(*_live(segment))
        return got.sequence > before and got.as_of_raw_ns > frame.as_of_raw_ns

    wait_until(has_beaten)
    return decode_slot(*_live(segment))


def _writers_beat(writer: SegmentWriter, frame: Frame) -> None:
    """Wait for a beat of a writer's heart, with the lease renewed likewise."""
    heart, before = writer._heart, writer.sequence
    assert heart is not None

    def has_beaten() -> bool:
        nonlocal before
        if not heart.is_beating():
            writer.publish(frame)
            before = writer.sequence
        return writer.sequence > before

    wait_until(has_beaten)


def _wait_ns(duration_ns: int) -> None:
    """Give the thread time to do what it must not do."""
    until_ns = time.monotonic_ns() + duration_ns
    wait_until(lambda: time.monotonic_ns() > until_ns)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"last_sync_raw_ns": 0, "reasons": Reason.FALSETICKERS},
        {"measurement_count": 0},
        {"status": Status.UNKNOWN, "reasons": Reason.STEP},
        {"rate_ppb": -31.25, "variance": Variance(3, 2, 1, 0.5), "source": Source.NTP},
        {"frame": {"void_after_raw_ns": 0}},
        {"frame": {"disruption_marker": 2**64 - 5, "tai_minus_utc_s": 37}},
    ],
    ids=["plain", "old", "never", "unknown", "model", "void", "marker"],
)
def test_a_beat_is_the_frame_with_the_clocks_read_again(
    heart: Heart, segment: memoryview, changes: dict[str, object]
) -> None:
    """Bit by bit what the loop would have published; also of one that is void."""
    frame = frame_now(**changes)  # type: ignore[arg-type]
    _publish(heart, frame)
    for _ in range(10):
        _beat(heart, segment, frame)
        sequence, slot = _live(segment)
        got = decode_slot(sequence, slot)
        error_ns = got.realtime_error_ns
        clocks = frame.clocks._replace(
            raw_ns=got.as_of_raw_ns,
            realtime_ns=got.realtime_ns,
            error_ns=65_535 if error_ns is None else error_ns,
        )
        assert slot == encode_slot(replace(frame, clocks=clocks))


def test_a_beat_reads_the_clocks_as_the_daemon_does(
    heart: Heart, segment: memoryview
) -> None:
    """RAW in order, and with it the REALTIME that was read together with it."""
    frame = frame_now(clocks={"error_ns": 65_535})  # no usable pair
    _publish(heart, frame)
    last_ns = frame.as_of_raw_ns
    for _ in range(10):
        got, now = _beat(heart, segment, frame), pair_now()

        assert last_ns < got.as_of_raw_ns <= now.raw_ns
        assert got.realtime_error_ns is not None
        # Somebody may steer the system clock meanwhile, by 500 ppm and more.
        skew_ns = (got.realtime_ns - got.as_of_raw_ns) - (now.realtime_ns - now.raw_ns)
        assert abs(skew_ns) <= got.realtime_error_ns + now.error_ns + 1_000_000
        last_ns = got.as_of_raw_ns


def test_it_rests_once_its_lease_is_over_and_resumes(
    heart: Heart, segment: memoryview
) -> None:
    """An event loop that does not come back must not look alive."""
    for _ in range(3):
        first = _publish(heart, frame_now(), lease_ns=50 * _PERIOD_NS)
        wait_until(lambda: not heart.is_beating())
        left = _live(segment)
        # Some if it got a CPU at all, and no more than there were periods.
        assert left[0] - first <= 50
        _wait_ns(20 * _PERIOD_NS)

        assert _live(segment) == left
        assert not heart.is_beating()
    after = frame_now()
    _publish(heart, after)
    _beat(heart, segment, after)


def test_without_a_lease_there_is_no_beat(heart: Heart, segment: memoryview) -> None:
    """Also not one that an earlier lease had promised."""
    frame = frame_now()
    _publish(heart, frame)
    _beat(heart, segment, frame)
    sequence = _publish(heart, frame_now(), lease_ns=0)
    assert not heart.is_beating()
    _wait_ns(20 * _PERIOD_NS)

    assert _live(segment)[0] == sequence


@pytest.mark.parametrize(
    "changes",
    [
        {"clocks": {"suspend_ns": -4 * NS_PER_S}},
        {"clocks": {"suspend_ns": 2**55}},
        {"age_ns": -5 * NS_PER_S},
    ],
    ids=["the host slept", "other clocks", "RAW went back"],
)
def test_it_does_not_beat_over_a_gap_in_raw(
    heart: Heart, segment: memoryview, changes: dict[str, object]
) -> None:
    """The frame stays as it was stamped; the next that matches is repeated again."""
    frame = frame_now()
    _publish(heart, frame)
    _beat(heart, segment, frame)
    gap = frame_now(**changes)  # type: ignore[arg-type]
    sequence = _publish(heart, gap, lease_ns=20 * _PERIOD_NS)
    wait_until(lambda: not heart.is_beating())

    assert _live(segment) == (sequence, encode_slot(gap))
    after = frame_now()
    _publish(heart, after)
    _beat(heart, segment, after)


def test_readers_refuse_after_a_sleep_until_the_loop_has_looked(path: str) -> None:
    """However long that takes: the thread does not renew what gives the sleep away."""
    beating = {"heartbeat_ns": _PERIOD_NS}
    before = frame_now(clocks={"suspend_ns": -4 * NS_PER_S}, frame=beating)
    with SegmentWriter(path, repeats=True) as writer, Clock(path) as clock:
        assert writer._heart is not None
        is_beating = writer._heart.is_beating

        def is_refused_to_the_end() -> bool:
            with pytest.raises(ClockDisrupted, match="slept 4"):
                clock.now()
            return not is_beating()

        writer.publish(before)
        wait_until(is_refused_to_the_end)
        writer.publish(frame_now(frame=beating))

        assert clock.interval().status is Status.SYNCHRONIZED


def test_a_period_without_a_lease_may_be_any(heart: Heart, segment: memoryview) -> None:
    """There is no beat that it could be too long for."""
    slot = encode_slot(frame_now())
    sequence = heart.publish(slot, 2**63 - 1, 0, 0)
    _wait_ns(20 * _PERIOD_NS)

    assert _live(segment) == (sequence, slot)


def test_its_end_is_waited_for(segment: memoryview) -> None:
    """When `stop` has returned nothing is stored any more; it may be called again."""
    assert HOT is not None
    for _ in range(20):
        heart: Heart = HOT.Heart(segment)
        frame = frame_now()
        _publish(heart, frame)
        _beat(heart, segment, frame)
        heart.stop()
        left = bytes(segment)
        heart.stop()

        assert not heart.is_beating()
        with pytest.raises(RuntimeError, match="stopped"):
            _publish(heart, frame_now())
        assert bytes(segment) == left


def test_the_memory_is_held_for_as_long_as_the_thread_runs() -> None:
    """Unmapping it under the thread is impossible; forgetting the heart stops it."""
    assert HOT is not None
    memory = mmap.mmap(-1, SEGMENT_SIZE)
    heart = HOT.Heart(memory)
    _publish(heart, frame_now())
    with pytest.raises(BufferError):
        memory.close()
    del heart
    memory.close()


def test_it_takes_no_nonsense(heart: Heart) -> None:
    """Buffers that are no segment, slots that are none, leases that would lie."""
    assert HOT is not None
    slot = encode_slot(frame_now())
    with pytest.raises(BufferError):
        HOT.Heart(bytes(SEGMENT_SIZE))
    for arguments in ((), (None,), (bytearray(SEGMENT_SIZE), 1)):
        with pytest.raises(TypeError):
            HOT.Heart(*arguments)
    with pytest.raises(TypeError, match="no names"):
        HOT.Heart(segment=bytearray(SEGMENT_SIZE))
    with pytest.raises(ValueError, match="no slot"):
        heart.publish(bytes(SLOT_SIZE - 1), _PERIOD_NS, 0, 0)
    for period_ns, lease_ns in (
        (0, 0), (99_999, 5), (10**6, -1), (10**6, NS_PER_S), (NS_PER_S, 5), (2**63 - 1, 5),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="no such period or lease"):
            heart.publish(slot, period_ns, lease_ns, 0)
    with pytest.raises(ValueError, match="no 64-bit number"):
        heart.publish(slot, _PERIOD_NS, 0, 2**63)


# ── as the writer uses it ───────────────────────────────────────────────────────────


def test_a_writer_that_repeats_beats_between_publications(path: str) -> None:
    """Every publication is still seen at once, with the record that belongs to it."""
    with SegmentWriter(path, repeats=True) as writer:
        assert writer.refresh_period_ns == 100_000_000
        reader = SegmentReader(path)
        for hours in range(5):
            frame = frame_now(utc_ns=hours * 3600 * NS_PER_S)
            writer.publish(frame)
            assert reader.read().utc_ns == frame.correction.utc_ns
            again = replace(frame, clocks=pair_now())
            writer.publish(again)
            _, record = decode_record(reader.mapping.data)
            assert abs(record.system_timestamp - again.clocks.realtime_ns / 1e9) < 1e-6
            _writers_beat(writer, again)
            assert reader.read().utc_ns == frame.correction.utc_ns
            assert reader.read().as_of_raw_ns > again.clocks.raw_ns
        assert [entry.utc_ns for entry in reader.history()] == [
            hours * 3600 * NS_PER_S for hours in (4, 3, 2, 1, 0)
        ]


def test_slow_heartbeats_are_the_publications_themselves(path: str) -> None:
    """At ten a second and below the thread never wakes up."""
    with SegmentWriter(path, repeats=True) as writer:
        writer.publish(frame_now(frame={"heartbeat_ns": 100_000_000}))
        assert writer._heart is not None
        assert not writer._heart.is_beating()


def test_a_closed_writer_is_silent_before_the_next_one_writes(path: str) -> None:
    """Its thread ends before the file's lock goes."""
    for _ in range(10):
        with SegmentWriter(path, repeats=True) as writer:
            frame = frame_now(frame={"heartbeat_ns": _PERIOD_NS})
            writer.publish(frame)
            _writers_beat(writer, frame)
        left = Path(path).read_bytes()
        with SegmentWriter(path) as successor:
            successor.publish(frame_now())
            assert successor.sequence == int.from_bytes(left[192:200], "little") + 1
