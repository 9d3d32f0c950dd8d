"""chrony's own client accepts what our server serves and what our relay carries."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from chronotick.core.status import Leap
from chronotick.ntp import NtpTimestamp, client_request, decode, encode
from system.peers import chronyd, chronyd_path, free_port, running_daemon, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chronotick.ntp import Packet


@contextmanager
def program(module: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run one of our servers; end it as a service manager does."""
    call = f"from chronotick.cli.{module} import command; command.main()"
    process = subprocess.Popen(
        [sys.executable, "-c", call, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


def asked(port: int) -> Packet | None:
    """Return what answers at a loopback port; None for nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.3)
        sock.sendto(encode(client_request(NtpTimestamp(77))), ("127.0.0.1", port))
        try:
            return decode(sock.recv(512))
        except OSError:
            return None


def chrony_says(folder: Path, port: int) -> float:
    """Return by how much chrony's client finds the clock wrong, asking one port."""
    ended = subprocess.run(
        [
            chronyd_path(), "-Q", "-u", "root", "-t", "30",
            f"server 127.0.0.1 port {port} iburst",
            "cmdport 0", "bindcmdaddress /", f"pidfile {folder}/asking.pid",
        ],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    said = ended.stdout + ended.stderr
    found = re.search(r"System clock wrong by (-?[\d.]+) seconds", said)
    assert ended.returncode == 0, said
    assert found, said
    return float(found[1])


@pytest.mark.timeout(180)
def test_chrony_accepts_the_time_that_we_serve(tmp_path: Path) -> None:
    """Unsynchronized while there is no daemon; then stratum 2, and right."""
    segment, port = tmp_path / "segment", free_port()
    words = [
        "--listen",
        f"127.0.0.1:{port}",
        "--segment",
        str(segment),
        "--rate",
        "100",
    ]
    with chronyd(tmp_path / "chrony") as above, program("ntp_server", *words):
        wait_until(lambda: asked(port) is not None)
        first = asked(port)
        assert first is not None
        assert (first.leap, first.stratum) == (Leap.UNSYNCHRONIZED, 16)
        with running_daemon(segment, "--server", f"127.0.0.1:{above}"):
            wait_until(lambda: (asked(port) or first).stratum == 2, 30.0)
            wrong_s = chrony_says(tmp_path, port)

    assert abs(wrong_s) < 0.005


@pytest.mark.timeout(120)
def test_chrony_accepts_what_the_relay_carries(tmp_path: Path) -> None:
    """The original server's reply, stratum 1, through one more hop."""
    port = free_port()
    with chronyd(tmp_path / "chrony") as above:
        words = ["--map", f"127.0.0.1:{port}=127.0.0.1:{above}", "--rate", "100"]
        with program("ntp_relay", *words):
            wait_until(lambda: asked(port) is not None)
            answer = asked(port)
            wrong_s = chrony_says(tmp_path, port)

    assert answer is not None
    assert answer.stratum == 1
    assert abs(wrong_s) < 0.005


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("module", "words", "says"),
    [
        ("ntp_server", ["--listen", "localhost:123"], "a numeric address to listen on"),
        ("ntp_relay", ["--map", "127.0.0.1:123"], "expected LISTEN=SERVER"),
    ],
)
def test_wrong_usage_is_one_line(module: str, words: list[str], says: str) -> None:
    """Nothing is started; exit status 2."""
    call = f"from chronotick.cli.{module} import command; command.main()"
    ended = subprocess.run(
        [sys.executable, "-c", call, *words],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert ended.returncode == 2
    assert says in ended.stderr
    assert ended.stderr.count("\n") == 1
