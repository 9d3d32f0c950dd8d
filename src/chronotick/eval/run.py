"""One run on many nodes: start workers, send events, gather, judge.

Decides the order, and what becomes of a node that hangs, dies or disappears: a named
failure, with the others' data kept. The coordinator runs here, in this process.
"""

from __future__ import annotations

import json
import platform
import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import anyio

from chronotick.core.errors import ChronotickError
from chronotick.core.records import Endpoint
from chronotick.eval.analyze import ABOUT_FILE, analyze
from chronotick.eval.columns import coordinator_file, worker_file
from chronotick.eval.coordinator import (
    CoordinatorSettings,
    PreflightFailed,
    run_coordinator,
)
from chronotick.eval.hosts import RealHost
from chronotick.eval.launchers import LaunchFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from chronotick.eval.analyze import Analysis
    from chronotick.eval.launchers import Launcher, Running
    from chronotick.eval.node import NodeSettings

__all__ = ["NoData", "RunResult", "RunSettings", "fresh_folder", "run_nodes"]

_FETCH_S = 60.0
_END_S = 15.0


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
    preflight_s: float = 120.0
    deadline_s: float = 3600.0
    """A worker that hears nothing more ends itself after this."""
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
        PreflightFailed: a worker was not ready; names it and, where its process has
            ended, what it said last.
        NoData: no worker's file could be gathered.
    """
    with ExitStack() as stack:
        workers: dict[str, Running] = {}
        for name, endpoint in settings.nodes.items():
            words = _words(settings, name, endpoint)
            workers[name] = launcher.start(name, words)
            stack.callback(workers[name].end)
        say(f"started {len(workers)} workers")
        failures = _send(settings, workers, say)
        failures += _await(workers)
    failures += _gather(settings, launcher, say)
    if len([f for f in failures if "cannot fetch" in f]) == len(workers):
        raise NoData("; ".join(failures))
    _write_about(settings)
    say("judging")
    return RunResult(analyze(settings.output), tuple(failures))


def _remote_file(settings: RunSettings, name: str) -> str:
    return f"{settings.remote_folder}/{_file(name)}"


def _file(name: str) -> str:
    return f"{worker_file(name.replace('/', '_'))}.csv"


def _words(settings: RunSettings, name: str, endpoint: Endpoint) -> list[str]:
    words = ["worker", "--node-id", name, "--listen", settings.listen]
    words += ["--listen-port", str(endpoint.port)]
    words += ["--output", _remote_file(settings, name)]
    words += ["--deadline", f"{settings.deadline_s}s"]
    if settings.node.ntp_servers:
        words += ["--ntp-server", ",".join(settings.node.ntp_servers)]
    if settings.node.segment is not None:
        words += ["--segment", settings.node.segment]
    return words


def _send(
    settings: RunSettings, workers: Mapping[str, Running], say: Callable[[str], None]
) -> list[str]:
    coordinator = CoordinatorSettings(
        workers=settings.nodes,
        node=settings.node,
        output=settings.output / f"{coordinator_file()}.csv",
        listen=Endpoint(settings.listen, 0),
        pattern=settings.pattern,
        num_events=settings.num_events,
        target_duration_s=settings.target_duration_s,
        preflight_s=settings.preflight_s,
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


def _await(workers: Mapping[str, Running]) -> list[str]:
    """Wait for the workers' ends, all within the same time; name those who failed."""
    failures = []
    for name, worker in workers.items():
        code = worker.ended(_END_S)
        if code is None:
            failures.append(f"{name}: did not end within {_END_S:g} s")
        elif code:
            failures.append(f"{name} ended with {code}: {worker.last_words()}")
    return failures


def _gather(
    settings: RunSettings, launcher: Launcher, say: Callable[[str], None]
) -> list[str]:
    failures = []
    for name in settings.nodes:
        say(f"gathering from {name}")
        target = settings.output / _file(name)
        try:
            launcher.fetch(name, _remote_file(settings, name), target, _FETCH_S)
        except LaunchFailed as error:
            failures.append(str(error))
    return failures


def _write_about(settings: RunSettings) -> None:
    about = {
        "kind": "real nodes: the true time is unknown",
        "hosts": ", ".join(f"{name} ({at})" for name, at in settings.nodes.items()),
        "pattern": settings.pattern,
        "coordinator": f"{platform.node()}, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
    text = json.dumps(about, indent=1) + "\n"
    (settings.output / ABOUT_FILE).write_text(text, encoding="utf-8")


def fresh_folder() -> str:
    """Return a name for a folder on the nodes that no other run has."""
    return f"/tmp/chronotick-eval-{secrets.token_hex(8)}"  # noqa: S108 - unguessable
