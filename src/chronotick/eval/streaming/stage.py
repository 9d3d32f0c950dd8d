"""What runs in the processes of a simulated run: servers and paths, daemons, nodes.

Each function is the whole of one process and takes plain values only. Decides how each
part is put together from the product's own; the daemon is the product's pipeline with a
virtual host's clocks in its ports.
"""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from chrono_daemon import Supervisor, WallClock
from chronotick.core.errors import ChronotickError
from chronotick.core.records import Endpoint
from chronotick.daemon.clocks import HostClock
from chronotick.daemon.pipeline import Ports, build
from chronotick.daemon.serve import Legs, NtpService
from chronotick.daemon.udp import UdpListener, UdpTransport
from chronotick.eval.children import end_with_us
from chronotick.eval.streaming.coordinator import run_coordinator
from chronotick.eval.streaming.hosts import TrueClock, VirtualHost
from chronotick.eval.streaming.relay import DelayingRelay
from chronotick.eval.streaming.worker import run_worker
from chronotick.shm.writer import SegmentWriter
from chronotick.sim.path import Path as ImaginedPath
from chronotick.sim.server import HonestServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from chronotick.core.records import DaemonReport
    from chronotick.daemon.config import Config
    from chronotick.eval.streaming.coordinator import CoordinatorSettings, Outcome
    from chronotick.eval.streaming.hosts import VirtualSpec
    from chronotick.eval.streaming.imagined import Surroundings
    from chronotick.eval.streaming.worker import WorkerSettings

__all__ = [
    "LOOPBACK",
    "Said",
    "StageSpec",
    "play_coordinator",
    "play_daemon",
    "play_stage",
    "play_worker",
]

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a process tells the one that started it."""

    kind: str
    """`ports`, `line`, `done` or `failed`."""
    text: str = ""
    ports: dict[str, tuple[int, ...]] | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """Servers and paths of a simulated run."""

    surroundings: dict[str, Surroundings]
    targets: dict[str, int]
    """Port of each worker, by name."""
    servers: int
    seed: int
    start_raw_ns: int
    start_utc_ns: int


def play_stage(spec: StageSpec, pipe: Connection) -> None:
    """Run the servers and the paths until terminated; tell their ports first.

    The ports told for a node are those of its paths to the servers and, for a worker,
    as the last one, that of the path from the coordinator to it.
    """
    _guarded(pipe, lambda: anyio.run(_stage, spec, pipe))


async def _stage(spec: StageSpec, pipe: Connection) -> None:
    measured = HostClock()
    async with Supervisor() as supervisor:
        servers = []
        for k in range(spec.servers):
            listener = UdpListener(Endpoint(LOOPBACK, 0), measured)
            servers.append(listener.endpoint)
            truth = TrueClock(spec.start_raw_ns, spec.start_utc_ns)
            service = NtpService(
                listener, truth, HonestServer(), lambda: Legs(0.0, 0.0)
            )
            supervisor.spawn(service.run, name=f"server {k}")
        ports: dict[str, tuple[int, ...]] = {}
        for name, around in spec.surroundings.items():
            ways = list(zip(servers, around.ntp_paths, strict=True))
            if name in spec.targets:
                ways.append((Endpoint(LOOPBACK, spec.targets[name]), around.event_path))
            found = []
            for k, (target, path) in enumerate(ways):
                listener = UdpListener(Endpoint(LOOPBACK, 0), measured)
                found.append(listener.endpoint.port)
                relay = DelayingRelay(
                    listener,
                    UdpTransport(measured),
                    target,
                    ImaginedPath(path, seed=spec.seed, name=f"{name}/path{k}"),
                    spec.start_raw_ns,
                )
                supervisor.spawn(relay.run, name=f"path {k} of {name}")
            ports[name] = tuple(found)
        _tell(pipe, Said(kind="ports", ports=ports))


def play_daemon(spec: VirtualSpec, config: Config, pipe: Connection) -> None:
    """Run a virtual host's daemon until terminated."""
    _guarded(pipe, lambda: anyio.run(_daemon, spec, config))


async def _daemon(spec: VirtualSpec, config: Config) -> None:
    host = VirtualHost(spec)
    with SegmentWriter(config.publish.segment) as writer:
        ports = Ports(
            schedule=WallClock(),
            measured=host,
            transport=host.transport,
            sink=writer,
            status=_NoStatus(),
            entropy=os.urandom,
        )
        async with build(config, ports, logger=_quiet_logger()):
            pass


def _quiet_logger() -> logging.Logger:
    """Return a logger that leaves lost packets out: here they are put there on purpose."""
    logger = logging.getLogger("chronotick.virtual")
    logger.setLevel(logging.ERROR)
    return logger


class _NoStatus:
    """A status sink for a daemon that nobody asks."""

    def report(self, report: DaemonReport) -> None:
        """Do nothing."""


def play_worker(spec: VirtualSpec, settings: WorkerSettings, pipe: Connection) -> None:
    """Run a worker on a virtual host to its end."""

    def play() -> None:
        anyio.run(run_worker, settings, VirtualHost(spec), _teller(pipe))
        _tell(pipe, Said(kind="done"))

    _guarded(pipe, play)


def play_coordinator(
    spec: VirtualSpec, settings: CoordinatorSettings, pipe: Connection
) -> None:
    """Run the coordinator on a virtual host to its end."""

    def play() -> None:
        host = VirtualHost(spec)
        outcome = anyio.run(run_coordinator, settings, host, _teller(pipe))
        _tell(pipe, Said(kind="done", outcome=outcome))

    _guarded(pipe, play)


def _teller(pipe: Connection) -> Callable[[str], None]:
    return lambda line: _tell(pipe, Said(kind="line", text=line))


def _tell(pipe: Connection, said: Said) -> None:
    # With nobody to hear it, this process ends, too.
    with contextlib.suppress(BrokenPipeError):
        pipe.send(said)


def _guarded(pipe: Connection, play: Callable[[], None]) -> None:
    """Play; tell what went wrong in one line, so that nobody waits for an answer."""
    end_with_us()
    try:
        play()
    except (ChronotickError, OSError) as error:
        _tell(pipe, Said(kind="failed", text=str(error)))
    except BaseExceptionGroup as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        _tell(pipe, Said(kind="failed", text=f"{type(first).__name__}: {first}"))
        raise
