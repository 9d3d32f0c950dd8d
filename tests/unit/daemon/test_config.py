"""The schema: defaults, documentation of every key, who is treated politely."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec import inspect

from chronotick.core.errors import AddressError
from chronotick.daemon.config import Config, Polling, Server

if TYPE_CHECKING:
    from collections.abc import Iterator


def keys(section: type[msgspec.Struct] = Config) -> Iterator[tuple[str, Any]]:
    """Yield (path, annotation info) of every key that holds a value."""
    for item in msgspec.structs.fields(section):
        kind = item.type
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from ((f"{item.encode_name}.{k}", i) for k, i in keys(kind))
        else:
            yield item.encode_name, inspect.type_info(kind)


@pytest.mark.parametrize(("key", "info"), [*keys(), *keys(Server)])
def test_every_key_is_documented(key: str, info: Any) -> None:
    """A key without a description would be an empty row in the reference."""
    assert isinstance(info, inspect.Metadata), key
    assert (info.extra_json_schema or {})["description"].endswith(".")


@pytest.mark.parametrize(("key", "info"), list(keys()))
def test_every_number_has_both_limits(key: str, info: Any) -> None:
    """A number without limits lets a typing error through."""
    if isinstance(info.type, (inspect.FloatType, inspect.IntType)):
        assert info.type.ge is not None, key
        assert info.type.le is not None, key


@pytest.mark.parametrize(("key", "info"), list(keys()))
def test_every_float_has_a_unit(key: str, info: Any) -> None:
    """A physical quantity without a unit cannot be documented or read."""
    if isinstance(info.type, inspect.FloatType):
        assert (info.extra or {}).get("unit") in {"s", "ppm", "Hz"}, key


def test_the_defaults_lie_within_their_own_limits() -> None:
    """Round trip through the validator: no default could be refused from a file."""
    config = Config()

    assert msgspec.convert(msgspec.to_builtins(config), Config) == config


def test_the_default_servers_are_several_and_public() -> None:
    """A fresh installation can outvote one liar and is polite to all four."""
    servers = Config().servers

    assert len(servers) >= 4
    assert all(server.is_public for server in servers)
    assert not any("pool.ntp.org" in server.address for server in servers)


@pytest.mark.parametrize(
    ("server", "public"),
    [
        (Server("ntp.se"), True),
        (Server("ntp.se", private=True), False),
        (Server("localhost:11123"), False),
        (Server("LOCALHOST."), False),
        (Server("127.0.0.1:11123"), False),
        (Server("[::1]:123"), False),
        (Server("192.168.1.1"), False),
        (Server("fd00::1"), False),
        (Server("192.53.103.108"), True),
        (Server("[2001:67c:2550::1]"), True),
    ],
)
def test_who_is_public(server: Server, public: bool) -> None:
    """Politeness is owed unless the address is plainly, or by its mark, one's own."""
    assert server.is_public is public


def test_names_are_compared_without_case() -> None:
    """DNS names have no case; the port defaults to NTP's."""
    assert Server("NTP.se").name == Server("ntp.se:123").name
    assert Server("[::1]:11123").name == ("::1", 11123)


def test_an_address_that_names_no_server_is_refused() -> None:
    """The name of a server is asked for before anything is resolved."""
    with pytest.raises(AddressError, match="names no server"):
        _ = Server("ntp.se:99999").name


def test_a_config_cannot_be_changed() -> None:
    """What was validated stays valid."""
    with pytest.raises(AttributeError):
        Config().polling.min_poll_s = 0.0  # type: ignore[misc]


def test_unknown_keys_are_refused_by_the_schema_itself() -> None:
    """Every decoder of the schema refuses typing errors, not just the file's."""
    with pytest.raises(msgspec.ValidationError, match="min_pol"):
        msgspec.convert({"min_pol": 1.0}, Polling)
