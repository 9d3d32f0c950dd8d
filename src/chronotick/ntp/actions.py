"""Name what an association asks of its driver, and why it drops a packet.

Values only: nothing here acts. `chronotick.ntp.exchange` returns them, whoever owns a
socket and a timer carries them out.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from chronotick.core.records import Endpoint, Sample

__all__ = [
    "Action",
    "ArmTimer",
    "Drop",
    "DropReason",
    "Emit",
    "Kiss",
    "KissCode",
    "Lost",
    "Outcome",
    "Send",
]


class DropReason(enum.StrEnum):
    """Why a received packet was not used. The keys of the counts that people see."""

    MALFORMED = "malformed"
    """Not an NTP packet at all."""
    SOURCE = "wrong source"
    """Not from the address and port that were asked."""
    UNEXPECTED = "unexpected"
    """No request is waiting for an answer."""
    MODE = "wrong mode"
    VERSION = "wrong version"
    ORIGIN = "wrong origin"
    """Does not echo the cookie: an answer to something else, or forged."""
    DUPLICATE = "duplicate"
    """A second copy of an answer already taken."""
    KISS = "kiss"
    """A kiss code; RATE, DENY and RSTR come as `Kiss` and are counted here too."""
    UNSYNCHRONIZED = "unsynchronized"
    """The server itself says that it has no time."""
    LOOP = "loop"
    """It has its time from us, and would tell us our own."""
    TIMESTAMPS = "impossible timestamps"
    DISTANCE = "too distant"
    """The bound that it could give is not worth having."""
    DELAY = "negative delay"
    """The round trip is shorter than the reading errors allow."""


class KissCode(enum.StrEnum):
    """The kiss codes that change what a client does (RFC 5905 §7.4)."""

    RATE = "RATE"
    """Asked too often: slow down, for good."""
    DENY = "DENY"
    """Access denied: stop asking."""
    RSTR = "RSTR"
    """Access restricted: stop asking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send `payload` to `endpoint`, then call `Association.sent`."""

    endpoint: Endpoint
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTimer:
    """Call `Association.timed_out` if the request is unanswered after `after_s`.

    A duration, not an instant: the driver waits on its schedule clock, and an instant
    of the measured clock must never become a deadline.
    """

    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Emit:
    """A completed exchange. The request is over."""

    sample: Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """A packet that gives no sample; `Association.is_waiting` says whether to go on."""

    reason: DropReason
    detail: str = ""
    """One clause for people, empty where the reason says it all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kiss:
    """The server itself asks for less, or for nothing any more. The request is over."""

    code: KissCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The request got no answer, or could not be sent. It is over."""

    detail: str


Outcome: TypeAlias = Emit | Drop | Kiss
"""What one received datagram can come to."""

Action: TypeAlias = Send | ArmTimer | Outcome | Lost
"""Everything that an association can ask of, or tell, its driver."""
