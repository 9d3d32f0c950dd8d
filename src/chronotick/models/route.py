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

# A detour is so many delays in a row that are all so many times as far above the floor
# as queues put them on average. Memoryless queues do that by chance once in some ten
# thousand exchanges, and then nothing is lost by it.
_RUNS = ((5, 2.0), (12, 1.0))
_LONGEST = max(length for length, _ in _RUNS)
# Queues only add: what is below a detour's floor by so many times of what they add on
# average went another way, after however few exchanges. Where it is the same way and
# the first one there had queued for long, little had been learned of it.
_SHORTER = 2.0
_TYPICAL_GAIN = 1.0 / 50.0
_LEARNED = 8


class Leg(NamedTuple):
    """What is known of the route that one exchange took."""

    account: str
    """Name of the route's constant; the server's own name for the first route."""
    excess_ns: float
    """How far the delay may be above that route's floor."""
    extra_ns: int
    """How much longer its floor is than the usual one; 0 for the usual one."""


class _Heard(NamedTuple):
    """One exchange, and what was known of the usual route before it."""

    delay_ns: int
    mean_ns: float
    learned: int


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
        self._recent: deque[_Heard] = deque(maxlen=_LONGEST)
        # The mean delay on the usual route, and of how many.
        self._mean_ns = 0.0
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
        delay_ns = max(delay_ns, 0)
        excess_ns = self._usual.excess_ns(raw_ns, delay_ns)
        if self._detour is None:
            self._forget()
        elif self._has_stayed(self._detour):
            self._adopt()
            return Leg(self._usual_account, excess_ns, 0)
        self._recent.append(_Heard(delay_ns, self._mean_ns, self._count))
        run = self._detour_run((self._detour or self._usual).lowest_ns)
        if run:
            # Also from one detour to a longer one: the first guess at a floor may
            # still hold an exchange from before.
            if self._detour is None:
                self._left_ns = self._usual.lowest_ns
                self._mean_ns, self._count = run[0].mean_ns, run[0].learned
            self._detour = self._open()
            for heard in run[:-1]:
                self._detour.excess_ns(raw_ns, heard.delay_ns)
        if self._detour is None:
            self._learn(delay_ns)
            return Leg(self._usual_account, excess_ns, 0)
        return self._leg_of(self._detour, raw_ns, delay_ns, excess_ns)

    def _forget(self) -> None:
        """Begin anew where the window has forgotten all that queues are counted from.

        A server that was silent for days comes back on a way that need not be the one
        it was on, with a floor above what the old one's delays were on average.
        """
        if self._usual.lowest_ns > self._mean_ns and self._count:
            self._mean_ns, self._count = 0.0, 0
            self._recent.clear()

    def _has_stayed(self, detour: DelayFloor) -> bool:
        """Whether the window has forgotten the floor of the way before `detour`."""
        lowest_ns = self._usual.lowest_ns
        return lowest_ns - self._left_ns > detour.lowest_ns - lowest_ns

    def _adopt(self) -> None:
        """Take the detour for the usual route."""
        self._detour, self._usual_account = None, self._account
        self._mean_ns += self._usual.lowest_ns - self._left_ns
        self._recent.clear()

    def _leg_of(
        self, detour: DelayFloor, raw_ns: int, delay_ns: int, usual_excess_ns: float
    ) -> Leg:
        extra_ns = detour.lowest_ns - self._usual.lowest_ns
        account = self._account
        # Also where the detour's own floor has come down: those were queues. What was
        # learned of it is a queue's error, and must not be taken along.
        above_ns = delay_ns - self._usual.lowest_ns
        queues_ns = self._queues_ns(self._mean_ns)
        if above_ns <= extra_ns // 2 or extra_ns <= queues_ns:
            self._detour = None
            self._recent.clear()
            return Leg(self._usual_account, usual_excess_ns, 0)
        if detour.lowest_ns - delay_ns > _SHORTER * queues_ns:
            detour = self._detour = self._open()
            account, extra_ns = self._account, above_ns
        return Leg(account, detour.excess_ns(raw_ns, delay_ns), extra_ns)

    def _open(self) -> DelayFloor:
        """Begin a detour with an account of its own."""
        self._detours += 1
        return DelayFloor()

    @property
    def _account(self) -> str:
        return f"{self._server}#{self._detours}"

    def _detour_run(self, floor_ns: int) -> list[_Heard]:
        """Return the last exchanges, if queues don't explain them; else nothing."""
        recent = self._recent
        for length, typical in _RUNS:
            if len(recent) < length or recent[-length].learned < _LEARNED:
                continue
            # By what was known before: a detour that counted itself as queues would
            # hide itself.
            longest_ns = typical * self._queues_ns(recent[-length].mean_ns)
            # Mostly the newest one alone tells that there is no such run.
            if recent[-1].delay_ns - floor_ns <= longest_ns:
                continue
            run = list(recent)[-length:]
            if min(each.delay_ns for each in run) - floor_ns > longest_ns:
                return run
        return []

    def _queues_ns(self, mean_ns: float) -> float:
        """Return what queues add, by the mean delay on the usual route."""
        floor_ns = self._left_ns if self._detour else self._usual.lowest_ns
        # The floor may have risen since that mean was taken.
        return max(mean_ns - floor_ns, 0.0)

    def _learn(self, delay_ns: int) -> None:
        self._count += 1
        gain = max(_TYPICAL_GAIN, 1.0 / self._count)
        self._mean_ns += gain * (delay_ns - self._mean_ns)
