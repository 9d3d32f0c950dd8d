"""The schema of the configuration: every key with its unit, range, default and reason.

Decides what may be configured and which combinations make sense. It does not read
files (`chronotick.daemon.config_file`) and starts nothing. ``Config()`` is what runs
when nobody configures anything. docs/reference/config.md is generated from this file:
a field's `Meta.description` is its documentation.

Keys are what people write (``min_poll: 16s``); the Python names add the unit that the
loaded float is in (``min_poll_s``).
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, field

from chronotick.core.errors import AddressError
from chronotick.daemon.config_models import LongTerm, Preset, ShortTerm
from chronotick.daemon.config_rules import check
from chronotick.ntp.address import ServerName, is_public, parse_server

__all__ = [
    "DEFAULT_SERVERS",
    "Clock",
    "Config",
    "LogLevel",
    "Polling",
    "Process",
    "Publish",
    "Selection",
    "Server",
]

LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]

_S = {"unit": "s"}
_PPM = {"unit": "ppm"}
_HZ = {"unit": "Hz"}


class Server(Struct, frozen=True, forbid_unknown_fields=True):
    """One time server. A bare string in the file is its `address`."""

    address: Annotated[
        str,
        Meta(
            min_length=1,
            description="Name or IP address, with `:port` where it is not 123; IPv6 "
            "with a port in brackets: `[2001:db8::1]:123`.",
        ),
    ]
    private: Annotated[
        bool,
        Meta(
            description="It is yours: may be polled faster than is polite to a public "
            "server. Loopback and private IP addresses need no such mark.",
        ),
    ] = False

    @property
    def name(self) -> ServerName:
        """Host (lower case) and UDP port.

        Raises:
            AddressError: `address` names no server.
        """
        return parse_server(self.address.lower())

    @property
    def host(self) -> str:
        """The name or numeric address, without port and brackets."""
        return self.name.host

    @property
    def port(self) -> int:
        """The UDP port."""
        return self.name.port

    @property
    def is_numeric(self) -> bool:
        """Whether it is an address, which no resolver is asked for."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True

    @property
    def is_public(self) -> bool:
        """Whether to be polite: True unless marked, or plainly an address of ours.

        A name says nothing about whose it is, so a name is public; except localhost,
        which RFC 6761 §6.3 reserves.
        """
        if self.private or self.host.removesuffix(".") == "localhost":
            return False
        try:
            return is_public(self.host)
        except AddressError:  # not numeric
            return True


DEFAULT_SERVERS = (
    Server("time.cloudflare.com"),
    Server("ntp.se"),
    Server("ptbtime1.ptb.de"),
    Server("time.nist.gov"),
)


class Polling(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often servers are asked."""

    burst_count: Annotated[
        int,
        Meta(
            ge=1,
            le=16,
            description="Exchanges in the burst at start-up. At most 8 with a public "
            "server, whatever is written here.",
        ),
    ] = 8
    burst_interval_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=64.0,
            extra=_S,
            description="Time between two exchanges of the burst. At least 2s with a "
            "public server, whatever is written here.",
        ),
    ] = field(default=2.0, name="burst_interval")
    min_poll_s: Annotated[
        float,
        Meta(
            ge=0.05,
            le=129_600.0,
            extra=_S,
            description="Shortest time between two exchanges after the burst. At "
            "least 16s with a public server, whatever is written here.",
        ),
    ] = field(default=16.0, name="min_poll")
    max_poll_s: Annotated[
        float,
        Meta(
            ge=0.05,
            le=129_600.0,
            extra=_S,
            description="Longest time between two exchanges. Not below `min_poll`. "
            "After an answer that nothing explains the next ones come within 64s, after "
            "a sleep of the host as soon as `min_poll` allows; 16 in a row at most.",
        ),
    ] = field(default=64.0, name="max_poll")
    timeout_s: Annotated[
        float,
        Meta(
            ge=0.01,
            le=60.0,
            extra=_S,
            description="A reply that takes longer counts as lost. Its delay would "
            "make it useless long before that.",
        ),
    ] = field(default=1.5, name="timeout")


class Selection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which servers are believed."""

    required: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="Servers that must agree before any time is published. With "
            "1, one that answers alone is believed; with 2 or more, a lone liar never "
            "is.",
        ),
    ] = 1
    tolerate_falsetickers: Annotated[
        Annotated[int, Meta(ge=0, le=31)] | None,
        Meta(
            description="Servers that may lie, found out or not, without the interval "
            "becoming wrong. Unset: any minority of those that answer. A smaller "
            "number gives narrower intervals: with 0 the nearest server decides, and "
            "must be honest. Needs more than twice as many servers.",
        ),
    ] = None
    startup_grace_s: Annotated[
        float,
        Meta(
            ge=0.0,
            le=60.0,
            extra=_S,
            description="How long the first answer waits for the other servers before "
            "a majority of those that answered may speak. A server that has lost three "
            "polls is not waited for.",
        ),
    ] = field(default=10.0, name="startup_grace")


