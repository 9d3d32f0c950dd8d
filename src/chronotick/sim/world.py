"""A world: hosts, servers and paths on one virtual clock, and the truth about them.

Decides how the parts of a scenario come together. Whoever drives `World.clock` makes
time pass; nothing in the world ever waits for real time. One seed, one history.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chrono_daemon import SimClock
from chronotick.core.errors import ConfigError
from chronotick.core.records import Endpoint
from chronotick.core.status import Leap
from chronotick.core.units import NS_PER_S
from chronotick.sim.host import Host, true_now_ns
from chronotick.sim.network import SimTransport
from chronotick.sim.refusal import DenyingServer, RateLimitingServer, SilentServer
from chronotick.sim.route import Network, Node
from chronotick.sim.server import (
    HonestServer,
    LeapingServer,
    LeapSecondAt,
    LyingServer,
    ServerClaims,
    SmearingServer,
    UnsynchronizedServer,
)
from chronotick.sim.server_specs import (
    Closed,
    Denying,
    Honest,
    Lying,
    RateLimiting,
    Silent,
    Smearing,
    Unsynchronized,
    WrongLeap,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chrono_daemon import Clock
    from chronotick.core.ports import MeasuredClock, Transport
    from chronotick.sim.scenario import Scenario
    from chronotick.sim.server import NtpResponder
    from chronotick.sim.server_specs import ServerSpec
    from chronotick.sim.specs import HostSpec

__all__ = ["DEFAULT_HOST", "EPOCH_UTC_NS", "World"]

DEFAULT_HOST = "client"
EPOCH_UTC_NS = 1_767_225_600 * NS_PER_S
"""2026-01-01: every world starts here, whatever the day, unless it has a leap second."""

_NS_PER_US = 1_000.0
# RFC 5737: addresses that are nobody's, so that a stray packet would reach nobody.
_DOCUMENTATION_NET = "192.0.2.{}"
_MAX_NUMBERED = 254


class World:
    """Hosts and servers of a scenario, from one seed, on virtual time.

    Args:
        scenario: What there is.
        seed: Which of all such worlds.
        hosts: Hosts by name; None: the scenario's, called ``client``. All see the same
            servers, over paths of the same kind, each with noise of its own.
        epoch_utc_ns: Unix time at the start; None: `EPOCH_UTC_NS`, or as long before
            that as the scenario's leap second wants it.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int,
        hosts: Mapping[str, HostSpec] | None = None,
        epoch_utc_ns: int | None = None,
    ) -> None:
        self.scenario = scenario
        self.seed = seed
        if epoch_utc_ns is None:
            epoch_utc_ns = EPOCH_UTC_NS - _until_leap_ns(scenario)
        self.epoch_utc_ns = epoch_utc_ns
        leap = _leap_second(scenario, epoch_utc_ns)
        self.clock = SimClock()
        """The world's time, in seconds since its start. Advance it to make it pass."""
        self.network = _network(scenario, epoch_utc_ns, leap)
        self._hosts = {
            name: Host(
                name,
                spec,
                seed=seed,
                clock=self.clock,
                epoch_utc_ns=epoch_utc_ns,
                leap=leap,
            )
            for name, spec in (hosts or {DEFAULT_HOST: scenario.host}).items()
        }

    @property
    def true_ns(self) -> int:
        """True time now, ns since the start."""
        return true_now_ns(self.clock)

    @property
    def utc_ns(self) -> int:
        """True Unix time now, but for a leap second."""
        return self.epoch_utc_ns + self.true_ns

    def host(self, name: str = DEFAULT_HOST) -> Host:
        """Return a host by name.

        Raises:
            KeyError: this world has no such host.
        """
        return self._hosts[name]

    def measured_clock(self, host: str = DEFAULT_HOST) -> MeasuredClock:
        """Return the clocks of `host` as a daemon on it reads them."""
        return self.host(host)

    def schedule_clock(self, host: str = DEFAULT_HOST) -> Clock:
        """Return the timers of `host`: the world's clock, but for the host's pauses."""
        return self.host(host).timers

    def transport(self, host: str = DEFAULT_HOST) -> Transport:
        """Return the network as a daemon on `host` sees it.

        Each call gives a fresh one that replays its paths from the start: ask once.
        """
        return SimTransport(
            self.network,
            self.host(host),
            seed=self.seed,
            clock=self.clock,
            epoch_utc_ns=self.epoch_utc_ns,
        )

    def entropy(self, host: str = DEFAULT_HOST) -> Callable[[int], bytes]:
        """Return the seeded source of "unpredictable" bytes on `host`."""
        return self.host(host).entropy

    def true_utc_ns(self, raw_ns: int, host: str = DEFAULT_HOST) -> int:
        """Return the truth: Unix time when RAW on `host` last read at most `raw_ns`.

        May lie in the future of the world's clock: the oscillator's path is known.
        """
        return self.host(host).true_utc_ns(raw_ns)


