"""A whole run on one machine, in imagined hosts whose true time is known.

Decides who plays: one process for the servers and paths, one daemon and one node
process a virtual host, so that no estimator runs where stamps are made. Real UDP, real
shared memory, real kernel stamps; imagined oscillators and paths.
"""

from __future__ import annotations

import multiprocessing
import platform
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from chronotick.core.errors import ChronotickError
from chronotick.core.records import Endpoint
from chronotick.daemon.clocks import HostClock
from chronotick.daemon.config import Config, Polling, Publish, Selection, Server
from chronotick.daemon.udp import UdpListener
from chronotick.eval.children import starting
from chronotick.eval.streaming.about import write_about
from chronotick.eval.streaming.analyze import analyze
from chronotick.eval.streaming.columns import (
    COORDINATOR_COLUMNS,
    WORKER_COLUMNS,
    coordinator_file,
    worker_file,
)
from chronotick.eval.streaming.coordinator import CoordinatorSettings
from chronotick.eval.streaming.coordinator_state import gaps_s
from chronotick.eval.streaming.hosts import VirtualSpec
from chronotick.eval.streaming.imagined import COORDINATOR, SERVERS, imagine
from chronotick.eval.streaming.judge import JudgeSettings
from chronotick.eval.streaming.node import LEVEL, NodeSettings
from chronotick.eval.streaming.stage import (
    LOOPBACK,
    Said,
    StageSpec,
    play_coordinator,
    play_daemon,
    play_stage,
    play_worker,
)
from chronotick.eval.streaming.tables import to_parquet
from chronotick.eval.streaming.worker import WorkerSettings
from chronotick.ntp import PollPolicy
from chronotick.shm.segment import scratch_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from chronotick.eval.streaming.analyze import Analysis
    from chronotick.eval.streaming.coordinator import Outcome

__all__ = ["DemoFailed", "DemoResult", "DemoSettings", "run_demo"]

# A whole number of seconds, so that the imagined calendar reads well.
_START_UTC_NS = 1_767_225_600_000_000_000
# Before the imagined world's present: its clocks have a past, and no reading precedes it.
_HEAD_START_NS = 1_000_000_000
_STEPS_S = {"ports": 30.0, "ready": 60.0, "end": 30.0}
# What starting, ending and judging take on a machine with nothing else to do.
_AROUND_S = 12.0
# Playing is so much of the whole; what it takes longer than planned is not shown.
_PLAYED = 0.9
_LOOK_S = 0.5
_END_S = 5.0


