"""A daemon in a real time namespace takes over a segment that readers are attached to."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chronotick.client.clock import Clock, PythonClock
from chronotick.client.monotonic import MonotonicClock
from chronotick.client.record import ChronoTickClient
from chronotick.core.errors import ClockDisrupted
from chronotick.shm.reader import SegmentReader
from chronotick.shm.writer import SegmentWriter
from system.native.compiling import STRICT, compiled
from system.shm.host_frames import frame_now, pair_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_TESTS = Path(__file__).parents[2]
_CLOCKS = ("--fork", "--kill-child", "--time", "--monotonic=-2", "--boottime=-2")
_UNKNOWN_OPTION = "unrecognized option"
_NAMESPACE = 9
_KINDS = ("native", "pure", "monotonic", "record", "segment")


def _unshare() -> list[str]:
    """Return the command that runs another one with RAW two seconds behind.

    Skips where the kernel makes no such namespace for us, with what it says.
    """
    program = shutil.which("unshare")
    if program is None:
        pytest.fail("no unshare: install util-linux")
    said = []
    for user in ([], ["--user", "--map-root-user"]):
        command = [program, *user, *_CLOCKS]
        done = subprocess.run(
            [*command, "true"], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return command
        said.append(done.stderr.strip())
    pytest.skip(f"no time namespace can be made here: {said}")


@contextmanager
def _foreign(path: str) -> Iterator[Callable[[], None]]:
    """Run a daemon in a time namespace of its own; yield what makes it publish."""
    command = [*_unshare(), sys.executable, str(_TESTS / "system/shm/foreign.py"), path]
    environment = os.environ | {"PYTHONPATH": str(_TESTS)}
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout
        assert stdout.readline() == "published\n"

        def publish() -> None:
            stdin.write("\n")
            stdin.flush()
            assert stdout.readline() == "published\n"

        yield publish
        stdin.close()


def _native(path: str) -> Callable[[], int]:
    clock = Clock(path)
    return clock.now_ns


def _pure(path: str) -> Callable[[], int]:
    clock = PythonClock(path)
    return lambda: clock.interval().midpoint_ns


def _monotonic(path: str) -> Callable[[], int]:
    return MonotonicClock(Clock(path)).now_ns


def _record(path: str) -> Callable[[], int]:
    client = ChronoTickClient(path)
    return lambda: round(client.get_time().corrected_timestamp * 1e9)


def _segment(path: str) -> Callable[[], int]:
    reader = SegmentReader(path)

    def now_ns() -> int:
        snapshot = reader.read()
        return snapshot.utc_ns + pair_now().raw_ns - snapshot.raw_ns

    return now_ns


def _header(path: str) -> Callable[[], int]:
    library = ctypes.CDLL(
        str(compiled("library.c", "-std=c11", "-shared", "-fPIC", *STRICT))
    )
    library.open_reader.restype = ctypes.c_void_p
    reader = ctypes.c_void_p(library.open_reader(path.encode()))

    def now_ns() -> int:
        out = (ctypes.c_int64 * 4)()
        error = library.read_interval(reader, out)
        if error == _NAMESPACE:
            raise ClockDisrupted(path, "another time namespace")
        assert error == 0
        return (out[0] + out[1]) // 2

    return now_ns


@pytest.mark.parametrize(
    "attach", [_native, _pure, _monotonic, _record, _segment, _header]
)
def test_attached_readers_refuse_a_daemon_with_other_clocks(
    tmp_path: Path, attach: Callable[[str], Callable[[], int]]
) -> None:
    """Two seconds off would be well within what a bare look at the anchor allows."""
    path = str(tmp_path / "segment")
    with SegmentWriter(path) as writer:
        writer.publish(frame_now())
        now_ns = attach(path)
        assert abs(now_ns() - pair_now().realtime_ns) < 500_000_000
    with _foreign(path) as publish:
        for _ in range(3):
            with pytest.raises(ClockDisrupted, match="time namespace"):
                now_ns()
            publish()


@pytest.mark.parametrize("seconds", [-2, 2])
@pytest.mark.parametrize("kind", _KINDS)
def test_a_child_that_is_forked_into_other_clocks_is_refused(
    tmp_path: Path, kind: str, seconds: int
) -> None:
    """With its parent's clock it would be off by the difference, and not see it."""
    script, path = str(_TESTS / "system/shm/moved.py"), str(tmp_path / "segment")
    user = _unshare()[: -len(_CLOCKS)]
    with SegmentWriter(path) as writer:
        writer.publish(frame_now(frame={"heartbeat_ns": 10**9}))
        done = subprocess.run(
            [*user, sys.executable, script, path, kind, str(seconds)],
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.stdout == "refused True\n" * 3, done.stderr


@pytest.mark.parametrize("kind", _KINDS)
def test_a_child_that_read_its_own_daemon_refuses_its_parents(
    tmp_path: Path, kind: str
) -> None:
    """Which clocks are its own it finds out anew after the fork, and not once for all."""
    script, path = str(_TESTS / "system/shm/handed_over.py"), str(tmp_path / "segment")
    user = _unshare()[: -len(_CLOCKS)]
    done = subprocess.run(
        [*user, sys.executable, script, path, kind],
        env=os.environ | {"PYTHONPATH": str(_TESTS)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "refused True\n" * 3, done.stderr
