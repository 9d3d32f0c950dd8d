"""`daemon.addresses`: one address is asked under one name."""

from __future__ import annotations

import pytest

from chronotick.core.records import Endpoint
from chronotick.daemon.addresses import Addresses

HERE = Endpoint("192.0.2.1", 123)
THERE = Endpoint("192.0.2.2", 123)


def test_whoever_comes_first_asks() -> None:
    """The first name has it however often it comes again; ports are other servers."""
    addresses = Addresses()

    assert addresses.claim(HERE, "a") == "a"
    assert addresses.claim(HERE, "b") == "a"
    assert addresses.claim(HERE, "a") == "a"
    assert addresses.claim(HERE._replace(port=124), "b") == "b"


def test_an_address_is_left_unless_it_is_kept() -> None:
    """Until then its own newest answer, from the old address, still has a vote."""
    addresses = Addresses()
    addresses.claim(HERE, "a")
    addresses.claim(THERE, "a")

    assert addresses.claim(HERE, "b") == "a"
    addresses.settle([HERE, THERE], "a")
    assert addresses.claim(HERE, "b") == "a"
    addresses.settle([THERE], "b")
    assert addresses.claim(HERE, "b") == "a"
    addresses.settle([THERE], "a")
    assert addresses.claim(HERE, "b") == "b"
    assert addresses.claim(THERE, "b") == "a"


def test_servers_are_known_by_how_packets_name_them() -> None:
    """But for one's own, and those whose address every host has for itself."""
    addresses = Addresses()
    addresses.claim(HERE, "a")
    addresses.claim(Endpoint("::ffff:192.0.2.2", 123), "b")
    addresses.claim(Endpoint("127.0.0.1", 123), "c")

    assert addresses.references(besides="a") == {0xC000_0202}
    assert addresses.references(besides="c") == {0xC000_0201, 0xC000_0202}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("127.0.0.1", "::1"),
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("2001:db8::1", "2001:db8:0::1"),
        ("fe80::1%2", "fe80:0::1%2"),
    ],
)
def test_one_server_in_two_spellings_is_one(one: str, other: str) -> None:
    """IPv4 within IPv6 is IPv4, and this host is itself by either protocol."""
    for first, second in ((one, other), (other, one)):
        addresses = Addresses()
        addresses.claim(Endpoint(first, 123), "a")

        assert addresses.claim(Endpoint(second, 123), "b") == "a"
        addresses.settle([Endpoint(first, 123)], "a")
        assert addresses.claim(Endpoint(second, 123), "b") == "a"


def test_one_link_local_address_on_two_links_is_two_servers() -> None:
    """Each link has its own (RFC 4007 §4)."""
    addresses = Addresses()
    addresses.claim(Endpoint("fe80::1%2", 123), "a")

    assert addresses.claim(Endpoint("fe80::1%3", 123), "b") == "b"
