"""Ask a server for the time once, to see whether it can be reached from here.

Decides nothing about the time: `chronotick doctor` shows what came back. One request,
no retry, so that a check is never a burden on somebody's server.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from chronotick.daemon.clocks import HostClock
from chronotick.daemon.udp import UdpTransport
from chronotick.ntp import Association, Drop, Emit, Kiss, Lost, NtpTimestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chronotick.core.records import Endpoint, Sample
    from chronotick.daemon.config import Server
    from chronotick.ntp import Outcome

__all__ = ["Probe", "probe_all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What one request came to."""

    address: str
    endpoint: str | None = None
    sample: Sample | None = None
    system_offset_ns: int | None = None
    """Server − CLOCK_REALTIME at the exchange."""
    trouble: str = ""
    """One clause that says why there is no sample."""


def probe_all(servers: Sequence[Server], timeout_s: float) -> list[Probe]:
    """Ask all `servers` at the same time; wait `timeout_s` at most.

    Returns:
        One probe a server, in their order.
    """
    return anyio.run(_probe_all, servers, timeout_s)


async def _probe_all(servers: Sequence[Server], timeout_s: float) -> list[Probe]:
    done: dict[int, Probe] = {}

    async def one(i: int, server: Server) -> None:
        done[i] = Probe(address=server.address, trouble="no answer in time")
        with anyio.move_on_after(timeout_s):
            done[i] = await _probe(server)

    async with anyio.create_task_group() as group:
        for i, server in enumerate(servers):
            group.start_soon(one, i, server)
    return [done[i] for i in range(len(servers))]


async def _probe(server: Server) -> Probe:
    clock = HostClock()
    transport = UdpTransport(clock)
    try:
        endpoint = (await transport.resolve(server.host, server.port))[0]
    except OSError as error:
        trouble = f"cannot resolve {server.host}: {error.strerror or error}"
        return Probe(address=server.address, trouble=trouble)
    outcome: Outcome | Lost
    try:
        outcome = await _ask(transport, server.address, endpoint)
    except OSError as error:
        outcome = Lost(detail=error.strerror or str(error))
    if isinstance(outcome, Emit):
        sample, pair = outcome.sample, clock.pair()
        return Probe(
            address=server.address,
            endpoint=str(endpoint),
            sample=sample,
            system_offset_ns=sample.offset_ns - (pair.realtime_ns - pair.raw_ns),
        )
    return Probe(
        address=server.address, endpoint=str(endpoint), trouble=_trouble(outcome)
    )


async def _ask(transport: UdpTransport, name: str, endpoint: Endpoint) -> Outcome:
    association = Association(name)
    cookie = NtpTimestamp(int.from_bytes(os.urandom(8), "big") or 1)
    async with transport.open(endpoint) as link:
        send = association.begin(endpoint, cookie)
        association.sent(await link.send(send.payload))
        while True:
            outcome = association.received(await link.receive())
            if not association.is_waiting:
                return outcome


def _trouble(outcome: Drop | Kiss | Lost) -> str:
    match outcome:
        case Kiss(code=code):
            return f"refuses to serve us (kiss code {code})"
        case Drop(reason=reason, detail=detail):
            return f"{reason}: {detail}" if detail else str(reason)
        case Lost(detail=detail):
            return detail
