"""Read how people write a server, and say whether an address is someone else's.

Decides what `host:port` means in all its forms; it resolves nothing, so names stay
names (IDNA included) until the transport asks the resolver.
"""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Final, NamedTuple

from chronotick.core.errors import AddressError

__all__ = [
    "NTP_PORT",
    "ServerName",
    "is_loopback",
    "is_public",
    "parse_server",
    "reference_id",
]

NTP_PORT: Final = 123
"""The registered port (RFC 5905 §16)."""

_MAX_NAME: Final = 253  # RFC 1035 §2.3.4, in presentation form.
_MAX_LABEL: Final = 63
_PORTS: Final = range(1, 65536)
_SHOWN: Final = 80  # Characters of the input that an error repeats.
# 100.64.0.0/10, RFC 6598: behind a carrier's NAT, neither private nor public.
_CGNAT: Final = ipaddress.IPv4Network("100.64.0.0/10")


class ServerName(NamedTuple):
    """A server as it was asked for: a name or numeric address, and a UDP port."""

    host: str
    """A DNS name, an IPv4 address or an unbracketed IPv6 address."""
    port: int

    def __str__(self) -> str:
        """Return ``host:port``, IPv6 in brackets; `parse_server` reads it back."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_server(text: str, default_port: int = NTP_PORT) -> ServerName:
    """Return the server that `text` names.

    Understands ``host``, ``host:port``, ``v4``, ``v4:port``, ``v6``, ``[v6]``,
    ``[v6]:port`` (without brackets, all of it is the address) and scoped addresses (``[fe80::1%eth0]:port``). IPv6 addresses come
    back in canonical form (RFC 5952).

    Raises:
        AddressError: it names no server; one line says what to write instead.
    """
    stripped = text.strip()
    if not stripped:
        raise _bad(text, "it is empty", "write HOST or HOST:PORT")
    if "/" in stripped:
        raise _bad(text, "it looks like a URL", "write HOST or HOST:PORT alone")
    host, port_text = _split(text, stripped)
    port = default_port if port_text is None else _port(text, port_text)
    if ":" not in host:
        _check_name(text, host)
    return ServerName(host, port)


def is_public(address: str) -> bool:
    """Say whether a numeric address is reached over the public Internet.

    Loopback, private, link-local, carrier-grade NAT and other special ranges are not.
    Used for politeness: strangers' servers are polled no faster than they expect.

    Raises:
        AddressError: `address` is not a numeric address.
    """
    try:
        parsed = _numeric(address)
    except ValueError:
        raise _bad(address, "it is not numeric", "resolve the name first") from None
    if isinstance(parsed, ipaddress.IPv4Address) and parsed in _CGNAT:
        return False
    return parsed.is_global and not parsed.is_multicast


def reference_id(address: str) -> int:
    """Return how packets name the server at a numeric address (RFC 5905 §7.3).

    An IPv4 address as such, of an IPv6 address the first four bytes of its MD5 hash.
    Whoever follows that server says so by this; at stratum 1 it means something else.

    Raises:
        ValueError: `address` is not numeric.
    """
    parsed = _numeric(address)
    if isinstance(parsed, ipaddress.IPv4Address):
        return int(parsed)
    digest = hashlib.md5(parsed.packed, usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big")


def is_loopback(address: str) -> bool:
    """Say whether a numeric address is one that every host has for itself.

    Raises:
        ValueError: `address` is not numeric.
    """
    return _numeric(address).is_loopback


def _numeric(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the address; IPv4 within IPv6 as IPv4, which Python before 3.13 doesn't."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def _bad(text: str, what: str, fix: str) -> AddressError:
    shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return AddressError(f"{shown!r} names no server: {what}; {fix}")


def _split(text: str, stripped: str) -> tuple[str, str | None]:
    """Return the host, without brackets, and the text of the port if there is one."""
    if stripped.startswith("["):
        inside, closed, after = stripped[1:].partition("]")
        if not closed:
            raise _bad(text, "the bracket is not closed", "write [IPV6]:PORT")
        if after and not after.startswith(":"):
            raise _bad(text, f"{after!r} follows the bracket", "write [IPV6]:PORT")
        return _ipv6(text, inside), after[1:] if after else None
    if stripped.count(":") > 1:
        before, _, after = stripped.rpartition(":")
        # `2001:db8::1:123` is an address, and some server's; `::1:123` is one of a kind
        # that is no more (RFC 4291 §2.5.5.1), and surely meant otherwise.
        if before == "::1" and after.isascii() and after.isdigit():
            raise _bad(text, "a port needs brackets before it", f"write [::1]:{after}")
        return _ipv6(text, stripped), None
    host, colon, port_text = stripped.partition(":")
    return host, port_text if colon else None


def _ipv6(text: str, host: str) -> str:
    wrong = _bad(
        text,
        f"{host!r} is not an IPv6 address",
        "write [IPV6]:PORT, and brackets around nothing else",
    )
    # The module accepts any scope; one with a bracket could not be written back.
    scope = host.partition("%")[2]
    if any(char in "[]" or not char.isprintable() for char in scope):
        raise wrong
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError:
        raise wrong from None


def _port(text: str, port_text: str) -> int:
    # str.isdigit alone takes other scripts' digits; int() takes signs, underscores,
    # and raises for thousands of digits.
    is_number = port_text.isascii() and port_text.isdigit() and len(port_text) < _SHOWN
    if not is_number or int(port_text) not in _PORTS:
        raise _bad(text, f"{port_text!r} is no port", "write a port from 1 to 65535")
    return int(port_text)


def _check_name(text: str, host: str) -> None:
    """Refuse what no resolver could take; all else is the resolver's to judge."""
    labels = host.removesuffix(".").split(".")
    if len(host) > _MAX_NAME or any(len(label) > _MAX_LABEL for label in labels):
        raise _bad(text, "the name is too long", "check the name")
    for label in labels:
        if not label:
            raise _bad(text, "part of the name is empty", "write HOST or HOST:PORT")
        if label.startswith("-"):
            raise _bad(text, "a name can't begin with a hyphen", "check the name")
        # Letters of any script are left for IDNA; names in use carry underscores.
        if not label.replace("-", "").replace("_", "").isalnum():
            raise _bad(text, f"{label!r} can't be in a name", "write HOST or HOST:PORT")
    # RFC 1123 §2.1: a name's last label is never all digits, so this is an address.
    # Checked because resolvers take "127.1" for 127.0.0.1, which nobody means.
    if labels[-1].isascii() and labels[-1].isdigit():
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise _bad(
                text, f"{host!r} is not an IPv4 address", "write four numbers, 0 to 255"
            ) from None
