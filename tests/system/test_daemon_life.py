"""A daemon's life as readers see it: killed, restarted, doubled, misled, stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chronotick import (
    Clock,
    ClockError,
    Interval,
    NoDaemon,
    NotSynchronized,
    StaleCorrection,
    Status,
)
from chronotick.core.status import Reason
from chronotick.sim.refusal import DenyingServer
from chronotick.sim.server import UnsynchronizedServer
from system.liar import ntp_server
from system.peers import chronyd, free_port, running_daemon, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One chronyd for the whole module."""
    with chronyd(tmp_path_factory.mktemp("chrony")) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
def hasty(tmp_path: Path) -> list[str]:
    """Flags for a daemon whose corrections expire within seconds: 1.2 ms at 500 ppm."""
    config = tmp_path / "hasty.yaml"
    config.write_text(
        "publish: {max_bound: 1.2ms, frequency: 20}\n"
        "clock: {max_drift: 500, max_frequency_error: 500}\n"
    )
    return ["--config", str(config)]


def read(clock: Clock) -> Interval | ClockError:
    """Return the interval or the error that a reader gets."""
    try:
        return clock.interval()
    except ClockError as error:
        return error


def becomes_readable(clock: Clock) -> bool:
    """Say whether there is an interval now."""
    return isinstance(read(clock), Interval)


def test_killed_readers_widen_then_refuse_and_a_restart_brings_them_back(
    tmp_path: Path, server: str, hasty: list[str]
) -> None:
    """``kill -9``: wider, HOLDOVER, expired; restarted: the same reader goes on."""
    segment = tmp_path / "segment"
    flags = ["--server", server, *hasty]
    with Clock(segment) as clock:
        with running_daemon(segment, *flags) as daemon:
            wait_until(lambda: becomes_readable(clock))
            daemon.kill()
        seen: list[Interval] = []
        wait_until(lambda: _collect(clock, seen))
        widths = [interval.width_ns for interval in seen]
        assert widths == sorted(widths)
        assert widths[-1] > widths[0] + 500_000
        assert seen[-1].status is Status.HOLDOVER
        assert Reason.WRITER_SILENT in seen[-1].reasons
        # A reader refuses at the instant that the daemon computed, not before: the
        # last width is within a read or two of the limit.
        assert 2_000_000 < widths[-1] <= 2_400_000
        expired = read(clock)
        assert isinstance(expired, StaleCorrection)
        assert "chronotick status" in str(expired)

        with running_daemon(segment, *flags):
            wait_until(lambda: becomes_readable(clock))
            assert _contains_realtime(clock)


def _collect(clock: Clock, seen: list[Interval]) -> bool:
    outcome = read(clock)
    if isinstance(outcome, Interval):
        seen.append(outcome)
        return False
    return True


def _contains_realtime(clock: Clock) -> bool:
    before_ns = time.time_ns()
    interval = clock.interval()
    after_ns = time.time_ns()
    return interval.earliest_ns <= after_ns and interval.latest_ns >= before_ns


def test_a_quick_restart_never_takes_the_time_away(tmp_path: Path, server: str) -> None:
    """A good correction outlives its daemon: no read fails across ``kill -9``."""
    segment = tmp_path / "segment"
    failures: list[ClockError] = []
    done = threading.Event()

    def read_on(clock: Clock) -> None:
        while not done.wait(0.001):
            outcome = read(clock)
            if isinstance(outcome, ClockError):
                failures.append(outcome)

    with Clock(segment) as clock, running_daemon(segment, "--server", server) as daemon:
        wait_until(lambda: "selected" in daemon.verdicts().values())
        reader = threading.Thread(target=read_on, args=(clock,))
        reader.start()
        try:
            daemon.kill()
            first_id = daemon.status["start_id"]
            with running_daemon(segment, "--server", server) as restarted:
                wait_until(lambda: restarted.status["start_id"] != first_id)
                wait_until(lambda: "selected" in restarted.verdicts().values())
        finally:
            done.set()
            reader.join()
    assert failures == []


def test_a_second_daemon_is_refused_and_told_who_was_first(
    tmp_path: Path, server: str
) -> None:
    """The first one's pid is named, the exit status is not zero, the first goes on."""
    segment = tmp_path / "segment"
    with (
        Clock(segment) as clock,
        running_daemon(segment, "--server", server) as first,
    ):
        wait_until(lambda: becomes_readable(clock))
        with running_daemon(segment, "--server", server) as second:
            _, stderr = second.process.communicate(timeout=30)
            assert second.process.returncode not in {0, None}
        assert str(first.process.pid) in stderr
        assert len(stderr.strip().splitlines()) == 1
        assert becomes_readable(clock)


