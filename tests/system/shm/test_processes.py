"""The segment between processes: full speed, kill −9, restarts, other users."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chronotick.client.clock import Clock, PythonClock
from chronotick.client.status import read_status
from chronotick.core.errors import (
    NoDaemon,
    SegmentCorrupt,
    SegmentLocked,
    SegmentUnreadable,
    SegmentUnwritable,
)
from chronotick.core.status import Status
from chronotick.shm.host import has_strong_ordering
from chronotick.shm.native import HOT, WHY
from chronotick.shm.reader import SegmentReader
from chronotick.shm.writer import SegmentWriter
from system.shm.host_frames import frame_now
from system.shm.storm import checked_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

_TESTS = Path(__file__).parents[2]
# The test runner's watchdog is a thread; what is forked here execs or exits.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*multi-threaded.*fork:DeprecationWarning"
)
needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can become another user"
)


# On CPUs that order stores weakly only C may publish.
WRITERS = ["python", "c"] if has_strong_ordering() else ["c"]


@pytest.fixture(params=["python", "c"])
def hot(request: pytest.FixtureRequest) -> ModuleType | None:
    """Run the test with the copies of both implementations."""
    if request.param == "c" and HOT is None:
        pytest.skip(WHY)
    return None if request.param == "python" else HOT


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return where a segment may be made."""
    return str(tmp_path / "segment")