class DemoFailed(ChronotickError):
    """A part of the demo ended before its time; says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSettings:
    """What to play."""

    output: Path
    """Folder; the recordings of an earlier demo in it are replaced."""
    seed: int = 1
    workers: int = 3
    pattern: str = "mixed"
    duration_s: float = 35.0
    """How long events are sent."""
    warmup_s: float = 10.0


class DemoResult(NamedTuple):
    """What came of it."""

    analysis: Analysis
    outcome: Outcome


def _unseen(_: float) -> None:
    """Show no progress."""


def run_demo(
    settings: DemoSettings,
    say: Callable[[str], None],
    show: Callable[[float], None] = _unseen,
) -> DemoResult:
    """Play, record, judge, write the report.

    Args:
        settings: What to play.
        say: Takes a line of progress.
        show: Takes which share of the whole is done, 0 to 1; it never falls.

    Raises:
        ConfigError: the pattern is none.
        DemoFailed: a process failed or did not end in time.
        UnwritableRecording: the output cannot be written.
    """
    gaps_s(settings.pattern)
    with ExitStack() as stack:
        room = stack.enter_context(
            tempfile.TemporaryDirectory(
                prefix="chronotick_eval_", dir=scratch_directory()
            )
        )
        plan_s = _AROUND_S + settings.warmup_s + settings.duration_s
        cast = stack.enter_context(_Cast(say, show, plan_s))
        outcome = _play(settings, cast, Path(room))
    show(_PLAYED)
    say("judging")
    for path in sorted(settings.output.glob("*.csv")):
        worker = path.stem != coordinator_file()
        to_parquet(path, WORKER_COLUMNS if worker else COORDINATOR_COLUMNS)
    _write_about(settings, outcome)
    judged = JudgeSettings(calibrated_level=LEVEL)
    analysis = analyze(settings.output, settings=judged)
    show(1.0)
    return DemoResult(analysis, outcome)


def _play(settings: DemoSettings, cast: _Cast, room: Path) -> Outcome:
    around = imagine(settings.seed, settings.workers)
    workers = [name for name in around if name != COORDINATOR]
    stage = StageSpec(
        surroundings=around,
        targets=dict(zip(workers, _free_ports(len(workers)), strict=True)),
        servers=SERVERS,
        seed=settings.seed,
        start_raw_ns=HostClock().raw_ns() - _HEAD_START_NS,
        start_utc_ns=_START_UTC_NS,
    )
    cast.say(f"starting {len(around)} virtual hosts and {SERVERS} servers")
    cast.start("stage", play_stage, stage)
    ports = cast.expect("stage", "ports", _STEPS_S["ports"]).ports or {}
    for name in around:
        _start_host(name, settings, stage, ports, cast, room)
    outcome = cast.expect(COORDINATOR, "done", _longest_s(settings)).outcome
    assert outcome is not None  # noqa: S101 - a coordinator that is done has one
    for name in workers:
        cast.expect(name, "done", _STEPS_S["end"])
    return outcome


def _start_host(
    name: str,
    settings: DemoSettings,
    stage: StageSpec,
    ports: Mapping[str, Sequence[int]],
    cast: _Cast,
    room: Path,
) -> None:
    """Start the daemon and the node of one virtual host."""
    spec = VirtualSpec(
        name=name,
        host=stage.surroundings[name].host,
        seed=stage.seed,
        start_raw_ns=stage.start_raw_ns,
        start_utc_ns=stage.start_utc_ns,
    )
    servers = tuple(f"{LOOPBACK}:{port}" for port in ports[name][:SERVERS])
    segment = str(room / name)
    cast.start(f"daemon of {name}", play_daemon, spec, _config(servers, segment))
    node = _node(settings, servers, segment)
    if name == COORDINATOR:
        doors = {w: Endpoint(LOOPBACK, ports[w][SERVERS]) for w in stage.targets}
        cast.start(name, play_coordinator, spec, _coordinator(settings, node, doors))
    else:
        listen = Endpoint(LOOPBACK, stage.targets[name])
        cast.start(name, play_worker, spec, _worker(settings, node, name, listen))


def _node(
    settings: DemoSettings, servers: tuple[str, ...], segment: str
) -> NodeSettings:
    return NodeSettings(
        segment=segment,
        # Plain NTP asks one server, as most hosts do.
        ntp_servers=servers[:1],
        min_warmup_s=settings.warmup_s,
        policy=PollPolicy(
            burst_count=4, burst_interval_s=0.5, min_poll_s=1.0, max_poll_s=2.0
        ),
    )


def _coordinator(
    settings: DemoSettings, node: NodeSettings, workers: Mapping[str, Endpoint]
) -> CoordinatorSettings:
    return CoordinatorSettings(
        workers=workers,
        node=node,
        output=settings.output / f"{coordinator_file()}.csv",
        listen=Endpoint(LOOPBACK, 0),
        pattern=settings.pattern,
        target_duration_s=settings.duration_s,
        preflight_s=_STEPS_S["ready"],
        is_replacing=True,
    )


def _worker(
    settings: DemoSettings, node: NodeSettings, name: str, listen: Endpoint
) -> WorkerSettings:
    return WorkerSettings(
        node_id=name,
        listen=listen,
        node=node,
        output=settings.output / f"{worker_file(name)}.csv",
        deadline_s=_longest_s(settings),
        is_replacing=True,
    )


def _longest_s(settings: DemoSettings) -> float:
    """Return how long a node may take, from its start to its end."""
    return _STEPS_S["ready"] + settings.duration_s + _STEPS_S["end"]


def _config(servers: tuple[str, ...], segment: str) -> Config:
    return Config(
        servers=tuple(Server(server) for server in servers),
        polling=Polling(burst_interval_s=0.25, min_poll_s=0.5, max_poll_s=1.0),
        selection=Selection(required=2),
        publish=Publish(segment=segment, frequency_hz=20.0),
    )


def _free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago: a path must know where it leads."""
    ports = [UdpListener(Endpoint(LOOPBACK, 0), HostClock()) for _ in range(count)]
    for port in ports:
        port.close()
    return [port.endpoint.port for port in ports]