def _until_leap_ns(scenario: Scenario) -> int:
    leap = scenario.leap_second
    return 0 if leap is None else round(leap.at_s * NS_PER_S)


def _leap_second(scenario: Scenario, epoch_utc_ns: int) -> LeapSecondAt | None:
    leap = scenario.leap_second
    if leap is None:
        return None
    return LeapSecondAt(
        utc_ns=epoch_utc_ns + _until_leap_ns(scenario),
        kind=Leap.DELETE if leap.kind == "delete" else Leap.INSERT,
        announced_ns=round(leap.announced_s * NS_PER_S),
    )


def _network(
    scenario: Scenario, epoch_utc_ns: int, leap: LeapSecondAt | None
) -> Network:
    """Return the network in which each server of `scenario` has an address.

    Raises:
        ConfigError: two servers have the same address and port.
    """
    nodes = [
        Node(
            name=spec.name,
            endpoint=Endpoint(address, spec.port),
            path=spec.path,
            responder=_responder(spec, epoch_utc_ns, leap),
            error_us=spec.error_us,
            wander_us=spec.wander_us,
            wander_period_s=spec.wander_period_s,
            turnaround_us=spec.turnaround_us,
        )
        for address, spec in zip(
            _addresses(scenario.servers), scenario.servers, strict=True
        )
    ]
    try:
        return Network.of(nodes)
    except ValueError as error:
        raise ConfigError(f"servers: {error}") from None


def _addresses(servers: Sequence[ServerSpec]) -> list[str]:
    """Return an address for each server: its own, or one that nobody has."""
    own = [spec.numeric_address for spec in servers]
    found = []
    for index, address in enumerate(own):
        number = index + 1
        while address is None and _DOCUMENTATION_NET.format(number) in own:
            number += len(servers)
        if address is None and number > _MAX_NUMBERED:
            raise ConfigError("servers: beyond 254, give each an address")
        found.append(address or _DOCUMENTATION_NET.format(number))
    return found


def _responder(
    spec: ServerSpec, epoch_utc_ns: int, leap: LeapSecondAt | None
) -> NtpResponder | None:
    """Return what answers at the address of `spec`, None for a closed port."""
    claims = _claims(spec)
    if (
        leap is not None
        and isinstance(spec.serves, Honest)
        and not spec.serves.announces
    ):
        leap = replace(leap, announced_ns=0)
    honest = HonestServer(claims) if leap is None else LeapingServer(leap, claims)
    answers: NtpResponder | None
    match spec.serves:
        case Lying() | Smearing() as lie:
            answers = _liar(lie, claims, epoch_utc_ns)
        case Unsynchronized():
            answers = UnsynchronizedServer(claims)
        case RateLimiting(min_interval_s=interval_s, burst=burst):
            answers = RateLimitingServer(
                round(interval_s * NS_PER_S), burst=burst, server=honest
            )
        case Denying(code=code):
            answers = DenyingServer(code)
        case Silent():
            answers = SilentServer()
        case Closed():
            answers = None
        case _:
            answers = honest
    return answers


def _claims(spec: ServerSpec) -> ServerClaims:
    return ServerClaims(
        stratum=spec.claims.stratum,
        root_delay_ns=round(spec.claims.root_delay_us * _NS_PER_US),
        root_dispersion_ns=round(spec.claims.root_dispersion_us * _NS_PER_US),
        precision=spec.claims.precision,
        leap=Leap.INSERT if isinstance(spec.serves, WrongLeap) else Leap.NONE,
    )


def _liar(
    kind: Lying | Smearing, claims: ServerClaims, epoch_utc_ns: int
) -> NtpResponder:
    from_utc_ns = epoch_utc_ns + round(kind.from_s * NS_PER_S)
    if isinstance(kind, Smearing):
        return SmearingServer(
            begins_utc_ns=from_utc_ns,
            lasts_ns=round(kind.for_s * NS_PER_S),
            leap_ns=round(kind.leap_s * NS_PER_S),
            claims=claims,
        )
    until_s = kind.until_s
    return LyingServer(
        round(kind.offset_s * NS_PER_S),
        drift_ppb=kind.drift_ppb,
        from_utc_ns=from_utc_ns,
        until_utc_ns=(
            None if until_s is None else epoch_utc_ns + round(until_s * NS_PER_S)
        ),
        claims=claims,
    )
