"""An imagined network between hosts: nodes, names, and a packet's way there and back.

Decides who is at which address and what comes back for a request, when. What is
answered is `server`'s business, how long a packet takes `path`'s.

A packet's whole fate is settled when it is sent: the arrival at the server, the answer,
the way back. So no task runs for it, and a link only waits for what is on its way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.units import NS_PER_S
from chronotick.sim.dice import Dice
from chronotick.sim.path import Path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chronotick.core.records import Endpoint
    from chronotick.sim.server import NtpResponder
    from chronotick.sim.specs import PathSpec

__all__ = ["Item", "Network", "Node", "Route"]

_NS_PER_US = 1_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A server at an address of the imagined network."""

    name: str
    """DNS name; several nodes may share one."""
    endpoint: Endpoint
    path: PathSpec
    responder: NtpResponder | None
    """None: the port is closed, and the host says so (ICMP)."""
    error_us: float = 0.0
    """Server's clock − UTC, its constant part."""
    wander_us: float = 0.0
    """Amplitude of the part that comes and goes."""
    wander_period_s: float = 7200.0
    turnaround_us: float = 30.0
    """Mean time from receipt to answer, exponential."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """All nodes, and who answers to which name."""

    nodes: Mapping[Endpoint, Node]
    names: Mapping[str, Sequence[Endpoint]]
    dns_ms: float = 20.0
    """Mean time that a look-up takes, exponential."""

    @classmethod
    def of(cls, nodes: Sequence[Node]) -> Network:
        """Return the network in which every node is reachable by its name.

        Raises:
            ValueError: two nodes share an address.
        """
        by_endpoint = {node.endpoint: node for node in nodes}
        if len(by_endpoint) != len(nodes):
            raise ValueError("two servers have the same address and port")
        names: dict[str, list[Endpoint]] = {}
        for node in nodes:
            names.setdefault(node.name.lower(), []).append(node.endpoint)
        return cls(nodes=by_endpoint, names=names)


class Item(NamedTuple):
    """Something on its way to a link's owner."""

    true_ns: int
    order: int
    payload: bytes | None
    """None: an ICMP error."""


class Route:
    """The state of the way between one host and one node, for as long as the world."""

    def __init__(self, node: Node, host: str, seed: int) -> None:
        name = f"{host}-{node.endpoint}"
        self.node = node
        self.path = Path(node.path, seed=seed, name=name)
        self._dice = Dice(seed, f"{name}/turnaround")
        # Of the node alone: to all its clients it is wrong by the same.
        self._phase = Dice(seed, f"{node.endpoint}/wander").uniform()

    def exchange(self, payload: bytes, sent_ns: int, utc_ns: int) -> list[Item]:
        """Return what comes back for `payload`; `utc_ns` is Unix time at true 0."""
        items: list[Item] = []
        for request in self.path.forward.carry(payload, sent_ns):
            came_ns = request.true_ns
            left_ns = came_ns + round(
                self._dice.exponential(self.node.turnaround_us) * _NS_PER_US
            )
            reply = self._reply(request.payload, came_ns, left_ns, utc_ns)
            if self.node.responder is not None and reply is None:
                continue
            for back in self.path.backward.carry(reply or b"", left_ns):
                shown = None if reply is None else back.payload
                items.append(Item(back.true_ns, 0, shown))
        return items

    def _reply(
        self, payload: bytes, came_ns: int, left_ns: int, utc_ns: int
    ) -> bytes | None:
        if self.node.responder is None:
            return None
        return self.node.responder.reply(
            payload,
            receive_utc_ns=utc_ns + came_ns + self._error_ns(came_ns),
            transmit_utc_ns=utc_ns + left_ns + self._error_ns(left_ns),
        )

    def _error_ns(self, true_ns: int) -> int:
        """Return the server's clock − UTC: a triangle wave around its constant part."""
        node = self.node
        cycle = (true_ns / NS_PER_S / node.wander_period_s + self._phase) % 1.0
        wave = 4.0 * abs(cycle - 0.5) - 1.0
        return round((node.error_us + node.wander_us * wave) * _NS_PER_US)
