"""A supervisor as a real service: signals, systemd's socket, real sockets and threads."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from chrono_daemon import Context, Daemon, SimClock, Supervisor
from chrono_daemon.clock import settle
from chrono_daemon.recipes.hosting.systemd import notify_systemd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_in_order(backend: str, number: signal.Signals) -> None:
    """on_stop runs, and the exit status is clean."""
    code = textwrap.dedent(
        f"""
        import anyio
        from chrono_daemon import Daemon, Supervisor
        from chrono_daemon.clock import settle
        from chrono_daemon.recipes.hosting.signals import stop_on_signals

        class Worker(Daemon):
            async def run(self, ctx):
                print("running", flush=True)
                await ctx.stop_event.wait()
            async def on_stop(self, ctx):
                print("stopped", flush=True)

        async def main():
            async with Supervisor() as sup:
                sup.spawn(stop_on_signals)
                await settle()
                sup.add(Worker())

        anyio.run(main, backend={backend!r})
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(number)
        assert process.stdout.read() == "stopped\n"
    assert process.returncode == 0


@pytest.fixture(params=["path", "abstract"])
def notify(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[socket.socket, str]]:
    """Play systemd: a datagram socket, in the file system or abstract."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        if request.param == "path":
            name = str(tmp_path / "notify")
            sock.bind(name)
        else:
            name = f"@chronotick-test-{os.getpid()}-{id(sock)}"
            sock.bind("\0" + name[1:])
        sock.settimeout(10)
        yield sock, name


class Slow(Daemon):
    """Takes a second to start."""

    async def on_start(self, ctx: Context) -> None:
        """Wait."""
        await ctx.clock.sleep(1)

    async def run(self, ctx: Context) -> None:
        """Wait."""
        await ctx.stop_event.wait()


async def test_systemd_hears_of_ready_watchdog_and_stopping(
    notify: tuple[socket.socket, str],
) -> None:
    """Ready when all have started, fed twice a period while healthy."""
    sock, name = notify
    clock = SimClock()
    ill = False

    def messages() -> list[bytes]:
        got = []
        sock.setblocking(False)
        try:
            while True:
                got.append(sock.recv(100))
        except BlockingIOError:
            return got

    environ = {
        "NOTIFY_SOCKET": name,
        "WATCHDOG_USEC": "4000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    async with Supervisor(clock=clock) as sup:
        sup.add(Slow())
        sup.spawn(notify_systemd, environ=environ, healthy=lambda _: not ill)
        await clock.advance(0.5)
        assert messages() == []
        await clock.advance(0.5)
        assert messages() == [b"READY=1", b"WATCHDOG=1"]
        await clock.advance(4)
        assert messages() == [b"WATCHDOG=1"] * 2
        ill = True
        await clock.advance(20)
        assert messages() == []
        sup.signal_stop()
        await settle()
    assert messages() == [b"STOPPING=1"]


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"}],
)
async def test_without_a_watchdog_only_ready_and_stopping_are_sent(
    notify: tuple[socket.socket, str], environ: dict[str, str]
) -> None:
    """A watchdog meant for another process is none of ours."""
    sock, name = notify
    clock = SimClock()
    async with Supervisor(clock=clock) as sup:
        sup.spawn(notify_systemd, environ={"NOTIFY_SOCKET": name, **environ})
        await clock.advance(100)
        sup.signal_stop()
    assert [sock.recv(100), sock.recv(100)] == [b"READY=1", b"STOPPING=1"]


@pytest.mark.parametrize("watchdog", [{}, {"WATCHDOG_USEC": "4000000"}])
async def test_stopping_without_grace_is_told_too(
    notify: tuple[socket.socket, str], watchdog: dict[str, str]
) -> None:
    """What is cancelled has no time left, and needs none for a datagram."""
    sock, name = notify
    clock = SimClock()
    async with Supervisor(clock=clock) as sup:
        sup.spawn(notify_systemd, environ={"NOTIFY_SOCKET": name, **watchdog})
        await clock.advance(1)
        await sup.stop(grace=0)
    sock.setblocking(False)
    heard = [sock.recv(100) for _ in range(1 + len(watchdog))]
    assert b"STOPPING=1" not in heard
    assert sock.recv(100) == b"STOPPING=1"


async def test_without_systemd_nothing_happens() -> None:
    """The daemon ends at once, cleanly."""
    async with Supervisor() as sup:
        sup.spawn(notify_systemd, environ={})
    assert sup.snapshot()["notify_systemd"].state == "stopped"


async def test_a_clock_says_what_it_cannot_see() -> None:
    """Threads, sockets and holds show in `settlement`."""
    clock = SimClock()
    assert clock.settlement().is_exact
    left, right = socket.socketpair()
    left.setblocking(False)
    release = anyio.Event()

    async def thread() -> None:
        await anyio.to_thread.run_sync(right.recv, 1)
        release.set()

    async def listen() -> None:
        await anyio.wait_readable(left)

    async with anyio.create_task_group() as group:
        group.start_soon(thread)
        group.start_soon(listen)
        await settle()
        with clock.hold("an experiment"):
            seen = clock.settlement()
        assert (seen.threads, seen.holds) == (1, ("an experiment",))
        assert seen.sockets
        assert not seen.is_exact
        left.send(b"x")
        await release.wait()
        right.send(b"x")
    left.close()
    right.close()


async def test_a_socket_that_is_gone_is_an_os_error(
    notify: tuple[socket.socket, str],
) -> None:
    """With the system's own words, as the failure of the daemon."""
    sock, name = notify
    clock = SimClock()
    async with Supervisor(clock=clock, on_error="ignore") as sup:
        sup.spawn(notify_systemd, environ={"NOTIFY_SOCKET": name})
        await clock.advance(1)
        sock.close()
        sup.signal_stop()
    error = sup.snapshot()["notify_systemd"].last_error
    assert isinstance(error, OSError)
    assert "refused" in str(error)
