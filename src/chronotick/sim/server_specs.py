"""How servers are described: what they claim, what they do; plain values.

Decides which kinds there are and their ranges; `chronotick.sim.world` turns them into
`chronotick.sim.server` and `chronotick.sim.refusal`. Keys of a scenario file, as in
`chronotick.sim.specs`.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from chronotick.sim.specs import (  # msgspec reads the annotations
    NonNegative,  # noqa: TC001
    PathSpec,  # noqa: TC001
    Positive,  # noqa: TC001
    RatePpb,  # noqa: TC001
    Signed,  # noqa: TC001
)

__all__ = [
    "Claims",
    "Closed",
    "Denying",
    "Honest",
    "Kind",
    "Lying",
    "RateLimiting",
    "ServerSpec",
    "Silent",
    "Smearing",
    "Unsynchronized",
    "WrongLeap",
    "is_numeric",
]


class _Kind(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"
):
    """What a server does with requests; `kind` says which."""


class Honest(_Kind, frozen=True, kw_only=True, tag="honest"):
    """Tells the time within the error that it claims."""

    announces: bool = True
    """Whether it says beforehand that there will be a leap second, where there is one."""


class Lying(_Kind, frozen=True, kw_only=True, tag="lying"):
    """Is off by more than it claims."""

    offset_s: Signed = 0.0
    drift_ppb: RatePpb = 0.0
    """How fast the lie grows from `from_s` on."""
    from_s: NonNegative = 0.0
    until_s: Positive | None = None


class Smearing(_Kind, frozen=True, kw_only=True, tag="smearing"):
    """Smears a leap second that it does not announce."""

    from_s: Signed
    for_s: Annotated[float, Meta(ge=1.0, le=1e9)] = 86_400.0
    leap_s: Signed = -1.0


class WrongLeap(_Kind, frozen=True, kw_only=True, tag="wrong_leap"):
    """Tells the time, and announces a leap second that nobody has ordered."""


class Unsynchronized(_Kind, frozen=True, kw_only=True, tag="unsynchronized"):
    """Says that it has no time."""


class RateLimiting(_Kind, frozen=True, kw_only=True, tag="rate_limiting"):
    """Kisses RATE when asked too often."""

    min_interval_s: Annotated[float, Meta(ge=0.001, le=1e9)] = 16.0
    burst: Annotated[int, Meta(ge=1)] = 8


class Denying(_Kind, frozen=True, kw_only=True, tag="denying"):
    """Kisses everyone goodbye."""

    code: Annotated[str, Meta(pattern="^[A-Z0-9]{1,4}$")] = "DENY"


class Silent(_Kind, frozen=True, kw_only=True, tag="silent"):
    """Never answers."""


class Closed(_Kind, frozen=True, kw_only=True, tag="closed"):
    """Has no server at that port: the host answers with an ICMP error."""


Kind: TypeAlias = (
    Honest
    | Lying
    | Smearing
    | WrongLeap
    | Unsynchronized
    | RateLimiting
    | Denying
    | Silent
    | Closed
)


class Claims(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a server says of itself."""

    stratum: Annotated[int, Meta(ge=1, le=15)] = 1
    root_delay_us: NonNegative = 0.0
    root_dispersion_us: NonNegative = 50.0
    precision: Annotated[int, Meta(ge=-32, le=0)] = -23
    """Exponent of two, s."""

    @property
    def root_distance_us(self) -> float:
        """All the error that it admits to (RFC 5905 §11.2)."""
        return self.root_delay_us / 2.0 + self.root_dispersion_us


class ServerSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One server at one address. Several may share a name, like a pool's."""

    name: Annotated[str, Meta(min_length=1)]
    path: PathSpec
    address: str | None = None
    """Numeric; None: `name` where that is numeric, else one from the documentation's
    network (RFC 5737)."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 123
    serves: Kind = Honest()
    claims: Claims = Claims()
    error_us: Signed = 0.0
    """Its clock − UTC, the constant part."""
    wander_us: NonNegative = 0.0
    """Amplitude of the part that comes and goes, a triangle."""
    wander_period_s: Positive = 7200.0
    turnaround_us: NonNegative = 30.0
    """Mean time from request to answer, exponential."""

    @property
    def numeric_address(self) -> str | None:
        """The address that it must have; None where any will do."""
        if self.address is not None:
            return self.address
        # Nobody asks a resolver for it.
        return self.name if is_numeric(self.name) else None

    @property
    def is_honest(self) -> bool:
        """Whether the time that it tells is within what it claims, always."""
        return not isinstance(self.serves, (Lying, Smearing))


def is_numeric(host: str) -> bool:
    """Say whether `host` is an address of IPv4 or IPv6, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
