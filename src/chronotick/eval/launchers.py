"""Start workers on nodes and get their files back: as local processes, or over SSH.

Decides how a node is reached and what its silence is called. Nothing here waits without
a deadline, asks a question on a terminal, or hands a child its standard input. A remote
command line is quoted once, for the one shell that sshd runs.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from chronotick.core.errors import ChronotickError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LaunchFailed", "Launcher", "LocalLauncher", "Running", "SshLauncher"]

_END_S = 5.0


class LaunchFailed(ChronotickError):
    """A node could not be reached or did not do what it was asked; names it."""


class Launcher(Protocol):
    """A way to run `chronotick eval` on a node."""

    def start(self, node: str, words: Sequence[str]) -> Running:
        """Start ``chronotick eval WORDS`` on `node`.

        Raises:
            LaunchFailed: it cannot even be tried.
        """
        ...

    def fetch(self, node: str, source: str, target: Path, limit_s: float) -> None:
        """Copy a file of the node to `target`, within `limit_s`.

        Raises:
            LaunchFailed: says why.
        """
        ...


class Running:
    """A command that was started; its standard error goes to a file.

    Args:
        command: What to run here.
        log: Where its words go.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._log = log
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as file:
                self._process = subprocess.Popen(  # noqa: S603 - words, no shell
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise LaunchFailed(f"cannot start {command[0]}: {error}") from error

    def ended(self, limit_s: float = 0.0) -> int | None:
        """Return the exit status, waiting for it up to `limit_s`; None: it runs on."""
        try:
            return self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None

    def last_words(self) -> str:
        """Return the last line that it said."""
        lines = self._log.read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def end(self) -> None:
        """End it, kindly first."""
        self._process.terminate()
        if self.ended(_END_S) is None:
            self._process.kill()
            self._process.wait()


class LocalLauncher:
    """Every node is this machine.

    Args:
        logs: Folder for what the processes say.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs

    def start(self, node: str, words: Sequence[str]) -> Running:
        """Start a process; see `Launcher`."""
        command = [sys.executable, "-m", "chronotick.cli.eval", *words]
        return Running(command, self._logs / f"{node}.log")

    def fetch(self, node: str, source: str, target: Path, limit_s: float) -> None:
        """Copy a file; see `Launcher`."""
        try:
            target.write_bytes(Path(source).read_bytes())
        except OSError as error:
            raise LaunchFailed(f"{node}: cannot fetch {source}: {error}") from error


class SshLauncher:
    """Nodes reached by SSH with a key, by the machine's own client and configuration.

    Args:
        logs: Folder for what the processes say.
        remote: The command on the nodes, as words; default ``chronotick eval``.
        options: More options of ssh, such as ``-p 2222`` as two words.
        connect_s: How long a connection may take.
    """

    def __init__(
        self,
        logs: Path,
        *,
        remote: Sequence[str] = ("chronotick", "eval"),
        options: Sequence[str] = (),
        connect_s: int = 10,
    ) -> None:
        self._logs = logs
        self._remote = list(remote)
        self._prefix = [
            "ssh",
            "-n",
            "-T",
            # Never a question, and no session outlives a dead network for long.
            "-oBatchMode=yes",
            f"-oConnectTimeout={connect_s}",
            "-oServerAliveInterval=5",
            "-oServerAliveCountMax=3",
            *options,
        ]

    def start(self, node: str, words: Sequence[str]) -> Running:
        """Start the command on `node`, ``[USER@]HOST``; see `Launcher`."""
        command = self.command(node, [*self._remote, *words])
        return Running(command, self._logs / f"{node}.log")

    def command(self, node: str, words: Sequence[str]) -> list[str]:
        """Return the local command line that runs `words` on `node`."""
        if node.startswith("-"):
            raise LaunchFailed(f"{node!r} is an option of ssh and no node")
        return [*self._prefix, "--", node, shlex.join(words)]

    def fetch(self, node: str, source: str, target: Path, limit_s: float) -> None:
        """Copy a file with one more command, `cat`; see `Launcher`."""
        try:
            with target.open("wb") as file:
                ended = subprocess.run(  # noqa: S603 - words, no shell of ours
                    self.command(node, ["cat", source]),
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.PIPE,
                    timeout=limit_s,
                    check=False,
                )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise LaunchFailed(f"{node}: cannot fetch {source}: {error}") from error
        if ended.returncode:
            target.unlink()
            why = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise LaunchFailed(f"{node}: cannot fetch {source}: {why}")
