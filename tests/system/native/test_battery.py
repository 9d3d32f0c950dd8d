"""One battery over both readers, on the real clocks: C changes no meaning."""

from __future__ import annotations

import copy
import json
import os
import pickle
import struct
import threading
from typing import TYPE_CHECKING, Any

import pytest

import chronotick
from chronotick.client.clock import Clock, PythonClock
from chronotick.core.errors import (
    ClockDisrupted,
    NoDaemon,
    NotSynchronized,
    SegmentCorrupt,
    StaleCorrection,
)
from chronotick.core.reading import Interval
from chronotick.core.records import Variance
from chronotick.core.status import Reason, Source, Status
from chronotick.core.units import NS_PER_S
from chronotick.shm.layout import HEADER_AT, SLOT, SLOT_AT, SLOT_SIZE
from chronotick.shm.native import HOT, WHY
from chronotick.shm.vmclock import DisruptionMarker
from chronotick.shm.writer import SegmentWriter
from system.shm.host_frames import frame_now, pair_now

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READERS = ["python", "c"]
_METHODS = ["now", "now_ns", "interval"]


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return where a segment may be made."""
    return str(tmp_path / "segment")


@pytest.fixture
def writer(path: str) -> Iterator[SegmentWriter]:
    """Return a writer that has published nothing yet."""
    with SegmentWriter(path) as writer:
        yield writer


@pytest.fixture(params=READERS)
def clock(request: pytest.FixtureRequest, path: str) -> Iterator[PythonClock]:
    """Return the clock of one implementation, not attached yet."""
    if request.param == "c" and HOT is None:
        pytest.skip(WHY)
    with (PythonClock if request.param == "python" else Clock)(path) as clock:
        yield clock


def _warm(clock: PythonClock) -> None:
    """Read until the quick path is in use."""
    for _ in range(3):
        clock.now_ns()


def test_the_two_implementations_are_two() -> None:
    """Else this file would test one of them twice."""
    assert (HOT is not None) == chronotick.NATIVE
    assert (Clock is PythonClock) == (HOT is None)


def test_c_answers_without_python(writer: SegmentWriter, path: str) -> None:
    """Publications, too, cost no Python while everything is in order."""
    if HOT is None:
        pytest.skip(WHY)
    writer.publish(frame_now())
    with Clock(path) as clock:
        _warm(clock)
        for name in ("_settled_now", "_settled_now_ns", "_settled_interval"):
            setattr(clock, name, None)  # Called, it would raise a TypeError.
        for _ in range(20):
            writer.publish(frame_now())
            clock.now()
            clock.now_ns()
            assert type(clock.interval()) is not Interval


def test_the_interval_holds_the_truth(
    writer: SegmentWriter, clock: PythonClock
) -> None:
    """On every call, fresh or extrapolated, with the midpoint a float's width away."""
    for age_ns in (0, 1_000, 50_000_000, 900_000_000, 3 * NS_PER_S):
        writer.publish(frame_now(age_ns=age_ns, bound_ns=20_000))
        for _ in range(50):
            before = pair_now().realtime_ns
            got = clock.interval()
            after = pair_now().realtime_ns

            assert got.earliest_ns <= after
            assert got.latest_ns >= before
            assert before - 20_000 <= clock.now_ns() <= after + 200_000_000
            assert abs(clock.now() - clock.now_ns() / 1e9) < 0.2


def test_every_publication_is_used_at_once(
    writer: SegmentWriter, clock: PythonClock
) -> None:
    """The next reading after a publication is of it."""
    for hours in range(20):
        ahead = frame_now().clocks.realtime_ns + hours * 3600 * NS_PER_S
        writer.publish(frame_now(utc_ns=ahead))

        assert abs(clock.now_ns() - ahead) < 60 * NS_PER_S
        assert abs(clock.interval().midpoint_ns - ahead) < 60 * NS_PER_S


