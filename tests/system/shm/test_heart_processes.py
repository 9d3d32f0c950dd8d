"""Heartbeats and the life of the process: exit, fork, a loop that hangs, kill −9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chronotick.client.clock import Clock
from chronotick.core.native import SWITCH
from chronotick.core.status import Reason, Status
from chronotick.core.units import NS_PER_S
from chronotick.shm.compat import decode_record
from chronotick.shm.host import has_strong_ordering
from chronotick.shm.native import HOT, WHY
from chronotick.shm.reader import SegmentReader
from chronotick.sim.server import HonestServer
from system.liar import ntp_server
from system.peers import running_daemon, wait_until

_TESTS = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(HOT is None, reason=WHY)


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return where a segment may be made."""
    return str(tmp_path / "segment")


_PROLOGUE = """
import os, sys, threading, warnings
from chronotick.shm.writer import SegmentWriter
from system.shm.host_frames import frame_now
writer = SegmentWriter(sys.argv[1], repeats=True)
frame = frame_now(frame={"heartbeat_ns": 1_000_000})
writer.publish(frame)
"""
_HANG = "print('hanging', flush=True)\nthreading.Event().wait()"
_EXIT = "while writer.sequence < 3: pass"
_FORK = """
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: of a fork beside a thread
pid = os.fork()
if pid == 0:
    try:
        writer.publish(frame)
    except RuntimeError:
        writer._heart.stop()
        assert not writer._heart.is_beating()
        del writer
        os._exit(7)
    os._exit(8)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
writer.publish(frame)
sequence = writer.sequence
while writer.sequence < sequence + 3: pass
writer.close()
"""


def _start(path: str, then: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _PROLOGUE + then, path],
        env=os.environ | {"PYTHONPATH": str(_TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("then", [_EXIT, _FORK], ids=["exit", "fork"])
def test_processes_end_with_a_heart_that_nobody_stopped(path: str, then: str) -> None:
    """At exit it goes with the process; a forked child has none, and is told so."""
    with _start(path, then) as process:
        _, stderr = process.communicate()

    assert (process.returncode, stderr) == (0, "")


def test_a_loop_that_hangs_falls_silent(path: str) -> None:
    """Readers see holdover, although the process and its thread are there."""
    with _start(path, _HANG) as process, Clock(path) as clock:
        assert process.stdout is not None
        assert process.stdout.readline() == "hanging\n"
        first = SegmentReader(path)
        wait_until(lambda: clock.interval().status is Status.HOLDOVER)

        assert Reason.WRITER_SILENT in clock.interval().reasons
        assert first.read().sequence > 5
        assert process.poll() is None
        process.kill()


def test_a_killed_heart_leaves_a_whole_frame(path: str) -> None:
    """Whatever it was doing: readers go on, and so does the next daemon's sequence."""
    last = 0
    for turn in range(3):
        with _start(path, _HANG) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "hanging\n"
            reader = SegmentReader(path)
            least = last + 3 + turn
            wait_until(lambda least=least, r=reader: r.read().sequence > least)
            process.kill()
        left = reader.read()

        assert left.status is Status.SYNCHRONIZED
        assert abs(left.realtime_ns - left.utc_ns) < 10 * NS_PER_S
        assert left.sequence > last
        assert reader.read() == left
        last = left.sequence


def test_a_daemon_that_is_stopped_is_silent_until_it_goes_on(path: str) -> None:
    """SIGSTOP takes the thread along; after SIGCONT the old lease is not worth a beat."""
    with (
        ntp_server(HonestServer()) as port,
        running_daemon(Path(path), "--server", f"127.0.0.1:{port}") as daemon,
        Clock(path) as clock,
    ):
        wait_until(lambda: "selected" in daemon.verdicts().values(), 30)
        assert not clock.interval().reasons & Reason.WRITER_SILENT
        os.kill(daemon.process.pid, signal.SIGSTOP)
        wait_until(lambda: clock.interval().status is Status.HOLDOVER)
        assert clock.interval().reasons & Reason.WRITER_SILENT
        silent = clock.interval()
        os.kill(daemon.process.pid, signal.SIGCONT)
        wait_until(lambda: not clock.interval().reasons & Reason.WRITER_SILENT)
        assert clock.interval().earliest_ns > silent.earliest_ns
        code, _ = daemon.stop()

    assert code == 0


@pytest.mark.parametrize(
    ("native", "who"),
    [("", "thread"), ("no", "loop")][: 2 if has_strong_ordering() else 1],
)
def test_the_daemon_beats_with_or_without_c(
    path: str, monkeypatch: pytest.MonkeyPatch, native: str, who: str
) -> None:
    """As often as it says, by a thread where it can, and the record ten times a second."""
    monkeypatch.setenv(SWITCH, native)
    with (
        ntp_server(HonestServer()) as port,
        running_daemon(Path(path), "--server", f"127.0.0.1:{port}") as daemon,
    ):
        wait_until(lambda: "selected" in daemon.verdicts().values(), 30)
        reader = SegmentReader(path)
        before = reader.read()
        number, _ = decode_record(reader.mapping.data)
        wait_until(lambda: reader.read().sequence > before.sequence + 100, 30)
        after = reader.read()
        number = decode_record(reader.mapping.data)[0] - number
        threads = {
            task.read_text().strip()
            for task in Path(f"/proc/{daemon.process.pid}/task").glob("*/comm")
        }
        code, log = daemon.stop()

    assert code == 0
    assert f"heartbeats={who}" in log
    assert ("heartbeat" in threads) == (who == "thread")
    assert after.heartbeat_ns == 10_000_000
    # Publications: the heartbeats, and a tenth as many of the loop; at most one sample
    # in 16 s after the burst. The record's number counts two for each of its own.
    elapsed_s = (after.as_of_raw_ns - before.as_of_raw_ns) / NS_PER_S
    assert after.sequence - before.sequence <= 125 * elapsed_s + 25
    assert 0 < number // 2 <= 12 * elapsed_s + 25
