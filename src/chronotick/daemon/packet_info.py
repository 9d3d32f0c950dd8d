"""Which of our addresses a datagram was sent to, and how to answer from there.

A port that listens on all addresses of a host answers from the one that the route to the
client prefers, and a client takes no answer from anywhere but where it asked (RFC 5905
§8: a connected socket, or a check of the source). Bytes of the kernel's control messages
in, addresses out, and back (ip(7), RFC 3542 §6.2); no socket here.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ANCILLARY_BYTES", "destination", "option", "source"]

# Linux's values; the socket module of Python 3.11 doesn't name the one of IPv4.
_IPPROTO_IP: Final = 0
_IP_PKTINFO: Final = 8
_IPPROTO_IPV6: Final = 41
_IPV6_RECVPKTINFO: Final = 49
_IPV6_PKTINFO: Final = 50
# Index of the interface, our address, the address in the header: ours, but for broadcasts.
_INFO_V4: Final = struct.Struct("@i4s4s")
_INFO_V6: Final = struct.Struct("@16si")
_ANY_V4: Final = bytes(4)

ANCILLARY_BYTES: Final = _INFO_V6.size
"""The larger of the two messages."""

_Message = tuple[int, int, bytes]


def option(address: str) -> tuple[int, int] | None:
    """Return the socket option that tells destinations; None where `address` does."""
    listening = ipaddress.ip_address(address)
    if not listening.is_unspecified:
        return None
    if listening.version == 4:  # noqa: PLR2004 - IPv4
        return _IPPROTO_IP, _IP_PKTINFO
    return _IPPROTO_IPV6, _IPV6_RECVPKTINFO


def destination(ancillary: Iterable[_Message]) -> str | None:
    """Return our address that was asked; None: a group's, or the kernel doesn't say."""
    for level, kind, data in ancillary:
        if (level, kind) == (_IPPROTO_IP, _IP_PKTINFO):
            _, ours, _ = _INFO_V4.unpack(data)
            return str(ipaddress.IPv4Address(ours))
        if (level, kind) == (_IPPROTO_IPV6, _IPV6_PKTINFO):
            ours, index = _INFO_V6.unpack(data)
            address = ipaddress.IPv6Address(ours)
            if address.is_multicast:
                return None
            scope = f"%{index}" if address.is_link_local else ""
            return f"{address}{scope}"
    return None


def source(ours: str) -> _Message:
    """Return the message that makes an answer leave from our address `ours`."""
    address = ipaddress.ip_address(ours)
    if isinstance(address, ipaddress.IPv4Address):
        # Which interface it leaves by is the routes' to say.
        return _IPPROTO_IP, _IP_PKTINFO, _INFO_V4.pack(0, address.packed, _ANY_V4)
    index = int(address.scope_id or 0)
    return _IPPROTO_IPV6, _IPV6_PKTINFO, _INFO_V6.pack(address.packed, index)