@contextmanager
def _storm(path: str, kind: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that publishes at full speed; kill it −9 at the end."""
    command = [sys.executable, str(_TESTS / "system" / "shm" / "storm.py"), path, kind]
    environment = os.environ | {"PYTHONPATH": str(_TESTS)}
    with subprocess.Popen(command, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def _attached(
    path: str, hot: ModuleType | None, writer: subprocess.Popen[bytes]
) -> SegmentReader:
    """Wait until `writer` has published at `path`."""
    while True:
        assert writer.poll() is None, "the writing process has ended; see its output"
        os.sched_yield()
        try:
            reader = SegmentReader(path, hot=hot)
        except NoDaemon:
            continue
        if reader.mapping.words[24]:
            return reader


@pytest.mark.parametrize("writer", WRITERS)
def test_readers_of_a_writer_at_full_speed_see_whole_frames(
    path: str, hot: ModuleType | None, writer: str
) -> None:
    """In order, too: no frame older than one seen before."""
    with _storm(path, writer) as process:
        reader = _attached(path, hot, process)
        last = changes = 0
        while changes < 1_000:
            n = checked_number(reader.read())
            assert n >= last
            changes += n != last
            last = n


def test_history_of_a_writer_at_full_speed_is_whole(
    path: str, hot: ModuleType | None
) -> None:
    """Entries that are being replaced are left out, not mixed."""
    with _storm(path, WRITERS[0]) as process:
        reader = _attached(path, hot, process)
        found = 0
        while found < 5_000:
            for entry in reader.history():
                n = entry.raw_ns
                assert (entry.utc_ns, entry.bound_ns) == (3 * n, 5 * n)
                assert (entry.realtime_ns, entry.suspend_ns) == (7 * n, 11 * n)
                found += 1


def test_a_killed_writer_is_followed_by_the_next_on_the_same_file(
    path: str, hot: ModuleType | None
) -> None:
    """Killed at any moment: readers go on, first with the old frames, then the new."""
    reader: SegmentReader | None = None
    last = 0
    for turn in range(6):
        with _storm(path, WRITERS[turn % len(WRITERS)]) as process:
            reader = reader or _attached(path, hot, process)
            mapping = reader.mapping
            while checked_number(reader.read()) < last + 20 * (turn + 1):
                assert process.poll() is None
        left = checked_number(reader.read())
        for _ in range(100):
            assert checked_number(reader.read()) == left >= last
        assert reader.mapping is mapping
        assert not reader.refresh()
        last = left


def test_a_second_daemon_is_refused_by_the_first_ones_pid(path: str) -> None:
    """And is let in when the first one is dead, however it died."""
    with _storm(path, WRITERS[0]) as first:
        _attached(path, None, first)
        with pytest.raises(SegmentLocked) as refused:
            SegmentWriter(path)
        assert refused.value.pid == first.pid
        assert f"process {first.pid} is already publishing" in str(refused.value)
        first.send_signal(signal.SIGKILL)
        first.wait()
        SegmentWriter(path).close()


def test_what_a_writer_has_forked_keeps_no_lock_by_what_is_mapped(path: str) -> None:
    """Who closes all that he inherits, as a service does, has the page all the same."""
    script = _TESTS / "system/shm/bereft.py"
    with subprocess.Popen(
        [sys.executable, str(script), path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.read(1) == b"x"
        with pytest.raises(SegmentLocked):
            SegmentWriter(path)
        writer.kill()
        os.waitid(os.P_PID, writer.pid, os.WEXITED | os.WNOWAIT)

        SegmentWriter(path).close()


def test_a_forked_child_gives_no_lock_of_its_parents_away(path: str) -> None:
    """It may well close what it has inherited."""
    with SegmentWriter(path) as writer:
        pid = os.fork()
        if pid == 0:
            writer.close()
            os._exit(0)
        os.waitpid(pid, 0)
        os.unlink(path + ".lock")

        with pytest.raises(SegmentLocked):
            SegmentWriter(path)


# ── other users, other places ───────────────────────────────────────────────────────


@pytest.fixture
def shared() -> Iterator[Path]:
    """Return a directory that everybody may enter."""
    directory = Path(tempfile.mkdtemp(prefix="chronotick-test-", dir="/dev/shm"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


# Nobody publishes again: where processes wait for each other, seconds may have passed.
READ = (Status.SYNCHRONIZED, Status.HOLDOVER)


def _as_nobody(
    claim: Callable[[], None], prepare: Callable[[], None] | None = None
) -> None:
    """Run `claim` in a child process as user 65534; fail as it fails."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if prepare is not None:
                prepare()
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            claim()
            code = 0
        except BaseException:  # noqa: BLE001 - the parent sees the exit code
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@needs_root
@pytest.mark.parametrize("kind", [PythonClock, Clock])
def test_another_user_reads_and_cannot_write(
    shared: Path, kind: type[PythonClock]
) -> None:
    """Mode 0644: everybody's time, one user's to set."""
    path = str(shared / "segment")
    with SegmentWriter(path) as writer:
        writer.publish(frame_now())

        def claim() -> None:
            with kind(path) as clock:
                assert clock.interval().status in READ
            with pytest.raises(SegmentUnwritable):
                SegmentWriter(path)
            assert read_status(path) is None

        _as_nobody(claim)


@needs_root
def test_what_may_not_be_read_is_unreadable(shared: Path) -> None:
    """With the system's reason, for a file and for a directory."""
    path = str(shared / "segment")
    with SegmentWriter(path) as writer:
        writer.publish(frame_now())
    os.chmod(path, 0o600)

    def claim() -> None:
        with pytest.raises(SegmentUnreadable, match="Permission denied"):
            SegmentReader(path)

    _as_nobody(claim)
    os.chmod(path, 0o644)
    shared.chmod(0o700)
    _as_nobody(claim)


@needs_root
@pytest.mark.parametrize("kind", [PythonClock, Clock])
def test_a_container_reads_through_a_read_only_mount(
    shared: Path, kind: type[PythonClock]
) -> None:
    """Another mount namespace, another path, another user: the pod of the manual."""
    source, target = shared / "host", shared / "pod"
    source.mkdir(mode=0o755)
    target.mkdir(mode=0o755)
    with SegmentWriter(source / "segment") as writer:
        writer.publish(frame_now())

        def claim() -> None:
            with kind(target / "segment") as clock:
                first = clock.interval()
                assert first.status in READ
            with pytest.raises(SegmentUnwritable):
                SegmentWriter(target / "segment")
            with pytest.raises(OSError, match="Read-only"):
                (target / "other").touch()

        _as_nobody(claim, prepare=lambda: _mount_read_only(source, target))
    assert not (target / "segment").exists()


def _mount_read_only(source: Path, target: Path) -> None:
    """Enter a mount namespace of our own, with `source` mounted at `target`."""
    new_namespace = 0x0002_0000
    if ctypes.CDLL(None, use_errno=True).unshare(new_namespace):
        os._exit(0)  # No mount namespace may be made here.
    for command in (
        ["mount", "--make-rprivate", "/"],
        ["mount", "--bind", str(source), str(target)],
        ["mount", "-o", "remount,bind,ro", str(target)],
    ):
        subprocess.run(command, check=True)


def test_garbage_from_another_program_is_refused(path: str) -> None:
    """A file of the right size is no segment."""
    Path(path).write_bytes(os.urandom(4096))
    with pytest.raises(SegmentCorrupt):
        Clock(path).now()
