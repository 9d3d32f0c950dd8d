"""`cli.eval_addresses`: addresses that one socket reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from chronotick.cli.eval_addresses import anywhere, reachable
from chronotick.core.records import Endpoint
from chronotick.daemon.udp import UdpTransport

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = {
    "both": ["2001:db8::1", "192.0.2.1", "192.0.2.2"],
    "old": ["192.0.2.3"],
    "new": ["2001:db8::3", "2001:db8::4"],
}


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(_self: UdpTransport, host: str, port: int) -> Sequence[Endpoint]:
        if host not in NAMES:
            raise OSError(-2, "Name or service not known")
        return [Endpoint(address, port) for address in NAMES[host]]

    monkeypatch.setattr(UdpTransport, "resolve", resolve)


@pytest.mark.parametrize(
    ("hosts", "listen", "addresses"),
    [
        # As `localhost` on Debian: ::1 comes first, and 0.0.0.0 can't send there.
        ("both", "0.0.0.0", "192.0.2.1"),  # noqa: S104
        ("both", "::", "2001:db8::1"),
        ("both", None, "192.0.2.1"),
        ("new", None, "2001:db8::3"),
        ("both new", None, "2001:db8::1 2001:db8::3"),
        ("both old", None, "192.0.2.1 192.0.2.3"),
        ("old both", "127.0.0.1", "192.0.2.3 192.0.2.1"),
    ],
)
def test_one_socket_reaches_all_nodes(
    hosts: str, listen: str | None, addresses: str
) -> None:
    """By the first address of its own IP version; IPv4 where both would do."""
    found = reachable({host: (host, 9000) for host in hosts.split()}, listen)

    assert found == {
        host: Endpoint(address, 9000)
        for host, address in zip(hosts.split(), addresses.split(), strict=True)
    }
    if listen is None:
        assert anywhere(found.values()) == ("::" if ":" in addresses else "0.0.0.0")  # noqa: S104


@pytest.mark.parametrize(
    ("hosts", "listen", "says"),
    [
        (
            "both new",
            "192.0.2.9",
            r"without an IPv4 address: new \(new\), .*--listen ::",
        ),
        ("old", "::1", r"IPv6 address: old \(old\), and ::1 .* --listen 0\.0\.0\.0"),
        ("old new", None, r"IPv6 address: old \(old\); others have no IPv4"),
        ("nowhere", None, "node nowhere: cannot resolve nowhere"),
    ],
)
def test_nodes_that_no_socket_reaches_are_named(
    hosts: str, listen: str | None, says: str
) -> None:
    """Before anything is started: their datagrams would all be lost, without a word."""
    with pytest.raises(click.ClickException, match=says):
        reachable({host: (host, 9000) for host in hosts.split()}, listen)
