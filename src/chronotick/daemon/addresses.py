"""Which server is asked under which name: one address, one name.

Two names can lead to one server (localhost and 127.0.0.1, two names of a pool). Asked
under both it would have two votes, of which a majority may be made, and twice the
queries that are polite. Decides who asks an address: whoever came first, until it leaves
it. Two addresses are two servers; nothing in their answers proves otherwise.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from chronotick.ntp import is_loopback, reference_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chronotick.core.records import Endpoint

__all__ = ["Addresses"]

# Both are this host, by whichever protocol (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3).
_LOOPBACK_V6: Final = "::1"
_LOOPBACK: Final = "127.0.0.1"


class Addresses:
    """Shared by all sources."""

    def __init__(self) -> None:
        self._asked_as: dict[Endpoint, str] = {}

    def claim(self, endpoint: Endpoint, name: str) -> str:
        """Return the name that `endpoint` is asked under: `name` if it was free."""
        return self._asked_as.setdefault(_server_at(endpoint), name)

    def references(self, besides: str) -> frozenset[int]:
        """Return how packets name the servers that are asked, besides one.

        Not those on this host: their addresses are the same on every other one.
        """
        return frozenset(
            reference_id(endpoint.address)
            for endpoint, holder in self._asked_as.items()
            if holder != besides and not is_loopback(endpoint.address)
        )

    def settle(self, kept: Iterable[Endpoint], name: str) -> None:
        """Leave all that `name` has claimed to others, but `kept`.

        That is what it asks, and whatever its newest answer came from as long as that
        counts: another name's would be a second vote.
        """
        theirs = {_server_at(each) for each in kept}
        self._asked_as = {
            each: holder
            for each, holder in self._asked_as.items()
            if holder != name or each in theirs
        }


def _server_at(endpoint: Endpoint) -> Endpoint:
    """Return the one spelling of all that lead to the same server."""
    if endpoint.address == _LOOPBACK_V6:
        return endpoint._replace(address=_LOOPBACK)
    try:
        address = ipaddress.IPv6Address(endpoint.address)
    except ValueError:
        return endpoint
    # ::ffff:0:0/96 is IPv4 in IPv6's clothes (RFC 4291 §2.5.5.2).
    return endpoint._replace(address=str(address.ipv4_mapped or address))
