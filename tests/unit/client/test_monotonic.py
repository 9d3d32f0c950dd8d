"""The monotone view: forward only, at nearly the right rate, and honest about its lag."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.client.clock import Clock
from chronotick.client.monotonic import MonotonicClock
from chronotick.core.errors import NotSynchronized
from chronotick.core.status import Status
from chronotick.core.units import NS_PER_S
from chronotick.shm.writer import SegmentWriter
from unit.client.virtual import VirtualHost
from unit.shm.frames import UTC_NS, make_frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@given(
    slew_ppm=st.floats(0.1, 100_000),
    turns=st.lists(
        st.tuples(st.floats(0, 5), st.integers(-(10**9), 10**9)),
        min_size=1,
        max_size=30,
    ),
)
@settings(max_examples=50, deadline=None)
def test_it_never_goes_back_and_never_runs_faster_than_it_may(
    tmp_path_factory: pytest.TempPathFactory,
    slew_ppm: float,
    turns: list[tuple[float, int]],
) -> None:
    """Whatever the corrections do."""
    path: Path = tmp_path_factory.mktemp("view") / "segment"
    host = VirtualHost(tick_ns=0)
    with SegmentWriter(path) as writer, Clock(path, clocks=host) as clock:
        writer.publish(make_frame())
        view = MonotonicClock(clock, max_slew_ppm=slew_ppm)
        last_ns, last_raw_ns = view.now_ns(), host.raw_ns
        for seconds, jump_ns in turns:
            host.advance(seconds)
            writer.publish(make_frame(raw_ns=host.raw_ns, utc_ns=host.utc_ns + jump_ns))
            now_ns = view.now_ns()
            elapsed_ns = host.raw_ns - last_raw_ns

            assert now_ns >= last_ns
            freedom_ns = elapsed_ns * slew_ppm * 1e-6 + 1
            assert abs(now_ns - last_ns - elapsed_ns) <= freedom_ns
            assert view.lag_ns == clock.now_ns() - now_ns
            last_ns, last_raw_ns = now_ns, host.raw_ns


@pytest.fixture
def view(clock: Clock, writer: SegmentWriter) -> MonotonicClock:
    """Return a view of one correction, read once."""
    writer.publish(make_frame())
    view = MonotonicClock(clock)
    view.now_ns()
    return view


def _jump(writer: SegmentWriter, host: VirtualHost, by_ns: int) -> None:
    writer.publish(make_frame(raw_ns=host.raw_ns, utc_ns=host.utc_ns + by_ns))


class _Interrupted(Clock):
    """A clock during whose next reading a signal's handler comes, and does `handle`."""

    handle: Callable[[], object] | None = None

    def paired_ns(self) -> tuple[int, int]:
        """Read; the handler runs before the caller has what was read."""
        found = super().paired_ns()
        handle, self.handle = self.handle, None
        if handle is not None:
            handle()
        return found


@pytest.mark.parametrize("method", ["now_ns", "catch_up"])
@pytest.mark.parametrize("handled", ["now_ns", "catch_up"])
def test_a_signals_handler_may_read_it(
    path: str, writer: SegmentWriter, host: VirtualHost, method: str, handled: str
) -> None:
    """Also in the middle of a reading, and nobody sees time go back for that."""
    seen: list[int] = []
    with _Interrupted(path, clocks=host) as clock:
        writer.publish(make_frame())
        view = MonotonicClock(clock)
        for _ in range(3):
            seen.append(view.now_ns())
            _jump(writer, host, NS_PER_S)
            clock.handle = lambda: seen.append(getattr(view, handled)())
            seen.append(getattr(view, method)())

    assert seen == sorted(seen)
    assert len(seen) == 9


def test_it_starts_at_the_midpoint(view: MonotonicClock) -> None:
    """Behind by nothing."""
    assert view.now_ns() == pytest.approx(UTC_NS, abs=10_000)
    assert view.lag_ns == 0


def test_it_reaches_the_correction_at_its_rate(
    view: MonotonicClock, writer: SegmentWriter, host: VirtualHost
) -> None:
    """A jump of 1 ms takes two seconds at 500 ppm, in either direction."""
    for by_ns in (1_000_000, -1_000_000):
        _jump(writer, host, by_ns)
        host.advance(1.0)
        writer.publish(make_frame(raw_ns=host.raw_ns, utc_ns=host.utc_ns + by_ns))
        view.now_ns()
        assert abs(view.lag_ns) == pytest.approx(500_000, rel=0.01)
        host.advance(1.1)
        writer.publish(make_frame(raw_ns=host.raw_ns, utc_ns=host.utc_ns + by_ns))
        view.now_ns()
        assert view.lag_ns == 0
        _jump(writer, host, 0)
        host.advance(10.0)
        writer.publish(make_frame(raw_ns=host.raw_ns, utc_ns=host.utc_ns))
        view.now_ns()


def test_it_catches_up_only_forward(
    view: MonotonicClock, writer: SegmentWriter, host: VirtualHost
) -> None:
    """On demand, and never back."""
    _jump(writer, host, 5 * NS_PER_S)
    ahead_ns = view.catch_up()
    assert ahead_ns == pytest.approx(host.utc_ns + 5 * NS_PER_S, abs=10_000)
    assert view.lag_ns == 0

    _jump(writer, host, 0)
    assert view.catch_up() == ahead_ns
    assert view.lag_ns == pytest.approx(-5 * NS_PER_S, abs=10_000)
    assert view.now() >= ahead_ns / 1e9 - 1e-6


def test_a_fresh_view_catches_up_to_the_midpoint(
    clock: Clock, writer: SegmentWriter
) -> None:
    """Also before its first reading."""
    writer.publish(make_frame())

    assert MonotonicClock(clock).catch_up() == pytest.approx(UTC_NS, abs=10_000)


def test_it_passes_errors_on_and_keeps_its_place(
    view: MonotonicClock, writer: SegmentWriter, host: VirtualHost
) -> None:
    """A lost clock is an error here, too; afterwards it goes on from where it was."""
    before_ns = view.now_ns()
    writer.publish(make_frame(status=Status.UNKNOWN))
    with pytest.raises(NotSynchronized):
        view.now_ns()
    host.advance(1.0)
    _jump(writer, host, -10 * NS_PER_S)

    assert view.now_ns() > before_ns


@pytest.mark.parametrize("max_slew_ppm", [0, -1, 1_000_000, float("nan")])
def test_an_impossible_rate_is_refused(clock: Clock, max_slew_ppm: float) -> None:
    """At a million ppm it would stand still."""
    with pytest.raises(ValueError, match="max_slew_ppm"):
        MonotonicClock(clock, max_slew_ppm=max_slew_ppm)


def test_threads_share_one_order(view: MonotonicClock) -> None:
    """What one thread has seen no other thread undercuts afterwards."""
    newest, failures = [0], []
    lock = threading.Lock()

    def read() -> None:
        for _ in range(300):
            with lock:
                floor_ns = newest[0]
            now_ns = view.now_ns()
            if now_ns < floor_ns:
                failures.append((now_ns, floor_ns))
            with lock:
                newest[0] = max(newest[0], now_ns)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_can_read(view: MonotonicClock) -> None:
    """Also where the parent's lock was held at the fork."""
    view._lock.acquire()
    try:
        pid = os.fork()
        if pid == 0:
            view.now_ns()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        view._lock.release()
