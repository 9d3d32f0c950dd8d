"""Where nodes are: their names' addresses, such that one socket reaches all of them.

A name often has addresses of both IP versions, IPv6 first. A socket that is bound to an
IPv4 address sends to no other, and its datagrams to the other ones are just lost.
"""

from __future__ import annotations

import ipaddress
from functools import partial
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from chronotick.core.records import Endpoint

__all__ = ["anywhere", "reachable"]

_ANYWHERE: Final = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - nodes are asked from elsewhere


def reachable(
    hosts: Mapping[str, tuple[str, int]], listen: str | None = None
) -> dict[str, Endpoint]:
    """Return the first address of each node that can be sent to from `listen`.

    Args:
        hosts: host and port by the node's name.
        listen: numeric address of the socket; None: of the IP version that all nodes
            have, IPv4 if they have both.

    Raises:
        ClickException: a name cannot be resolved, or the IP versions don't match.
    """
    found = {name: _looked_up(name, *where) for name, where in hosts.items()}
    for version in (4, 6) if listen is None else (_version(listen),):
        lonely = [n for n, ends in found.items() if not _of(version, ends)]
        if not lonely:
            return {name: _of(version, ends)[0] for name, ends in found.items()}
    without = ", ".join(f"{name} ({hosts[name][0]})" for name in lonely)
    why = f"nodes without an IPv{version} address: {without}"
    if listen is None:
        raise click.ClickException(f"{why}; others have no IPv4 address")
    other = _ANYWHERE[6 if version == 4 else 4]  # noqa: PLR2004 - IPv4
    raise click.ClickException(
        f"{why}, and {listen} reaches no other: name one that they have, or give all "
        f"nodes --listen {other}"
    )


def anywhere(endpoints: Iterable[Endpoint]) -> str:
    """Return the address that listens wherever `endpoints`, of one version, may be."""
    return _ANYWHERE[max((_version(each.address) for each in endpoints), default=4)]


def _looked_up(name: str, host: str, port: int) -> Sequence[Endpoint]:
    import anyio  # noqa: PLC0415

    from chronotick.daemon.clocks import HostClock  # noqa: PLC0415
    from chronotick.daemon.udp import UdpTransport  # noqa: PLC0415

    try:
        return anyio.run(partial(UdpTransport(HostClock()).resolve, host, port))
    except OSError as error:
        raise click.ClickException(f"node {name}: cannot resolve {host}") from error


def _of(version: int, endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    return [each for each in endpoints if _version(each.address) == version]


def _version(address: str) -> int:
    return ipaddress.ip_address(address).version
