"""A real sshd on loopback, with keys of its own, for one test."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from system.peers import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def sshd(folder: Path) -> Iterator[list[str]]:
    """Run an sshd that lets this user in by key; yield ssh's options to reach it."""
    binary = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert binary, "sshd is not installed: apt-get install openssh-server"
    folder.mkdir(parents=True)
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)],
            check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    if os.geteuid() == 0:
        # Root's sshd drops privileges in this folder, which its service would make.
        Path("/run/sshd").mkdir(exist_ok=True)
    port = free_port(socket.SOCK_STREAM)
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\n"
        f"AuthorizedKeysFile {folder}/user.pub\nPidFile {folder}/sshd.pid\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        f"PermitRootLogin yes\nAllowUsers {getpass.getuser()}\n"
    )
    with subprocess.Popen(
        [binary, "-D", "-e", "-f", str(config)],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            wait_until(lambda: _listens(port) or process.poll() is not None)
            assert process.poll() is None, process.stderr and process.stderr.read()
            yield [
                "-p", str(port), "-i", str(folder / "user"), "-F", "none",
                "-oStrictHostKeyChecking=no", "-oLogLevel=ERROR",
                f"-oUserKnownHostsFile={folder}/known",
            ]  # fmt: skip
        finally:
            process.terminate()