class Clock(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is believed of this machine's oscillator before it is measured."""

    max_frequency_error_ppm: Annotated[
        float,
        Meta(
            ge=1.0,
            le=10_000.0,
            extra=_PPM,
            description="Worst credible frequency error of CLOCK_MONOTONIC_RAW. 500 "
            "is what the kernel's own discipline can correct.",
        ),
    ] = field(default=500.0, name="max_frequency_error")
    max_drift_ppm: Annotated[
        float,
        Meta(
            ge=0.01,
            le=10_000.0,
            extra=_PPM,
            description="Worst credible change of that frequency while extrapolating: "
            "the hard bound grows by this much. 15 is NTP's own constant (PHI, "
            "RFC 5905 §7.3). Not above `max_frequency_error`.",
        ),
    ] = field(default=15.0, name="max_drift")


class Publish(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where corrections go, how often, and when they expire."""

    segment: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(
            description="Shared-memory file. Unset: `/dev/shm/chronotick_shm`. "
            "`--segment` and the variable `CHRONOTICK_SEGMENT` win over this key.",
        ),
    ] = None
    frequency_hz: Annotated[
        float,
        Meta(
            ge=1.0,
            le=1000.0,
            extra=_HZ,
            description="Publications per second. Readers extrapolate, so more than "
            "the default adds nothing but is allowed.",
        ),
    ] = field(default=100.0, name="frequency")
    max_bound_s: Annotated[
        float,
        Meta(
            ge=1e-3,
            le=3600.0,
            extra=_S,
            description="Half width at which a correction expires: readers refuse it "
            "from then on.",
        ),
    ] = field(default=1.0, name="max_bound")


class Process(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The daemon as a process."""

    cpu_affinity: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=4095)], ...] | None,
        Meta(description="CPUs that it may run on. Unset: all that it is given."),
    ] = None
    log_level: Annotated[
        LogLevel,
        Meta(description="Least severe message that is logged."),
    ] = "info"


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that can be configured; the defaults are a working daemon.

    Raises:
        ConfigError: keys contradict each other; checked whenever one is built.
            Ranges are checked where values come from outside (`config_file`).
    """

    servers: Annotated[
        tuple[Server, ...],
        Meta(description="Time servers: strings, or mappings with the keys below."),
    ] = DEFAULT_SERVERS
    preset: Annotated[
        Preset,
        Meta(
            description="Which models there are: `minimal` has the short-term model "
            "only, `full` adds a foundation model (an optional extra). Keys under "
            "`short_term` and `long_term` win over it.",
        ),
    ] = "default"
    polling: Polling = Polling()
    selection: Selection = Selection()
    clock: Clock = Clock()
    short_term: ShortTerm = ShortTerm()
    long_term: LongTerm = LongTerm()
    publish: Publish = Publish()
    process: Process = Process()

    def __post_init__(self) -> None:
        check(self)
