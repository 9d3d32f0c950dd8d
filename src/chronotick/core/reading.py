"""What a reader is given: an interval with a status, never a bare timestamp."""

from __future__ import annotations

from typing import NamedTuple

# Not for type checkers only: an `Interval` may be a field of a pydantic model.
from chronotick.core.status import Reason, Source, Status  # noqa: TC001

__all__ = ["Interval"]


class Interval(NamedTuple):
    """UTC at the instant of the call lies in ``[earliest_ns, latest_ns]``.

    Unix nanoseconds. The ends are the *hard* bound unless a calibrated one was asked
    for. A happened before B only if ``a.latest_ns < b.earliest_ns``. A NamedTuple, not
    a dataclass, because building a frozen dataclass costs 380 ns on this path.
    """

    earliest_ns: int
    latest_ns: int
    status: Status
    source: Source
    reasons: Reason
    sigma_ns: float
    """Standard deviation that the model claims for the midpoint; no bound by itself.

    The model doesn't see the hard bound. Soon after a start, before it knows the rate,
    this can be more than half the width.
    """

    @property
    def midpoint_ns(self) -> int:
        """The middle, rounded down. A convenience: it is not "the time"."""
        return (self.earliest_ns + self.latest_ns) // 2

    @property
    def width_ns(self) -> int:
        """Distance between the ends."""
        return self.latest_ns - self.earliest_ns
