"""Start workers on nodes and get their files back: as local processes, or over SSH.

Decides how a node is reached and what its silence is called. Nothing here waits without
a deadline, asks a question on a terminal, or hands a child its standard input. A remote
command line is quoted once, for the one shell that sshd runs.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from chronotick.core.errors import ChronotickError
from chronotick.eval.streaming.columns import file_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "LaunchFailed",
    "Launcher",
    "LocalLauncher",
    "Running",
    "SshLauncher",
    "last_line",
    "whole_or_none",
    "write_private",
]

_END_S = 5.0


class LaunchFailed(ChronotickError):
    """A node could not be reached or did not do what it was asked; names it."""


class Launcher(Protocol):
    """A way to run `chronotick eval` on a node."""

    def put(self, node: str, data: bytes, target: str, limit_s: float) -> None:
        """Write `data` to the node's file `target`, for its owner's eyes only.

        Raises:
            LaunchFailed: says why.
        """
        ...

    def start(self, node: str, words: Sequence[str]) -> Running:
        """Start ``chronotick eval WORDS`` on `node`.

        Raises:
            LaunchFailed: it cannot even be tried.
        """
        ...

    def fetch(self, node: str, source: str, target: Path, limit_s: float) -> None:
        """Copy a file of the node to `target`, within `limit_s`: all of it, or nothing.

        Raises:
            LaunchFailed: says why.
        """
        ...


class Running(Protocol):
    """A command that was started on a node."""

    def ended(self, limit_s: float = 0.0) -> int | None:
        """Return the exit status, waiting for it up to `limit_s`; None: it runs on."""
        ...

    def last_words(self) -> str:
        """Return the last line that it said."""
        ...

    def end(self) -> None:
        """End it, kindly first."""
        ...


class _Process:
    """A process of this machine; what it says goes to a file."""

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
        try:
            return self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None

    def last_words(self) -> str:
        return last_line(self._log)

    def end(self) -> None:
        self._process.terminate()
        if self.ended(_END_S) is None:
            # It hangs, or somebody stopped it: a signal that nothing can keep waiting.
            self._process.kill()
            self._process.wait()


def last_line(log: Path) -> str:
    """Return the last line of a file that says something, in printable characters."""
    try:
        # The end of it will do: what a node says is not ours to limit.
        with log.open("rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - 4096, 0))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError as error:
        return f"(cannot read {log}: {error.strerror})"
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return "".join(c if c.isprintable() else " " for c in last)


def write_private(target: Path, data: bytes) -> None:
    """Write `data` to a new file that only its owner reads; its folder is made.

    Raises:
        OSError: it cannot be written, or is there already.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


@contextmanager
def whole_or_none(target: Path) -> Iterator[Path]:
    """Yield where to write what becomes `target` if the block ends well.

    Half a recording looks like a whole one, and would be judged.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


class LocalLauncher:
    """Every node is this machine.

    Args:
        logs: Folder for what the processes say.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs

    def put(self, node: str, data: bytes, target: str, limit_s: float) -> None:
        """Write a file; see `Launcher`."""
        try:
            write_private(Path(target), data)
        except OSError as error:
            raise LaunchFailed(f"{node}: cannot write {target}: {error}") from error

    def start(self, node: str, words: Sequence[str]) -> Running:
        """Start a process; see `Launcher`."""
        command = [sys.executable, "-m", "chronotick.cli.eval", *words]
        return _Process(command, self._logs / f"{file_name(node)}.log")

    def fetch(self, node: str, source: str, target: Path, limit_s: float) -> None:
        """Copy a file; see `Launcher`."""
        try:
            with whole_or_none(target) as part:
                part.write_bytes(Path(source).read_bytes())
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

    def put(self, node: str, data: bytes, target: str, limit_s: float) -> None:
        """Write a file by one more command, whose input is `data`; see `Launcher`."""
        place = shlex.quote(target)
        folder = shlex.quote(str(PurePosixPath(target).parent))
        # Words for the node's own shell, which is the only one. `-C`: never over
        # anything that is there already.
        script = f"umask 077; mkdir -p -- {folder} && set -C && cat > {place}"
        # What was given for the terminal's sake (-n) would close the input.
        command = [word for word in self._prefix if word != "-n"]
        try:
            ended = subprocess.run(  # noqa: S603 - words, no shell of ours
                [*command, "--", self._checked(node), script],
                input=data,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=limit_s,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise LaunchFailed(f"{node}: cannot write {target}: {error}") from error
        if ended.returncode:
            why = _last(ended.stderr)
            raise LaunchFailed(f"{node}: cannot write {target}: {why}")

    def start(self, node: str, words: Sequence[str]) -> Running:
        """Start the command on `node`, ``[USER@]HOST``; see `Launcher`."""
        command = self.command(node, [*self._remote, *words])
        return _Process(command, self._logs / f"{file_name(node)}.log")

    def command(self, node: str, words: Sequence[str]) -> list[str]:
        """Return the local command line that runs `words` on `node`."""
        return [*self._prefix, "--", self._checked(node), shlex.join(words)]

    @staticmethod
    def _checked(node: str) -> str:
        if node.startswith("-"):
            raise LaunchFailed(f"{node!r} is an option of ssh and no node")
        return node

    def fetch(self, node: str, source: str, target: Path, limit_s: float) -> None:
        """Copy a file with one more command, `cat`; see `Launcher`."""
        what = f"{node}: cannot fetch {source}"
        try:
            with whole_or_none(target) as part, part.open("wb") as file:
                subprocess.run(  # noqa: S603 - words, no shell of ours
                    self.command(node, ["cat", source]),
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.PIPE,
                    timeout=limit_s,
                    check=True,
                )
        except subprocess.CalledProcessError as error:
            raise LaunchFailed(f"{what}: {_last(error.stderr)}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise LaunchFailed(f"{what}: {error}") from error


def _last(words: bytes) -> str:
    """Return the last line of what ssh said."""
    return words.decode(errors="replace").strip().rpartition("\n")[2].strip()
