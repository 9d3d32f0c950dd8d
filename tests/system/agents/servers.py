"""Our servers as processes, and a loopback without a network."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.request import urlopen

from system.peers import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

MCP = [sys.executable, "-m", "chronotick", "mcp"]
"""The command that users type as `chronotick mcp`."""

_SIOCSIFFLAGS, _IFF_UP_RUNNING = 0x8914, 0x41


def raise_loopback() -> None:
    """Bring `lo` up in a new network namespace; nothing happens where it is up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sH22x", b"lo", _IFF_UP_RUNNING)
        try:
            fcntl.ioctl(sock, _SIOCSIFFLAGS, request)
        except PermissionError:
            return  # the host's own loopback


def without_network() -> list[str]:
    """Return the command prefix that leaves a process loopback only, if allowed."""
    prefix = ["unshare", "--map-root-user", "--net"]
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return prefix


@contextmanager
def http_server(*args: str, **env: str) -> Iterator[int]:
    """Run `chronotick mcp --transport http`; yield its port."""
    port = free_port(socket.SOCK_STREAM)
    command = [*MCP, "--transport", "http", "--port", str(port), *args]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, **env}
    )

    def serves() -> bool:
        assert process.poll() is None, process.stderr and process.stderr.read()
        try:
            with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        wait_until(serves, limit_s=60.0)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=30)