def test_what_somebody_cleans_up_is_put_back(tmp_path: Path, server: str) -> None:
    """Segment, lock and report, as systemd's RemoveIPC does; no reading fails."""
    segment = tmp_path / "segment"
    failures: list[ClockError] = []

    def is_back(clock: Clock) -> bool:
        outcome = read(clock)
        if isinstance(outcome, ClockError):
            failures.append(outcome)
        return all(each.exists() for each in named)

    with Clock(segment) as clock, running_daemon(segment, "--server", server) as daemon:
        wait_until(lambda: "selected" in daemon.verdicts().values())
        wait_until(lambda: becomes_readable(clock))
        named = [Path(f"{segment}{each}") for each in ("", ".lock", ".status")]
        before = clock.publication().snapshot.sequence
        for each in named:
            each.unlink()
        wait_until(lambda: is_back(clock))
        with Clock(segment) as another:
            wait_until(lambda: becomes_readable(another))
            assert another.snapshot().sequence > before
        wait_until(lambda: clock.snapshot().sequence > before + 100)
        assert Reason.WRITER_SILENT not in clock.interval().reasons
        status, stderr = daemon.stop()
    assert failures == []
    assert status == 0
    assert f"event=segment_put_back segment={segment} " in stderr


def test_one_whose_place_was_taken_ends(tmp_path: Path, server: str) -> None:
    """Somebody removed the lock and started another daemon: there is one writer."""
    segment = tmp_path / "segment"
    with running_daemon(segment, "--server", server) as first:
        wait_until(lambda: "selected" in first.verdicts().values())
        # Too late to be put back before the second one is there.
        first.process.send_signal(signal.SIGSTOP)
        for each in ("", ".lock"):
            Path(f"{segment}{each}").unlink()
        with running_daemon(segment, "--server", server) as second, Clock(segment) as c:
            wait_until(lambda: becomes_readable(c))
            first.process.send_signal(signal.SIGCONT)
            _, stderr = first.process.communicate(timeout=30)
            assert first.process.returncode not in {0, None}
            assert "Traceback" not in stderr
            assert str(second.process.pid) in stderr.strip().splitlines()[-1]
            assert becomes_readable(c)


def test_sigterm_ends_it_cleanly_and_readers_keep_the_last_correction(
    tmp_path: Path, server: str
) -> None:
    """Exit status 0, no traceback; the segment stays and is still good."""
    segment = tmp_path / "segment"
    with Clock(segment) as clock, running_daemon(segment, "--server", server) as daemon:
        wait_until(lambda: becomes_readable(clock))
        status, stderr = daemon.stop()
        assert status == 0
        assert "Traceback" not in stderr
        assert becomes_readable(clock)


def unwritable(kind: str) -> int:
    """Return a descriptor that nothing can be written to, soon."""
    if kind == "full":
        return os.open("/dev/full", os.O_WRONLY)
    reader, writer = os.openpty() if kind == "terminal" else os.pipe()
    os.close(reader)
    return writer


@pytest.mark.parametrize("is_colored", [False, True], ids=["plain", "colored"])
@pytest.mark.parametrize("log", ["full", "closed", "terminal"])
def test_a_log_that_cannot_be_written_ends_no_daemon(
    tmp_path: Path, server: str, log: str, is_colored: bool
) -> None:
    """A disk that is full, a reader that is gone: others need the time all the same."""
    segment = tmp_path / "segment"
    stderr = unwritable(log)
    words = ["daemon", "--segment", str(segment), "--server", server]
    environment = os.environ | ({"FORCE_COLOR": "1"} if is_colored else {})
    with (
        subprocess.Popen(
            [sys.executable, "-m", "chronotick", *words],
            stderr=stderr,
            env=environment,
        ) as p,
        Clock(segment) as clock,
    ):
        os.close(stderr)
        try:
            wait_until(lambda: p.poll() is not None or becomes_readable(clock))
            assert becomes_readable(clock)
        finally:
            p.terminate()
        assert p.wait() == 0


def test_a_terminal_that_is_closed_ends_no_daemon(tmp_path: Path, server: str) -> None:
    """As after `disown`: nor does its end fail, which would take the line away."""
    segment = tmp_path / "segment"
    terminal, stderr = os.openpty()
    words = ["daemon", "--segment", str(segment), "--server", server]
    with (
        subprocess.Popen(
            [sys.executable, "-m", "chronotick", *words],
            stderr=stderr,
            start_new_session=True,
            env=os.environ | {"TERM": "xterm"},
        ) as p,
        Clock(segment) as clock,
    ):
        os.close(stderr)
        try:
            assert os.read(terminal, 1)
            os.close(terminal)
            wait_until(lambda: p.poll() is not None or becomes_readable(clock))
            assert becomes_readable(clock)
        finally:
            p.terminate()
        assert p.wait() == 0