def _write_about(settings: DemoSettings, outcome: Outcome) -> None:
    about = {
        "kind": "simulated on one machine: imagined oscillators and paths, real UDP",
        "seed": str(settings.seed),
        "pattern": settings.pattern,
        "events": str(outcome.events),
        "hosts": f"{settings.workers} virtual workers and a coordinator",
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }
    write_about(settings.output, about)


class _Cast:
    """The processes; all of them end when the context does."""

    def __init__(
        self, say: Callable[[str], None], show: Callable[[float], None], plan_s: float
    ) -> None:
        self.say = say
        self._show = show
        self._plan_s = plan_s
        self._clock = HostClock()
        self._begin_ns = self._clock.raw_ns()
        self._context = multiprocessing.get_context("spawn")
        self._processes: dict[str, tuple[SpawnProcess, Connection]] = {}
        self._said: dict[str, list[Said]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for process, _pipe in self._processes.values():
            if kind is KeyboardInterrupt:
                process.kill()  # One that still imports would be in no hurry.
            else:
                process.terminate()
        for process, pipe in self._processes.values():
            process.join(_END_S)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()
            pipe.close()

    def start(self, name: str, play: Callable[..., None], *values: Any) -> None:  # noqa: ANN401
        """Start a process that plays `values` and talks through a pipe."""
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=play, args=(*values, theirs), daemon=True
        )
        with starting():
            process.start()
            self._processes[name] = (process, ours)
            self._said[name] = []
        # Closed here, so that the pipe ends when the process does.
        theirs.close()

    def expect(self, name: str, kind: str, limit_s: float) -> Said:
        """Return what `name` says of `kind`; pass the others' lines on meanwhile.

        Raises:
            DemoFailed: a process failed, or it took longer than `limit_s`.
        """
        until_ns = self._clock.raw_ns() + round(limit_s * 1e9)
        while True:
            for said in self._said[name]:
                if said.kind == kind:
                    return said
            now_ns = self._clock.raw_ns()
            passed_s = (now_ns - self._begin_ns) / 1e9
            self._show(min(passed_s / self._plan_s, 1.0) * _PLAYED)
            left_s = (until_ns - now_ns) / 1e9
            if left_s <= 0:
                raise DemoFailed(f"{name}: no word within {limit_s:g} s")
            pipes = {pipe: who for who, (_, pipe) in self._processes.items()}
            for ready in wait(list(pipes), timeout=min(left_s, _LOOK_S)):
                self._hear(pipes[ready], ready)  # type: ignore[index, arg-type]

    def _hear(self, name: str, pipe: Connection) -> None:
        try:
            said: Said = pipe.recv()
        except (EOFError, OSError):
            if any(said.kind == "done" for said in self._said[name]):
                process, _ = self._processes.pop(name)
                process.join()
                pipe.close()
                return
            raise DemoFailed(f"{name} ended without a word") from None
        if said.kind == "failed":
            raise DemoFailed(f"{name}: {said.text}")
        if said.kind == "line":
            self.say(f"{name}: {said.text}")
        self._said[name].append(said)
