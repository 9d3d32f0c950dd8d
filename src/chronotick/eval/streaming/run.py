"""One run on many nodes: start workers, send events, gather, judge.

Decides the order, and what becomes of a node that hangs, dies or disappears: a named
failure, with the others' data kept. The coordinator runs here, in this process.
"""

from __future__ import annotations

import os
import platform
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import anyio

from chronotick.core.errors import ChronotickError
from chronotick.core.records import Endpoint
from chronotick.core.units import NS_PER_S
from chronotick.daemon.clocks import HostClock
from chronotick.eval.streaming.about import write_about
from chronotick.eval.streaming.analyze import analyze
from chronotick.eval.streaming.columns import (
    check_node_name,
    coordinator_file,
    file_name,
    worker_file,
)
from chronotick.eval.streaming.coordinator import (
    CoordinatorSettings,
    PreflightFailed,
    run_coordinator,
)
from chronotick.eval.streaming.coordinator_state import duration_s, gaps_s
from chronotick.eval.streaming.hosts import RealHost
from chronotick.eval.streaming.launchers import LaunchFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from typing import TypeVar

    from chronotick.eval.streaming.analyze import Analysis
    from chronotick.eval.streaming.launchers import Launcher, Running
    from chronotick.eval.streaming.node import NodeSettings

    _T = TypeVar("_T")

__all__ = [
    "FolderInUse",
    "NoData",
    "RunResult",
    "RunSettings",
    "fresh_folder",
    "fresh_name",
    "run_nodes",
]

_PUT_S = 30.0
_FETCH_S = 600.0
_KEY_OCTETS = 32
# So long after its time a worker that nobody has told of the end waits for it.
_LATE_S = 300.0
# Nodes that are dealt with at once; each of them costs a process here, or a socket.
_AT_ONCE = 16


class FolderInUse(ChronotickError):
    """The output folder holds another run's recordings, which would be judged too."""


class NoData(ChronotickError):
    """No worker's file could be gathered; says why of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What to run where."""

    nodes: Mapping[str, Endpoint]
    """Each node by the launcher's name for it, with the address and port of its worker."""
    node: NodeSettings
    """The coordinator's clocks; the workers get the same servers and segment path."""
    output: Path
    remote_folder: str
    """Folder on the nodes for their files."""
    pattern: str = "mixed"
    num_events: int | None = None
    target_duration_s: float | None = None
    seed: int = 1
    preflight_s: float = 120.0
    end_s: float = 15.0
    """How long all workers together may take to end after the run."""
    listen: str = "0.0.0.0"  # noqa: S104 - asked from other hosts


class RunResult(NamedTuple):
    """What came of it."""

    analysis: Analysis
    failures: tuple[str, ...]


def run_nodes(
    settings: RunSettings, launcher: Launcher, say: Callable[[str], None]
) -> RunResult:
    """Run, gather, judge.

    Args:
        settings: What to run where.
        launcher: How nodes are reached.
        say: Takes a line of progress.

    Raises:
        ConfigError: a node's name cannot be shown, or the pattern is none.
        FolderInUse: the output folder holds recordings of nodes that are none of these.
        LaunchFailed: a node cannot be reached; names it.
        PreflightFailed: a worker was not ready; names it and, where its process has
            ended, what it said last.
        NoData: no worker's file could be gathered.
    """
    for name in settings.nodes:
        check_node_name(name)
    gaps_s(settings.pattern)
    _check_folder(settings)
    # A key for this run alone: no datagram from elsewhere counts, and none can end it.
    key = os.urandom(_KEY_OCTETS).hex().encode()
    with ExitStack() as stack:
        workers = _start(settings, launcher, key, stack)
        say(f"started {len(workers)} worker{'s' * (len(workers) != 1)}")
        failures = _send(settings, workers, key, say)
        failures += _await(settings, workers)
    lost = _gather(settings, launcher, say)
    failures += lost
    if len(lost) == len(workers):
        raise NoData("; ".join(failures))
    _write_about(settings)
    say("judging")
    return RunResult(analyze(settings.output), tuple(failures))


def _check_folder(settings: RunSettings) -> None:
    ours = {worker_file(name) for name in settings.nodes}
    there = [
        p
        for kind in ("csv", "parquet")
        for p in settings.output.glob(f"worker*.{kind}")
    ]
    others = sorted(path.name for path in there if path.stem not in ours)
    if others:
        raise FolderInUse(
            f"{settings.output} holds recordings of another run ({others[0]}), which "
            "would be judged with this one: choose another folder"
        )