def test_the_interval_says_what_it_is_worth(
    writer: SegmentWriter, clock: PythonClock
) -> None:
    """All fields, as objects of the same classes."""
    writer.publish(
        frame_now(
            status=Status.WARMUP,
            source=Source.NTP,
            reasons=Reason.FALSETICKERS | Reason.SOURCES_LOST,
            variance=Variance(4e6),
            bound_ns=1_000,
            bound_growth_ppb=0,
        )
    )
    _warm(clock)
    got = clock.interval()

    assert got.status is Status.WARMUP
    assert got.source is Source.NTP
    assert got.reasons == Reason.FALSETICKERS | Reason.SOURCES_LOST
    assert isinstance(got.reasons, Reason)
    assert got.sigma_ns == pytest.approx(2_000, rel=1e-6)
    assert got.width_ns == got.latest_ns - got.earliest_ns == 2_006
    assert got.midpoint_ns == (got.earliest_ns + got.latest_ns) // 2


def test_the_interval_does_what_a_named_tuple_does(
    writer: SegmentWriter, clock: PythonClock
) -> None:
    """Whoever made it: unpacking, comparing, hashing, copying, pickling."""
    writer.publish(frame_now())
    _warm(clock)
    got = clock.interval()
    plain = Interval(*got)
    earliest_ns, latest_ns, status, *_ = got

    assert isinstance(got, Interval)
    assert (earliest_ns, latest_ns, status) == got[:3] == plain[:3]
    assert got == plain
    assert plain == got
    assert (got != plain) is False
    assert hash(got) == hash(plain)
    assert repr(got) == repr(plain)
    assert len(got) == 6
    assert got._asdict() == plain._asdict()
    assert got._fields == Interval._fields
    assert got._replace(sigma_ns=1.0) == plain._replace(sigma_ns=1.0)
    assert got.index(status) == 2
    assert earliest_ns in got
    assert got < (*plain[:1], plain.latest_ns + 1)
    assert copy.copy(got) == copy.deepcopy(got) == plain
    assert pickle.loads(pickle.dumps(got)) == plain  # noqa: S301 - our own bytes
    assert json.dumps(list(got)) == json.dumps(list(plain))
    with pytest.raises(AttributeError):
        got.earliest_ns = 0  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        got.nothing = 0  # type: ignore[attr-defined]


def _ends(interval: Interval) -> tuple[int, ...] | None:
    """Return the first two of what matches a sequence, as people write it."""
    match interval:
        case (earliest_ns, latest_ns, *_):
            return earliest_ns, latest_ns
        case _:
            return None


def test_the_first_reading_is_like_the_next_ones(
    writer: SegmentWriter, clock: PythonClock
) -> None:
    """What works with one of them works with all, however they were computed."""
    writer.publish(frame_now(variance=Variance(1e6), coverage_99=2.5))
    intervals = [clock.interval() for _ in range(3)]
    intervals += [clock.interval(None), clock.interval(0.99)]
    writer.publish(frame_now(age_ns=2 * NS_PER_S))
    intervals += [clock.interval() for _ in range(2)]

    assert len({type(got) for got in intervals}) == 1
    for got in intervals:
        plain = Interval(*got)
        assert isinstance(got, Interval)
        assert isinstance(got, tuple)
        assert _ends(got) == plain[:2]
        assert got == plain
        assert got + (1,) == (*plain, 1)  # noqa: RUF005 - what is tested
        assert (1,) + got == (1, *plain)  # noqa: RUF005


