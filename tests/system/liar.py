"""A real UDP server whose time is wrong by as much as is asked."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

from chrono_daemon import Supervisor
from chronotick.core.records import Endpoint
from chronotick.daemon.clocks import HostClock
from chronotick.daemon.serve import Legs, NtpService
from chronotick.daemon.udp import UdpListener
from chronotick.sim.server import LyingServer, NtpResponder

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["lying_server", "ntp_server"]


@contextmanager
def ntp_server(responder: NtpResponder) -> Iterator[int]:
    """Serve `responder` on a loopback port, in a thread; yield the port."""
    measured = HostClock()
    listener = UdpListener(Endpoint("127.0.0.1", 0), measured)
    service = NtpService(listener, measured, responder, lambda: Legs(0.0, 0.0))
    stop = threading.Event()

    async def run() -> None:
        async with Supervisor() as supervisor:
            supervisor.spawn(service.run, name="server")
            while not stop.is_set():
                await supervisor.clock.sleep(0.05)
            await supervisor.stop(grace=0)

    thread = threading.Thread(target=anyio.run, args=(run,))
    thread.start()
    try:
        yield listener.endpoint.port
    finally:
        stop.set()
        thread.join()


@contextmanager
def lying_server(offset_ns: int) -> Iterator[int]:
    """Serve CLOCK_REALTIME plus `offset_ns`; yield the port."""
    with ntp_server(LyingServer(offset_ns)) as port:
        yield port
