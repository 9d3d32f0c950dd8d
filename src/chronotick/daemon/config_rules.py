"""Rules between keys: what the ranges of single keys cannot say.

Decides which combinations are refused and explains each in one line. It knows keys by
the names that people write.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from chronotick.core.errors import AddressError, ConfigError
from chronotick.documents.quantities import format_duration
from chronotick.ntp.schedule import (
    PUBLIC_BURST_COUNT,
    PUBLIC_BURST_FLOOR_S,
    PUBLIC_FLOOR_S,
)

if TYPE_CHECKING:
    from chronotick.daemon.config import Config
    from chronotick.ntp.address import ServerName

__all__ = ["check"]


def check(config: Config) -> None:
    """Refuse a configuration whose keys contradict each other.

    Raises:
        ConfigError: they do; the message names the key to change.
    """
    _check_servers(config)
    _check_agreement(config)
    _check_manners(config)
    polling, clock = config.polling, config.clock
    if polling.min_poll_s > polling.max_poll_s:
        raise ConfigError(
            f"polling.min_poll: {format_duration(polling.min_poll_s)} is longer than "
            f"polling.max_poll ({format_duration(polling.max_poll_s)})"
        )
    if config.long_term.enabled and not config.short_term.enabled:
        raise ConfigError(
            "long_term.enabled: the long-term model stands on the short-term one, "
            "which is not enabled"
        )
    if clock.max_drift_ppm > clock.max_frequency_error_ppm:
        raise ConfigError(
            f"clock.max_drift: {clock.max_drift_ppm:g} ppm is more than "
            f"clock.max_frequency_error ({clock.max_frequency_error_ppm:g} ppm)"
        )


def _check_servers(config: Config) -> None:
    """At least one server, each of them once and written so that it names one."""
    if not config.servers:
        raise ConfigError("servers: at least one is needed")
    seen: dict[ServerName, int] = {}
    for i, server in enumerate(config.servers):
        try:
            name = server.name
        except AddressError as error:
            raise ConfigError(f"servers[{i}]: {error}") from error
        first = seen.setdefault(_canonical(name), i)
        if first != i:
            raise ConfigError(
                f"servers[{i}]: {server.address} is the same server as "
                f"servers[{first}]; remove one of the two: they would count as two "
                "that agree"
            )


def _canonical(name: ServerName) -> ServerName:
    """Return the one spelling of all that lead to the same place in any network.

    What a name resolves to is another matter, and can change while the daemon runs.
    """
    host = name.host.removesuffix(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return name._replace(host=_ascii(host))
    # ::ffff:0:0/96 is IPv4 in IPv6's clothes (RFC 4291 §2.5.5.2): no router sees it.
    mapped = getattr(address, "ipv4_mapped", None)
    return name._replace(host=str(mapped or address))


def _ascii(host: str) -> str:
    """Return how a name goes to the resolver (IDNA); as it is where it cannot."""
    try:
        return host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return host


def _check_agreement(config: Config) -> None:
    """Enough servers for the majority that is asked for."""
    count = len(config.servers)
    required = config.selection.required
    if required > count:
        raise ConfigError(
            f"selection.required: {required} servers can never agree where only "
            f"{count} are configured"
        )
    tolerated = config.selection.tolerate_falsetickers
    if tolerated and count <= 2 * tolerated:
        raise ConfigError(
            f"selection.tolerate_falsetickers: {tolerated} needs at least "
            f"{2 * tolerated + 1} servers, {count} configured"
        )


def _check_manners(config: Config) -> None:
    """Refuse a pace that would be kept with no server at all.

    `chronotick.ntp.schedule` keeps to the floors with every public server, whatever is
    configured. With servers of ours among them a faster pace has a meaning; without
    any it would be ignored silently.
    """
    if not all(server.is_public for server in config.servers):
        return
    polling = config.polling
    for key, value_s, least_s in (
        ("min_poll", polling.min_poll_s, PUBLIC_FLOOR_S),
        ("burst_interval", polling.burst_interval_s, PUBLIC_BURST_FLOOR_S),
    ):
        if value_s < least_s:
            raise ConfigError(
                f"polling.{key}: {format_duration(value_s)} is too fast for public "
                f"servers: at least {format_duration(least_s)} (write `private: true` "
                "beside the address of one that is yours)"
            )
    if polling.burst_count > PUBLIC_BURST_COUNT:
        raise ConfigError(
            f"polling.burst_count: {polling.burst_count} is too many for public "
            f"servers: at most {PUBLIC_BURST_COUNT}"
        )