@pytest.mark.parametrize("variance", [0.0, 1e-30, 0.3, 7.7e5, 1e30])
def test_what_python_settled_c_gives_to_the_last_bit(
    writer: SegmentWriter, path: str, variance: float
) -> None:
    """As an interval of its own, with the same values of the same kinds."""
    if HOT is None:
        pytest.skip(WHY)
    settled: list[Interval] = []

    class Watched(Clock):
        def _settled_interval(self) -> Interval:
            settled.append(PythonClock.interval(self))
            return settled[-1]

    writer.publish(
        frame_now(
            variance=Variance(variance, variance / 3),
            reasons=Reason.FALSETICKERS | Reason.INNOVATION,
            source=Source.FUSION,
        )
    )
    with Watched(path) as clock:
        got = clock.interval()

    assert settled == [got]
    assert [type(each) for each in got] == [type(each) for each in settled[0]]
    assert got.midpoint_ns == settled[0].midpoint_ns
    assert got.width_ns == settled[0].width_ns


def test_c_gives_on_what_is_no_interval_of_its_kind(path: str) -> None:
    """As it is, whatever a subclass makes of it; an index from it is not used."""
    if HOT is None:
        pytest.skip(WHY)
    plain = Interval(1, 2, Status.WARMUP, Source.NTP, Reason.NONE, 3.0)
    strange: tuple[object, ...] = (
        None,
        (1, 2),
        plain._replace(status=4),  # type: ignore[arg-type]
        plain._replace(source=-1),  # type: ignore[arg-type]
        plain._replace(earliest_ns="1"),  # type: ignore[arg-type]
        plain._replace(latest_ns=2**63),
        plain._replace(reasons=2**16),  # type: ignore[arg-type]
    )

    class Strange(Clock):
        def _settled_interval(self) -> object:
            return made

    with Strange(path) as clock:
        for made in strange:
            assert clock.interval() is made


@pytest.mark.parametrize("coverage", [0.99, 0.999])
def test_a_calibrated_interval_is_so_many_sigmas(
    writer: SegmentWriter, clock: PythonClock, coverage: float
) -> None:
    """By position or by name, or None for the hard one."""
    writer.publish(frame_now(variance=Variance(1e6), coverage_99=2.5, coverage_999=3.5))
    _warm(clock)
    width_ns = 2 * (2.5 if coverage == 0.99 else 3.5) * 1_000

    assert clock.interval(coverage).width_ns == pytest.approx(width_ns, abs=20)
    assert clock.interval(coverage=coverage).width_ns == pytest.approx(width_ns, abs=20)
    assert clock.interval(None).width_ns >= 200_000
    assert clock.interval(coverage=None).width_ns >= 200_000


def test_bad_coverages_are_refused(writer: SegmentWriter, clock: PythonClock) -> None:
    """Unearned, unknown, misspelled or too many."""
    writer.publish(frame_now())
    _warm(clock)
    read: Any = clock.interval

    with pytest.raises(NotSynchronized, match="not been earned"):
        read(0.99)
    with pytest.raises(ValueError, match=r"0\.99 or 0\.999"):
        read(0.5)
    with pytest.raises(TypeError):
        read(0.99, 0.999)
    with pytest.raises(TypeError):
        read(covered=0.99)


# ── refusals: each by its name, from both quick and slow paths ──────────────────────


