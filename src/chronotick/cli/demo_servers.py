"""The cast of `chronotick demo`: four servers on loopback, of which one lies.

Decides their paths and their honesty. All of them tell this machine's CLOCK_REALTIME,
so the truth that the demo measures against is known.
"""

from __future__ import annotations

import multiprocessing
import signal
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from chronotick.core.records import Endpoint
from chronotick.core.units import NS_PER_S
from chronotick.daemon.clocks import HostClock
from chronotick.daemon.embedded import serve_all
from chronotick.daemon.serve import Legs, NtpService
from chronotick.daemon.udp import UdpListener
from chronotick.eval.children import end_with_us, starting
from chronotick.sim.path import Path
from chronotick.sim.server import HonestServer, LyingServer, NtpResponder
from chronotick.sim.specs import Exponential, Gamma, LegSpec, PathSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chronotick.sim.path import Leg

__all__ = ["CAST", "LIE_NS", "Actor", "Stage"]

LIE_NS = 250_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """One server: how far away it is, and what it tells."""

    name: str
    story: str
    path: PathSpec
    responder: NtpResponder = field(default_factory=HonestServer)


CAST = (
    Actor(
        name="near",
        story="adds 1 ms",
        path=PathSpec(
            forward=LegSpec(base_us=400.0, jitter=Exponential(mean_us=100.0)),
        ),
    ),
    Actor(
        name="far",
        story="adds 30 ms and a lot of jitter",
        path=PathSpec(
            forward=LegSpec(base_us=12_000.0, jitter=Gamma(shape=2.0, mean_us=3_000.0)),
        ),
    ),
    Actor(
        name="lopsided",
        story="adds 3 ms there, 12 ms back",
        path=PathSpec(
            forward=LegSpec(base_us=3_000.0, jitter=Exponential(mean_us=300.0)),
            backward=LegSpec(base_us=12_000.0, jitter=Exponential(mean_us=300.0)),
        ),
    ),
    Actor(
        name="liar",
        story="adds 2 ms, and is 250 ms ahead",
        path=PathSpec(
            forward=LegSpec(base_us=800.0, jitter=Exponential(mean_us=200.0)),
        ),
        responder=LyingServer(LIE_NS),
    ),
)


class Stage:
    """The cast on real sockets.

    Args:
        seed: Of the delays: the same every time, as far as the machine lets them.

    Raises:
        OSError: loopback has no free port.
    """

    def __init__(self, seed: int = 1) -> None:
        clock = HostClock()
        self.services: list[NtpService] = []
        self.actors: dict[str, Actor] = {}
        """By the address that the daemon is given."""
        for actor in CAST:
            listener = UdpListener(Endpoint("127.0.0.1", 0), clock)
            delays = _delays(Path(actor.path, seed=seed, name=actor.name))
            service = NtpService(listener, clock, actor.responder, delays)
            self.services.append(service)
            self.actors[str(listener.endpoint)] = actor

    @contextmanager
    def playing(self) -> Iterator[None]:
        """Let the servers answer, in a process of their own, meanwhile.

        Forked, because the sockets are open already and a second interpreter would
        keep the audience waiting; there are no threads here yet.
        """
        process = multiprocessing.get_context("fork").Process(
            target=_play, args=(self.services,), daemon=True
        )
        try:
            # A fork has hooks, in which an interrupt would be lost.
            with starting():
                process.start()
            yield
        finally:
            if process.pid is not None:
                process.kill()
                process.join()


def _play(services: list[NtpService]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_us(at_ctrl_c=signal.SIG_IGN)  # We are killed instead.
    anyio.run(serve_all, services)


def _delays(path: Path) -> Callable[[], Legs]:
    return lambda: Legs(_delay_s(path.forward), _delay_s(path.backward))


def _delay_s(leg: Leg) -> float:
    # The paths here lose nothing, so every packet arrives once.
    (arrival,) = leg.carry(b"", 0)
    return arrival.true_ns / NS_PER_S
