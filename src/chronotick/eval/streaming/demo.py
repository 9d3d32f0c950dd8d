"""A whole run on one machine, in imagined hosts whose true time is known.

Decides who plays, in a `cast` of processes: one for the servers and paths, one daemon
and one node a virtual host, so that no estimator runs where stamps are made. Real UDP,
real shared memory, real kernel stamps; imagined oscillators and paths.
"""

from __future__ import annotations

import platform
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.records import Endpoint
from chronotick.daemon.clocks import HostClock
from chronotick.daemon.config import Config, Polling, Publish, Selection, Server
from chronotick.daemon.udp import UdpListener
from chronotick.eval.streaming.about import write_about
from chronotick.eval.streaming.analyze import analyze
from chronotick.eval.streaming.cast import Cast, DemoFailed
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
        cast = stack.enter_context(
            Cast(say, lambda share: show(_PLAYED * share), plan_s)
        )
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


def _play(settings: DemoSettings, cast: Cast, room: Path) -> Outcome:
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
    cast: Cast,
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