def _flip(path: str, at: int, data: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


@pytest.mark.parametrize("method", _METHODS)
def test_no_daemon(clock: PythonClock, method: str) -> None:
    """And the path is named."""
    with pytest.raises(NoDaemon, match="segment"):
        getattr(clock, method)()


@pytest.mark.parametrize("method", _METHODS)
def test_nothing_published(
    writer: SegmentWriter, clock: PythonClock, method: str
) -> None:
    """A daemon that has just started."""
    with pytest.raises(NotSynchronized, match="nothing has been published"):
        getattr(clock, method)()


@pytest.mark.parametrize("method", _METHODS)
@pytest.mark.parametrize(
    ("changes", "error", "what"),
    [
        (
            {"status": Status.UNKNOWN, "reasons": Reason.NO_AGREEMENT},
            NotSynchronized,
            "no majority",
        ),
        ({"age_ns": 200 * NS_PER_S}, StaleCorrection, "expired"),
        ({"age_ns": -5 * NS_PER_S}, ClockDisrupted, "in the future"),
        ({"clocks": {"suspend_ns": -4 * NS_PER_S}}, ClockDisrupted, "slept 4"),
        ({"clocks": {"suspend_ns": 2**55}}, ClockDisrupted, "not those"),
    ],
    ids=["unknown", "old", "future", "slept", "other clocks"],
)
def test_a_publication_that_does_not_hold(
    writer: SegmentWriter,
    clock: PythonClock,
    method: str,
    changes: dict[str, Any],
    error: type[Exception],
    what: str,
) -> None:
    """Refused with its reason, and the next good one is read."""
    for _ in ("not attached yet", "from a quick path that is in use"):
        writer.publish(frame_now(**changes))
        for _ in range(2):
            with pytest.raises(error, match=what):
                getattr(clock, method)()
        writer.publish(frame_now())
        _warm(clock)

        assert getattr(clock, method)() is not None


@pytest.mark.parametrize("method", _METHODS)
def test_an_impossible_value_is_corrupt(
    path: str, writer: SegmentWriter, clock: PythonClock, method: str
) -> None:
    """Never a plausible number."""
    offsets = {field.name: field.offset for field in SLOT}
    nan = b"\x00\x00\xc0\x7f"
    for name, data in (
        ("status", b"\x09"),
        ("source", b"\x77"),
        ("leap", b"\x04"),
        ("smear", b"\x03"),
        ("variance_v0", nan),
        ("variance_v3", nan),
        ("bound_ns", b"\xff" * 8),
        ("anchor_utc_ns", b"\xff" * 7 + b"\x7f"),
        ("anchor_raw_ns", bytes(7) + b"\x80"),
        ("rate_fs_per_s", bytes(7) + b"\x80"),
    ):
        writer.publish(frame_now())
        _warm(clock)
        # The next one is spoiled before anybody has seen it.
        other = SLOT_AT + SLOT_SIZE * ((writer.sequence + 1) & 1)
        writer.publish(frame_now())
        _flip(path, other + offsets[name], data)
        with pytest.raises(SegmentCorrupt, match=name.split("_")[0]):
            getattr(clock, method)()


def test_a_move_is_noticed_from_the_first_marker_on(
    tmp_path: Path,
    writer: SegmentWriter,
    clock: PythonClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the daemon that was read from before could not see vmclock."""
    device = tmp_path / "vmclock0"
    device.write_bytes(struct.pack("<4s12xQ", b"VCLK", 7).ljust(4096, b"\0"))

    class Marker(DisruptionMarker):
        def __init__(self) -> None:
            super().__init__(str(device))

    monkeypatch.setattr("chronotick.client.attachment.DisruptionMarker", Marker)
    writer.publish(frame_now())
    _warm(clock)
    writer.publish(frame_now(frame={"disruption_marker": 8}))
    for method in _METHODS:
        with pytest.raises(ClockDisrupted, match="moved or restored"):
            getattr(clock, method)()
    writer.publish(frame_now(frame={"disruption_marker": 7}))
    _warm(clock)
    _flip(str(device), 16, b"\x09")
    for method in _METHODS:
        with pytest.raises(ClockDisrupted, match="moved or restored"):
            getattr(clock, method)()


def test_another_boot(path: str, writer: SegmentWriter, clock: PythonClock) -> None:
    """Noticed with the next publication."""
    writer.publish(frame_now())
    _warm(clock)
    _flip(path, HEADER_AT + 16, bytes(range(16)))
    writer.publish(frame_now())

    for method in _METHODS:
        with pytest.raises(ClockDisrupted, match="rebooted"):
            getattr(clock, method)()


@pytest.mark.parametrize(
    "method", [*_METHODS, "paired_ns", "snapshot", "observation", "publication"]
)
def test_a_daemon_of_another_time_namespace(
    path: str, clock: PythonClock, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the file over and goes on counting: refused from its first frame on."""
    with SegmentWriter(path) as writer:
        writer.publish(frame_now())
        _warm(clock)
    with monkeypatch.context() as foreign:
        foreign.setattr("chronotick.shm.writer.time_namespace", lambda: 7)
        with SegmentWriter(path) as writer:
            for _ in range(3):
                writer.publish(frame_now())
                with pytest.raises(ClockDisrupted, match="time namespace"):
                    getattr(clock, method)()
    with SegmentWriter(path) as writer:
        writer.publish(frame_now())
        assert getattr(clock, method)() is not None


def test_a_silent_daemon(writer: SegmentWriter, clock: PythonClock) -> None:
    """Holdover, with a wider interval, until the daemon is back."""
    writer.publish(frame_now(age_ns=2 * NS_PER_S))
    for _ in range(3):
        got = clock.interval()
        assert got.status is Status.HOLDOVER
        assert Reason.WRITER_SILENT in got.reasons
        clock.now_ns()
    writer.publish(frame_now())

    assert clock.interval().status is Status.SYNCHRONIZED
    assert clock.interval().reasons == Reason.NONE


@pytest.mark.parametrize("age_s", [2, 200], ids=["silent", "expired"])
def test_a_replaced_file(path: str, clock: PythonClock, age_s: int) -> None:
    """A new daemon's file is opened without a word to anybody."""
    with SegmentWriter(path) as writer:
        writer.publish(frame_now())
        _warm(clock)
        writer.publish(frame_now(age_ns=age_s * NS_PER_S))
    os.unlink(path)
    with SegmentWriter(path) as writer:
        writer.publish(frame_now())

        assert clock.interval().status is Status.SYNCHRONIZED


def test_a_vanished_file(path: str, writer: SegmentWriter, clock: PythonClock) -> None:
    """What is mapped holds; once it is void nobody is there."""
    writer.publish(frame_now(age_ns=2 * NS_PER_S))
    assert clock.interval().status is Status.HOLDOVER
    os.unlink(path)
    assert clock.interval().status is Status.HOLDOVER
    writer.publish(frame_now(age_ns=200 * NS_PER_S))

    with pytest.raises(NoDaemon):
        clock.interval()


def test_a_truncated_file(path: str, writer: SegmentWriter, clock: PythonClock) -> None:
    """What is left of the page reads as zero: named, and mended by the daemon."""
    writer.publish(frame_now())
    _warm(clock)
    os.truncate(path, 64)
    with pytest.raises(SegmentCorrupt, match=r"truncated|bytes where"):
        clock.now_ns()


def test_a_closed_clock(writer: SegmentWriter, clock: PythonClock) -> None:
    """Refused, also while the daemon publishes on."""
    writer.publish(frame_now())
    _warm(clock)
    clock.close()
    writer.publish(frame_now())

    for method in _METHODS:
        with pytest.raises(ValueError, match="closed"):
            getattr(clock, method)()


def test_many_threads_read_one_clock(writer: SegmentWriter, clock: PythonClock) -> None:
    """While the daemon publishes, goes silent, and comes back: never a wrong time."""
    writer.publish(frame_now())
    failures: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        try:
            while not stop.is_set():
                before = pair_now().realtime_ns
                got, now_ns = clock.interval(), clock.now_ns()
                after = pair_now().realtime_ns
                assert got.earliest_ns <= after
                assert got.latest_ns >= before
                assert now_ns <= after + 100_000
        except BaseException as exc:  # noqa: BLE001 - reported by the main thread
            failures.append(exc)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(300):
        writer.publish(frame_now(age_ns=(turn % 3 == 0) * 2 * NS_PER_S))
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_copy_of_the_clock_outlives_its_views(
    writer: SegmentWriter, clock: PythonClock
) -> None:
    """Bound methods keep what they read from alive."""
    writer.publish(frame_now())
    now_ns = clock.now_ns
    first = now_ns()
    del clock

    assert now_ns() >= first
