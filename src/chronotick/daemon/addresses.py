"""Which server is asked under which name: one address, one name.

Two names can lead to one server (localhost and 127.0.0.1, two names of a pool). Asked
under both it would have two votes, of which a majority may be made, and twice the
queries that are polite. Decides who asks an address: whoever came first, until an answer
came from another of its addresses. Two addresses are two servers; nothing in their
answers proves otherwise.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
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

    def settle(self, endpoint: Endpoint, name: str) -> None:
        """Leave all else that `name` has claimed to others: `endpoint` has answered.

        Not before: until then its newest answer, which may be from another address,
        counts.
        """
        kept = _server_at(endpoint)
        self._asked_as = {
            each: holder
            for each, holder in self._asked_as.items()
            if holder != name or each == kept
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
