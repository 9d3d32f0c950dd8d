"""`daemon.thread`: whatever hangs in a thread, nobody waits for it at the end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from chronotick.daemon.thread import in_a_thread_of_its_own

SENSOR = """
import os, pathlib, sys
import anyio
from chrono_daemon import Supervisor
from chronotick.daemon.clocks import HostClock
from chronotick.daemon.covariates import Instruments, watch_covariates

root = pathlib.Path(sys.argv[1])
fifo = root / "sys/class/thermal/thermal_zone0/temp"
fifo.parent.mkdir(parents=True)
os.mkfifo(fifo)
is_asked = False

class Asked(Instruments):
    def read(self):
        global is_asked
        is_asked = True
        return super().read()

async def main():
    async with Supervisor() as supervisor:
        supervisor.spawn(watch_covariates, Asked(root), HostClock(), print, 0.01)
        while not is_asked:
            await supervisor.clock.sleep(0.01)
        await supervisor.stop(grace=0)
    print("left")
"""
SERVER = """
import threading
import anyio
from chrono_daemon import Supervisor
from chronotick.daemon.clocks import HostClock
from chronotick.eval.streaming.http_clock import HttpClock

is_asked = False

class Dripping(HttpClock):
    def ask(self):
        global is_asked
        is_asked = True
        threading.Event().wait(120)

async def main():
    async with Supervisor() as supervisor:
        supervisor.spawn(Dripping("http://127.0.0.1:1", HostClock()).follow)
        while not is_asked:
            await supervisor.clock.sleep(0.01)
        await supervisor.stop(grace=0)
    print("left")
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("script", [SENSOR, SERVER], ids=["sensor", "server"])
def test_nobody_waits_for_what_hangs(
    script: str, backend: str, tmp_path: object
) -> None:
    """A sensor that never answers, a server that drips: SIGTERM ends the daemon at once."""
    command = f"{script}\nanyio.run(main, backend={backend!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", command, str(tmp_path)],
        capture_output=True, timeout=30, check=True,
    )  # fmt: skip
    assert done.stdout == b"left\n"


@pytest.mark.anyio
async def test_what_it_returns_or_raises_comes_back() -> None:
    """From another thread."""
    assert (
        await in_a_thread_of_its_own(threading.get_ident, name="test")
        != threading.get_ident()
    )
    with pytest.raises(ValueError, match="invalid literal"):
        await in_a_thread_of_its_own(lambda: int("x"), name="test")


def _refuse(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.anyio
async def test_without_a_thread_nothing_is_left_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many threads as the system allows: weather, however often."""
    monkeypatch.setattr(threading.Thread, "start", _refuse)
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        with pytest.raises(OSError, match="no thread for the test"):
            await in_a_thread_of_its_own(os.getpid, name="test")

    assert len(os.listdir("/proc/self/fd")) == len(before)
