"""Start workers where a Dask cluster runs already, one pinned to each host.

Decides which Dask workers are nodes and how a process is minded through them. The node
is a process of its own beside the Dask worker, so that nobody's tasks stand between a
datagram and its stamp. The functions below the line run on the cluster.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chronotick.core.errors import ConfigError
from chronotick.eval.cluster import CallFailed
from chronotick.eval.streaming.launchers import (
    LaunchFailed,
    last_line,
    whole_or_none,
    write_private,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from chronotick.eval.cluster import Cluster

    _T = TypeVar("_T")

__all__ = ["DaskLauncher", "DaskNode", "dask_nodes"]

_CALL_S = 20.0
_END_S = 5.0
_CHUNK = 8 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class DaskNode:
    """One Dask worker that is used as a node."""

    name: str
    worker: str
    """Its address, ``tcp://HOST:PORT``."""
    host: str
    """The host of that address."""


def dask_nodes(cluster: Cluster, names: Sequence[str] = ()) -> list[DaskNode]:
    """Return the nodes that `names` mean.

    Args:
        cluster: Connected.
        names: Names or addresses of Dask workers, or hosts; none: one Dask worker of
            each host.

    Raises:
        ConfigError: there is no such worker, or there are no workers at all.
    """
    workers = cluster.workers()
    if not workers:
        raise ConfigError(f"the cluster at {cluster.scheduler} has no workers")
    hosts: dict[str, str] = {}
    for address in workers:
        hosts.setdefault(_host(address), address)
    if not names:
        return [
            DaskNode(name=host, worker=address, host=host)
            for host, address in hosts.items()
        ]
    by_name = hosts | {name: address for address, name in workers.items()}
    by_name |= {address: address for address in workers}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise ConfigError(
            f"the cluster at {cluster.scheduler} has no worker {', '.join(unknown)}: "
            f"it has {', '.join(sorted({*hosts, *workers.values()}))}"
        )
    return [
        DaskNode(name=name, worker=by_name[name], host=_host(by_name[name]))
        for name in names
    ]


def _host(address: str) -> str:
    return urlsplit(address).hostname or address


class DaskLauncher:
    """Nodes that are workers of a Dask cluster.

    Args:
        cluster: Connected, and open for as long as this is used.
        nodes: Which.

    Raises:
        CallFailed: one of them has not the same chronotick as this host.
    """

    def __init__(self, cluster: Cluster, nodes: Sequence[DaskNode]) -> None:
        cluster.require(node.worker for node in nodes)
        self._cluster = cluster
        self._workers = {node.name: node.worker for node in nodes}

    def put(self, node: str, data: bytes, target: str, limit_s: float) -> None:
        """Write a file that only its owner reads; see `Launcher`."""
        self.call(node, remote_put, data, target, limit_s=limit_s)

    def start(self, node: str, words: Sequence[str]) -> DaskRunning:
        """Start a process beside the Dask worker; see `Launcher`."""
        token = secrets.token_hex(8)
        self.call(node, remote_start, token, list(words), limit_s=_CALL_S)
        return DaskRunning(self, node, token)

    def fetch(self, node: str, source: str, target: Path, limit_s: float) -> None:
        """Copy a file in parts of some MiB; see `Launcher`."""
        try:
            with whole_or_none(target) as part, part.open("wb") as file:
                while octets := self.call(
                    node, remote_read, source, file.tell(), limit_s=limit_s
                ):
                    file.write(octets)
        except (LaunchFailed, OSError) as error:
            raise LaunchFailed(f"{node}: cannot fetch {source}: {error}") from error

    def call(
        self,
        node: str,
        function: Callable[..., _T],
        *values: Any,  # noqa: ANN401 - whatever the function takes
        limit_s: float,
    ) -> _T:
        """Return what `function` does on `node`.

        Raises:
            LaunchFailed: it raised, or did not answer in time; names the node.
        """
        try:
            return self._cluster.call(
                self._workers[node], function, *values, limit_s=limit_s
            )
        except CallFailed as error:
            raise LaunchFailed(f"{node}: Dask worker {error}") from error


class DaskRunning:
    """A process beside a Dask worker; see `Running`."""

    def __init__(self, launcher: DaskLauncher, node: str, token: str) -> None:
        self._launcher = launcher
        self._node = node
        self._token = token
        self._words = ""
        self._code: int | None = None
        self._is_gone = False

    def ended(self, limit_s: float = 0.0) -> int | None:
        """Return the exit status; None while it runs on, or nobody can say."""
        if self._code is None:
            try:
                self._code, self._words = self._launcher.call(
                    self._node, remote_ended, self._token, limit_s,
                    limit_s=limit_s + _CALL_S,
                )  # fmt: skip
            except LaunchFailed as error:
                self._words, self._is_gone = str(error), True
        return self._code

    def last_words(self) -> str:
        """Return the last line that it said, or why that is not known."""
        return self._words

    def end(self) -> None:
        """End it, kindly first. Where its host is gone, its own deadline must do."""
        if self._is_gone:
            return
        try:
            self._launcher.call(self._node, remote_end, self._token, limit_s=_CALL_S)
        except LaunchFailed as error:
            self._words = str(error)


# ── On the cluster ───────────────────────────────────────────────────────────

# By token; the Dask worker's own memory. A worker that is started again knows nothing
# of its predecessor's, and says so.
_PROCESSES: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}


def remote_put(data: bytes, target: str) -> None:
    """Write `data` to `target`, for the owner's eyes only."""
    write_private(Path(target), data)


def remote_start(token: str, words: list[str]) -> None:
    """Start ``chronotick eval WORDS`` and remember it as `token`."""
    with tempfile.NamedTemporaryFile(
        prefix="chronotick-eval-", suffix=".log", delete=False
    ) as log:
        process = subprocess.Popen(  # noqa: S603 - words, no shell
            [sys.executable, "-m", "chronotick.cli.eval", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _PROCESSES[token] = (process, Path(log.name))


def remote_ended(token: str, limit_s: float) -> tuple[int | None, str]:
    """Return a process's exit status, if it ends in time, and its last line."""
    process, log = _known(token)
    try:
        code = process.wait(limit_s)
    except subprocess.TimeoutExpired:
        code = None
    return code, last_line(log)


def remote_end(token: str) -> None:
    """End a process, kindly first, and forget it."""
    process, log = _known(token)
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    log.unlink(missing_ok=True)
    del _PROCESSES[token]


def remote_read(source: str, begin: int) -> bytes:
    """Return the part of a file from `begin`; nothing at its end."""
    with Path(source).open("rb") as file:
        file.seek(begin)
        return file.read(_CHUNK)


def _known(token: str) -> tuple[subprocess.Popen[bytes], Path]:
    try:
        return _PROCESSES[token]
    except KeyError:
        raise LaunchFailed("it was started again, and its processes are gone") from None
