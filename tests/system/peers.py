"""Real peers for system tests: chronyd servers on loopback, and our own daemon."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

SERVED_S = 30.0
"""A peer that is not up after this long is broken; only ever waited for when it is."""


def chronyd_path() -> str:
    """Return the chronyd binary; Debian keeps it out of the users' PATH."""
    found = shutil.which("chronyd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert found, "chronyd is not installed: apt-get install chrony (make test does)"
    return found


def free_port(kind: int = socket.SOCK_DGRAM) -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def chronyd(folder: Path) -> Iterator[int]:
    """Run a chronyd that serves this machine's CLOCK_REALTIME; yield its UDP port.

    ``-x``: it never touches the clock. ``local stratum 1``: it claims to be synchronized
    with nothing above it, so the truth is the clock that both of us can read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # chronyd drops root and must still write its pid file.
    folder.chmod(0o777)
    port = free_port()
    config = folder / "chrony.conf"
    config.write_text(
        f"port {port}\nbindaddress 127.0.0.1\nallow 127.0.0.1\nlocal stratum 1\n"
        f"cmdport 0\nbindcmdaddress /\npidfile {folder}/chronyd.pid\n"
    )
    # As root it stays root, for its pid file; else -U lets it run without (chrony 4.0).
    user = ["-u", "root"] if os.geteuid() == 0 else ["-U"]
    command = [chronyd_path(), "-x", "-n", "-f", str(config), *user]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: answers(port) or process.poll() is not None)
            assert process.poll() is None, process.stderr and process.stderr.read()
            yield port
        finally:
            process.terminate()


def answers(port: int) -> bool:
    """Say whether an NTP server answers at a loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        sock.sendto(b"\x23" + bytes(39) + b"liveness", ("127.0.0.1", port))
        try:
            return len(sock.recv(512)) >= 48
        except OSError:
            return False


def wait_until(condition: object, limit_s: float = SERVED_S) -> None:
    """Poll a real process until `condition()` holds; fails after `limit_s`."""
    assert callable(condition)
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "a peer did not come up in time"
        # A real process: there is no virtual time to wait on.
        threading.Event().wait(0.02)


def is_at_work(process: psutil.Process) -> bool:
    """Whether it is there, and not only waiting to be counted out."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@dataclass
class Daemon:
    """A running `chronotick daemon`."""

    process: subprocess.Popen[str]
    segment: Path

    @property
    def status(self) -> dict[str, object]:
        """The daemon's report, as it stands in its status file."""
        return dict(json.loads(Path(f"{self.segment}.status").read_text()))

    def verdicts(self) -> dict[str, str]:
        """What the daemon says of each server."""
        try:
            sources = self.status["sources"]
        except FileNotFoundError:
            return {}
        assert isinstance(sources, list)
        return {row["server"]: row["verdict"] for row in sources}

    def kill(self) -> None:
        """``kill -9``."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> tuple[int, str]:
        """SIGTERM; return the exit status and what it wrote to stderr."""
        self.process.send_signal(signal.SIGTERM)
        _, stderr = self.process.communicate(timeout=30)
        return self.process.returncode, stderr


def chronotick(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "chronotick", *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **env},
    )


@contextmanager
def running_daemon(segment: Path, *args: str) -> Generator[Daemon, None, None]:
    """Start `chronotick daemon` on `segment`; end it on the way out."""
    command = [sys.executable, "-m", "chronotick", "daemon", "--segment", str(segment)]
    process = subprocess.Popen(
        [*command, *args],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    daemon = Daemon(process, segment)
    try:
        yield daemon
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