def test_without_a_daemon_the_error_says_how_to_start_one(tmp_path: Path) -> None:
    """No file: NoDaemon, with the path and the command."""
    segment = tmp_path / "nothing"
    with Clock(segment) as clock, pytest.raises(NoDaemon) as caught:
        clock.interval()
    assert str(segment) in str(caught.value)
    assert "chronotick daemon" in str(caught.value)


@contextmanager
def garbage_server() -> Iterator[str]:
    """Answer every request with packets that are not answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.1)
        stop = threading.Event()

        def answer() -> None:
            while not stop.is_set():
                try:
                    request, sender = sock.recvfrom(512)
                except TimeoutError:
                    continue
                for reply in (b"", b"?" * 48, os.urandom(48), request, bytes(1200)):
                    sock.sendto(reply, sender)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"127.0.0.1:{sock.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


def verdict_of(tmp_path: Path, server: str) -> tuple[dict[str, object], Clock]:
    """Run a daemon on one bad server until it says something of it; return its row.

    Its burst is over at once: the log tells of a loss with the third in a row.
    """
    segment, config = tmp_path / "segment", tmp_path / "c.yaml"
    clock = Clock(segment)
    config.write_text(
        "polling: {burst_interval: 0.1s, timeout: 0.2s}\n"
        f"servers: [{{address: '{server}', private: true}}]\n"
    )
    with running_daemon(segment, "--config", str(config)) as daemon:
        wait_until(lambda: _is_told(_row(daemon.segment)))
        row = _row(daemon.segment)
        assert isinstance(read(clock), NotSynchronized)
        status, stderr = daemon.stop()
    assert status == 0
    assert "Traceback" not in stderr
    # Said once when it began, with the server's name, and not at every poll.
    said = [line for line in stderr.splitlines() if "event=server " in line]
    assert len(said) == 1
    assert server in said[0]
    return row, clock


def _is_told(row: dict[str, object]) -> bool:
    """Whether the log has it, too; of a loss, where the burst is over."""
    if row["verdict"] != "unreachable":
        return row["verdict"] != "pending"
    assert isinstance(row["poll_s"], float)
    return row["poll_s"] > 10.0


def _row(segment: Path) -> dict[str, object]:
    import json  # noqa: PLC0415 - used here only

    path = Path(f"{segment}.status")
    if not path.exists():
        return {"verdict": "pending"}
    sources = json.loads(path.read_text())["sources"]
    return dict(sources[0])


def test_an_unreachable_server_is_said_to_be(tmp_path: Path) -> None:
    """The kernel's "connection refused" reaches the table; the daemon goes on."""
    row, _ = verdict_of(tmp_path, f"127.0.0.1:{free_port()}")
    assert row["verdict"] == "unreachable"
    assert "refused" in str(row["detail"])


def test_an_unresolvable_name_is_said_to_be(tmp_path: Path) -> None:
    """The resolver's answer reaches the table."""
    row, _ = verdict_of(tmp_path, "no-such-host.invalid")
    assert row["verdict"] == "unresolved"
    assert "no-such-host.invalid" in str(row["detail"])


def test_a_kiss_of_death_is_obeyed_and_shown(tmp_path: Path) -> None:
    """DENY: never asked again, and the table says why."""
    with ntp_server(DenyingServer()) as port:
        row, _ = verdict_of(tmp_path, f"127.0.0.1:{port}")
    assert row["verdict"] == "denied"
    assert "DENY" in str(row["detail"])


def test_an_unsynchronized_server_is_not_believed(tmp_path: Path) -> None:
    """It says itself that it has no time."""
    with ntp_server(UnsynchronizedServer()) as port:
        row, _ = verdict_of(tmp_path, f"127.0.0.1:{port}")
    assert row["verdict"] == "rejected"
    assert "unsynchronized" in str(row["detail"])


def test_garbage_is_counted_and_costs_nothing(tmp_path: Path) -> None:
    """Random, empty, echoed and oversized packets: no time, no traceback, counted."""
    with garbage_server() as server:
        row, _ = verdict_of(tmp_path, server)
    assert row["verdict"] in {"unreachable", "rejected"}
    rejected = row["rejected"]
    assert isinstance(rejected, dict)
    assert sum(rejected.values()) >= 4