def _start(
    settings: RunSettings, launcher: Launcher, key: bytes, stack: ExitStack
) -> dict[str, Running]:
    """Give each node the key and start its worker; all of them end with `stack`."""
    started: list[Running] = []
    stack.callback(_end_all, started)

    def start(name: str) -> Running:
        key_file = f"{settings.remote_folder}/{file_name(name)}.{fresh_name()}.key"
        launcher.put(name, key, key_file, _PUT_S)
        running = launcher.start(name, _words(settings, name, key_file))
        started.append(running)
        return running

    return _for_all(settings.nodes, start)


def _for_all(names: Iterable[str], act: Callable[[str], _T]) -> dict[str, _T]:
    """Do what takes time for several nodes at once; raise the first failure."""
    names = list(names)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(names, pool.map(act, names), strict=True))


def _end_all(started: list[Running]) -> None:
    """End whatever runs on: those that hang take their time, but all at once."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda running: running.end(), started))


def _remote_file(settings: RunSettings, name: str) -> str:
    return f"{settings.remote_folder}/{worker_file(name)}.csv"


def _words(settings: RunSettings, name: str, key_file: str) -> list[str]:
    sending_s = duration_s(
        settings.pattern, settings.num_events, settings.target_duration_s
    )
    deadline_s = settings.preflight_s + sending_s + settings.end_s + _LATE_S
    words = ["worker", "--node-id", name, "--listen", settings.listen]
    words += ["--listen-port", str(settings.nodes[name].port)]
    words += ["--output", _remote_file(settings, name), "--key-file", key_file]
    words += ["--deadline", f"{deadline_s:.0f}s"]
    if settings.node.ntp_servers:
        words += ["--ntp-server", ",".join(settings.node.ntp_servers)]
    if settings.node.segment is not None:
        words += ["--segment", settings.node.segment]
    return words


def _send(
    settings: RunSettings,
    workers: Mapping[str, Running],
    key: bytes,
    say: Callable[[str], None],
) -> list[str]:
    coordinator = CoordinatorSettings(
        workers=settings.nodes,
        node=settings.node,
        output=settings.output / f"{coordinator_file()}.csv",
        listen=Endpoint(settings.listen, 0),
        pattern=settings.pattern,
        num_events=settings.num_events,
        target_duration_s=settings.target_duration_s,
        key=key,
        preflight_s=settings.preflight_s,
        seed=settings.seed,
        # The same nodes' last run in this folder is replaced: see `_check_folder`.
        is_replacing=True,
    )
    try:
        outcome = anyio.run(run_coordinator, coordinator, RealHost(), say)
    except PreflightFailed as failed:
        lines = [str(failed)]
        for name, worker in workers.items():
            code = worker.ended()
            if code is not None:
                lines.append(f"{name} ended with {code}: {worker.last_words()}")
        raise PreflightFailed("; ".join(lines)) from failed
    return list(outcome.failures)


def _await(settings: RunSettings, workers: Mapping[str, Running]) -> list[str]:
    """Wait for the workers' ends, all within the same time; name those who failed."""
    clock = HostClock()
    until_ns = clock.raw_ns() + round(settings.end_s * NS_PER_S)

    def ended(name: str) -> str:
        left_s = max(until_ns - clock.raw_ns(), 0) / NS_PER_S
        code = workers[name].ended(left_s)
        if code is None:
            words = workers[name].last_words()
            return f"{name}: did not end within {settings.end_s:g} s: {words}"
        return f"{name} ended with {code}: {workers[name].last_words()}" if code else ""

    return [failure for failure in _for_all(workers, ended).values() if failure]


def _gather(
    settings: RunSettings, launcher: Launcher, say: Callable[[str], None]
) -> list[str]:
    """Get the workers' files; return why of each that could not be had."""
    say(f"gathering from {len(settings.nodes)} nodes")

    def gather(name: str) -> str:
        target = settings.output / f"{worker_file(name)}.csv"
        # What an earlier run left here must not pass for this one's.
        target.unlink(missing_ok=True)
        target.with_suffix(".parquet").unlink(missing_ok=True)
        try:
            launcher.fetch(name, _remote_file(settings, name), target, _FETCH_S)
        except LaunchFailed as error:
            return str(error)
        return ""

    return [failure for failure in _for_all(settings.nodes, gather).values() if failure]


def _write_about(settings: RunSettings) -> None:
    about = {
        "kind": "real nodes: the true time is unknown",
        "seed": str(settings.seed),
        "hosts": ", ".join(f"{name} ({at})" for name, at in settings.nodes.items()),
        "pattern": settings.pattern,
        "coordinator": f"{platform.node()}, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
    write_about(settings.output, about)


def fresh_name() -> str:
    """Return a name that no other run has, nor can guess."""
    return secrets.token_hex(8)


def fresh_folder() -> str:
    """Return a name for a folder on the nodes that no other run has."""
    return f"/tmp/chronotick-eval-{fresh_name()}"  # noqa: S108 - unguessable
