"""Servers are read in all the forms that people write, and refused with the mend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.errors import AddressError
from chronotick.ntp.address import (
    ServerName,
    is_loopback,
    is_public,
    parse_server,
    reference_id,
)

if TYPE_CHECKING:
    import ipaddress

labels = st.from_regex(r"[a-z0-9_]([a-z0-9_-]{0,20}[a-z])", fullmatch=True)
names = st.lists(labels, min_size=1, max_size=4).map(".".join)
hosts = (
    names
    | st.ip_addresses(v=4).map(str)
    | st.ip_addresses(v=6).map(str)
    | st.ip_addresses(v=6).map(lambda address: f"{address}%eth0")
)


@given(host=hosts, port=st.integers(1, 65535))
def test_written_form_reads_back(host: str, port: int) -> None:
    """`str` of a server names the same server, whatever the default port."""
    server = ServerName(host, port)

    assert server == parse_server(str(server), default_port=1)


@given(text=st.text(max_size=30) | st.text("[]:.%a1-_ ", max_size=15))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    """Whatever is typed: a server that reads back, or one line that says what is wrong."""
    try:
        server = parse_server(text)
    except AddressError as error:
        complaint = str(error)
    else:
        assert server == parse_server(str(server))
        return

    assert len(complaint.splitlines()) == 1
    assert "; " in complaint


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("time.example", "time.example", 123),
        ("time.example.", "time.example.", 123),
        ("time.example:1123", "time.example", 1123),
        (" localhost ", "localhost", 123),
        ("_ntp.host-1", "_ntp.host-1", 123),
        ("zeit.bücher.example", "zeit.bücher.example", 123),
        ("192.0.2.1", "192.0.2.1", 123),
        ("192.0.2.1:65535", "192.0.2.1", 65535),
        ("::1", "::1", 123),
        ("2001:DB8::0:1", "2001:db8::1", 123),
        ("2001:db8::1:123", "2001:db8::1:123", 123),
        ("[::1]", "::1", 123),
        ("[::1]:1123", "::1", 1123),
        ("fe80::1%eth0", "fe80::1%eth0", 123),
        ("[fe80::1%eth0]:1123", "fe80::1%eth0", 1123),
    ],
)
def test_forms(text: str, host: str, port: int) -> None:
    """Each documented form gives host and port."""
    assert (host, port) == parse_server(text)


def test_default_port() -> None:
    """The default port is the caller's, where the text has none."""
    assert parse_server("time.example", default_port=4460).port == 4460


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("ntp://time.example", "URL"),
        (":123", "empty"),
        ("a..b", "empty"),
        ("time.example:", "no port"),
        ("time.example:ntp", "no port"),
        ("time.example:0", "no port"),
        ("time.example:65536", "no port"),
        ("time.example:-1", "no port"),
        ("time.example:١٢٣", "no port"),
        ("time.example:" + "9" * 5000, "no port"),
        ("time example", "can't be in a name"),
        ("user@time.example", "can't be in a name"),
        ("fe80%eth0", "can't be in a name"),
        ("--server", "hyphen"),
        ("a" * 64, "too long"),
        (".".join(["abcdefghi"] * 30), "too long"),
        ("127.1", "not an IPv4 address"),
        ("256.0.0.1", "not an IPv4 address"),
        ("123", "not an IPv4 address"),
        ("time.example:123:456", "not an IPv6 address"),
        ("[::1", "not closed"),
        ("[::1]123", "follows the bracket"),
        ("[::1]:", "no port"),
        ("[192.0.2.1]:123", "not an IPv6 address"),
        ("[time.example]", "not an IPv6 address"),
        ("fe80::1%]x", "not an IPv6 address"),
        ("fe80::1%", "not an IPv6 address"),
        ("::1:123", r"port needs brackets before it; write \[::1\]:123$"),
    ],
)
def test_refusals(text: str, what: str) -> None:
    """Each mistake is named, in one line of bounded length."""
    with pytest.raises(AddressError, match=what) as caught:
        parse_server(text)

    assert "names no server" in str(caught.value)
    assert "write" in str(caught.value) or "check" in str(caught.value)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2620:fe::fe", True),
        ("::ffff:8.8.8.8", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("fd00::1", False),
        ("169.254.169.123", False),
        ("fe80::1%eth0", False),
        ("100.64.0.1", False),
        ("100.127.255.255", False),
        ("100.128.0.0", True),
        ("192.0.2.1", False),
        ("224.0.1.1", False),
        ("ff0e::101", False),
        ("::", False),
    ],
)
def test_is_public(address: str, expected: bool) -> None:
    """Only addresses across the public Internet owe strangers politeness."""
    assert expected is is_public(address)


@given(address=st.ip_addresses())
def test_private_is_never_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """No address is public and special at once."""
    is_special = address.is_loopback or address.is_link_local or address.is_multicast

    assert not (is_special and is_public(str(address)))


def test_is_public_wants_a_number() -> None:
    """A name is refused: whether it is public is known after resolving."""
    with pytest.raises(AddressError, match="resolve"):
        is_public("time.example")


@pytest.mark.parametrize(
    ("address", "reference", "loopback"),
    [
        ("192.0.2.7", 0xC000_0207, False),
        ("::ffff:192.0.2.7", 0xC000_0207, False),
        ("127.0.0.1", 0x7F00_0001, True),
        ("::ffff:127.0.0.1", 0x7F00_0001, True),
        ("::1", 0xCF40_4DC8, True),
        ("2001:db8::7", 0xE1B2_C29D, False),
    ],
)
def test_how_packets_name_a_server(
    address: str, reference: int, loopback: bool
) -> None:
    """IPv4 by itself, IPv6 by the beginning of its MD5, as `md5sum` has it."""
    assert reference_id(address) == reference
    assert loopback is is_loopback(address)


def test_the_interface_is_no_part_of_a_servers_name() -> None:
    """Who follows it reaches it by another one."""
    assert reference_id("fe80::1%eth0") == reference_id("fe80::1%2")
