"""Which way a server's packets go: the usual route, or a longer one for a while.

A detour adds a constant to the delay, and an unknown share of it to the offset. Taken
as noise it would sooner or later talk a filter out of the truth, since it repeats
itself exactly; taken as another route it is one more constant to be learned
(`chronotick.models.bias`). Decides only which route an exchange took.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from chronotick.models.floor import DelayFloor

__all__ = ["Leg", "Route"]

# So many delays in a row above what queues explain are a detour: by chance, memoryless
# queues do that once in some thousand exchanges, and then nothing is lost by it.
_NEEDED = 5
_TYPICAL = 2.0
_TYPICAL_GAIN = 1.0 / 50.0
_LEARNED = 20


class Leg(NamedTuple):
    """What is known of the route that one exchange took."""

    account: str
    """Name of the route's constant; the server's own name for the first route."""
    excess_ns: float
    """How far the delay may be above that route's floor."""
    extra_ns: int
    """How much longer its floor is than the usual one; 0 for the usual one."""


class Route:
    """One server's routes."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._usual = DelayFloor()
        self._usual_account = server
        self._detour: DelayFloor | None = None
        self._detours = 0
        # The usual floor when it was left.
        self._left_ns = 0
        self._recent: deque[int] = deque(maxlen=_NEEDED)
        self._typical_ns = 0.0
        self._count = 0

    @property
    def floor_ns(self) -> int:
        """The usual route's floor."""
        return self._usual.lowest_ns

    @property
    def usual_account(self) -> str:
        """Name of the usual route's constant; a detour's that has become it."""
        return self._usual_account

    def leg(self, raw_ns: int, delay_ns: int) -> Leg:
        """Take in one exchange and return which route it took."""
        self._recent.append(max(delay_ns, 0))
        excess_ns = self._usual.excess_ns(raw_ns, delay_ns)
        taken = self._detour or self._usual
        if self._is_detour(min(self._recent) - taken.lowest_ns):
            # Also from one detour to a longer one: the first guess at a floor may
            # still hold an exchange from before.
            self._detour = DelayFloor()
            self._detours += 1
            self._left_ns = self._usual.lowest_ns
            for delay in list(self._recent)[:-1]:
                self._detour.excess_ns(raw_ns, delay)
        if self._detour is None:
            self._learn(excess_ns)
            return Leg(self._usual_account, excess_ns, 0)
        return self._leg_of(self._detour, raw_ns, delay_ns, excess_ns)

    def _leg_of(
        self, detour: DelayFloor, raw_ns: int, delay_ns: int, usual_excess_ns: float
    ) -> Leg:
        extra_ns = detour.lowest_ns - self._usual.lowest_ns
        account = f"{self._server}#{self._detours}"
        if self._usual.lowest_ns - self._left_ns > extra_ns:
            # The window has forgotten the old floor: this is the usual route now.
            self._detour, self._usual_account = None, account
            return Leg(account, usual_excess_ns, 0)
        # Also where the detour's own floor has come down: those were queues. What was
        # learned of it is a queue's error, and must not be taken along.
        above_ns = delay_ns - self._usual.lowest_ns
        if above_ns < extra_ns // 2 or extra_ns <= self._typical_ns:
            self._detour = None
            return Leg(self._usual_account, usual_excess_ns, 0)
        return Leg(account, detour.excess_ns(raw_ns, delay_ns), extra_ns)

    def _is_detour(self, above_ns: int) -> bool:
        learned = self._count >= _LEARNED and len(self._recent) == _NEEDED
        return learned and above_ns > _TYPICAL * self._typical_ns

    def _learn(self, excess_ns: float) -> None:
        self._count += 1
        gain = max(_TYPICAL_GAIN, 1.0 / self._count)
        self._typical_ns += gain * (excess_ns - self._typical_ns)
