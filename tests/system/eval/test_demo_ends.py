"""A demo of the evaluation that is ended takes its processes with it, and is quiet."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from chronotick.cli.exit_codes import ExitCode
from system.peers import is_at_work, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY = Path("/dev/shm")  # noqa: S108 - where the demo makes its room
HOSTS = 4
# A daemon and a node for each host, the stage, and the standard library's tracker.
ALL = 2 * HOSTS + 2


@contextmanager
def demo(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run it, as a shell would: in a process group of its own."""
    words = ["eval", "demo", "--output", str(folder)]
    with subprocess.Popen(
        [sys.executable, "-m", "chronotick", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def children(process: subprocess.Popen[str], count: int) -> list[psutil.Process]:
    """Return its processes as soon as there are `count` of them."""
    wait_until(lambda: len(psutil.Process(process.pid).children()) >= count)
    return psutil.Process(process.pid).children()


def rooms() -> set[Path]:
    """Return the folders of demos."""
    return set(MEMORY.glob("chronotick_eval_*"))


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL]
)
def test_an_ended_demo_leaves_no_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    """However it is ended; told to end, it takes its folder in memory along, too."""
    before = rooms()
    with demo(tmp_path) as process:
        ours = children(process, ALL)
        process.send_signal(number)
        code = process.wait()
        wait_until(lambda: not any(is_at_work(each) for each in ours))
        assert process.stderr is not None
        said = process.stderr.read()

    assert "Traceback" not in said
    left = rooms() - before
    for room in left:
        shutil.rmtree(room)
    if number is not signal.SIGKILL:
        assert (code, left) == (ExitCode.INTERRUPTED, set())


@pytest.mark.parametrize("count", [2, ALL // 2])
def test_ctrl_c_while_processes_start_is_quiet(tmp_path: Path, count: int) -> None:
    """The terminal interrupts all of them, wherever in their imports they are."""
    with demo(tmp_path) as process:
        children(process, count)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read()

    assert process.returncode == ExitCode.INTERRUPTED
    assert "Traceback" not in said
