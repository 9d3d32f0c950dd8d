"""Decide when to ask a server again: a short burst, then politely, then seldom.

Frozen state and transitions; the driver owns the timer and the dice. What an answer is
worth is not asked here. RFC 5905 §13 (poll process), §7.4 (kiss codes), RFC 8633 §5.4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from chronotick.ntp.actions import KissCode

__all__ = [
    "DOUBTFUL_POLL_S",
    "PUBLIC_BURST_COUNT",
    "PUBLIC_BURST_FLOOR_S",
    "PUBLIC_FLOOR_S",
    "PollPolicy",
    "PollSchedule",
]

PUBLIC_FLOOR_S: Final = 16.0
"""Seconds between polls of a public server, at least (MINPOLL, RFC 5905 figure 6)."""
PUBLIC_BURST_FLOOR_S: Final = 2.0
"""Seconds between polls of a burst to a public server (BTIME, RFC 5905 §13.1)."""
PUBLIC_BURST_COUNT: Final = 8
"""Polls in a burst to a public server, at most (BCOUNT, RFC 5905 §13.1)."""
DOUBTFUL_POLL_S: Final = 64.0
"""Seconds between polls of a server, at most, while the estimate is in doubt."""

_MAX_POLL_S: Final = float(1 << 17)  # MAXPOLL, RFC 5905 figure 6: 36 hours.
_JITTER_SHARE: Final = 0.1
# One lost datagram is weather; from the second in a row on, the server may be down.
_LOSSES_BEFORE_BACKOFF: Final = 1
# As many steady answers before the interval doubles as the sample filter holds, so
# that its window never empties while the interval grows.
_STEADY_BEFORE_SLOWER: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPolicy:
    """What the configuration allows. Seconds; any value, not only powers of two.

    Raises:
        ValueError: the values contradict each other.
    """

    burst_count: int = 4
    """Polls at start-up before the polite pace begins, 1 or more."""
    burst_interval_s: float = 2.0
    """Seconds between the polls of the burst, above 0."""
    min_poll_s: float = 16.0
    """Shortest polite interval, above 0."""
    max_poll_s: float = 64.0
    """Longest interval to a server that answers, `min_poll_s` or more."""
    max_backoff_s: float = 1024.0
    """Longest interval to a server that does not answer, `max_poll_s` or more."""

    def __post_init__(self) -> None:
        if self.burst_count < 1:
            raise ValueError(f"burst_count must be >= 1, got {self.burst_count}")
        if not self.burst_interval_s > 0 or not self.min_poll_s > 0:
            raise ValueError("burst_interval_s and min_poll_s must be > 0 s")
        if not self.min_poll_s <= self.max_poll_s <= self.max_backoff_s <= _MAX_POLL_S:
            raise ValueError(
                f"min_poll_s {self.min_poll_s:g} <= max_poll_s {self.max_poll_s:g} <= "
                f"max_backoff_s {self.max_backoff_s:g} <= {_MAX_POLL_S:g} must hold"
            )

    def for_public(self) -> PollPolicy:
        """Return the policy, slowed to what strangers' servers are owed."""
        min_poll_s = max(self.min_poll_s, PUBLIC_FLOOR_S)
        max_poll_s = max(self.max_poll_s, min_poll_s)
        return replace(
            self,
            burst_count=min(self.burst_count, PUBLIC_BURST_COUNT),
            burst_interval_s=max(self.burst_interval_s, PUBLIC_BURST_FLOOR_S),
            min_poll_s=min_poll_s,
            max_poll_s=max_poll_s,
            max_backoff_s=max(self.max_backoff_s, max_poll_s),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSchedule:
    """When to ask one server again. Each poll ends in exactly one transition.

    `answered`, `useless`, `lost` or `kissed` returns the next state; `next_poll_s` then says how
    long to wait. Keep one schedule per *server*: a restart of its association, or
    another address of the same name, is no reason to forget a RATE.
    """

    policy: PollPolicy
    burst_left: int
    """Polls of the start-up burst still to come, the one now due included."""
    interval_s: float
    """Polite interval now in use, before back-off and floor."""
    floor_s: float = 0.0
    """Never faster than this, by order of the server (RATE); only ever grows."""
    losses: int = 0
    """Polls in a row that gave no time, the burst's included."""
    backoff_losses: int = 0
    """Those of them that slow the pace: the unanswered ones after the burst."""
    steady: int = 0
    """Steady answers since the interval last changed."""
    demobilized: KissCode | None = None
    """Why this server is never asked again, None while it is."""

    @classmethod
    def start(cls, policy: PollPolicy, *, is_public: bool) -> PollSchedule:
        """Return the schedule of a server that is to be asked for the first time."""
        allowed = policy.for_public() if is_public else policy
        return cls(
            policy=allowed,
            burst_left=allowed.burst_count,
            interval_s=allowed.min_poll_s,
        )

    def answered(self, *, is_steady: bool = True) -> PollSchedule:
        """Note an answer.

        Args:
            is_steady: the estimate needs no more data than it gets. A run of steady
                answers doubles the interval up to `max_poll_s`, one that is not brings
                it back to `DOUBTFUL_POLL_S` (the hysteresis of RFC 5905 §13, but quick
                to return: a wandering oscillator does not wait).
        """
        spent = replace(self._spend(), losses=0, backoff_losses=0)
        if not is_steady:
            quick_s = max(self.policy.min_poll_s, DOUBTFUL_POLL_S)
            return replace(spent, steady=0, interval_s=min(self.interval_s, quick_s))
        # The burst says nothing about the pace that comes after it.
        steady = 0 if self.burst_left else self.steady + 1
        if steady < _STEADY_BEFORE_SLOWER:
            return replace(spent, steady=steady)
        slower_s = min(self.interval_s * 2, self.policy.max_poll_s)
        return replace(spent, steady=0, interval_s=slower_s)

    def useless(self) -> PollSchedule:
        """Note an answer that gives no time, such as "unsynchronized".

        It counts as lost, but slows nothing: the server is there, and after a power cut
        it may need minutes itself. The pace is that of a steady one.
        """
        return replace(self.answered(), losses=self.losses + 1)

    def lost(self) -> PollSchedule:
        """Note a poll without answer; the interval doubles while they go on.

        Losses within the burst slow nothing: at boot the network often comes up a few
        seconds after the daemon.
        """
        return replace(
            self._spend(),
            losses=self.losses + 1,
            backoff_losses=0 if self.burst_left else self.backoff_losses + 1,
            steady=0,
        )

    def kissed(self, code: KissCode) -> PollSchedule:
        """Obey a kiss code (RFC 5905 §7.4).

        RATE ends the burst and at least doubles the interval, for the life of this
        schedule: a server that was once overrun is never trusted to have recovered.
        DENY and RSTR end the association for good.
        """
        if code is not KissCode.RATE:
            return replace(self, burst_left=0, demobilized=code)
        # Both paces: a burst may be configured to be slower than what follows it.
        doubled_s = 2 * max(self._wait_s(), self._polite_s())
        return replace(
            self, burst_left=0, floor_s=min(doubled_s, _MAX_POLL_S), steady=0
        )

    def next_poll_s(self, jitter: float) -> float | None:
        """Return how long to wait before the next poll; None means never again.

        Args:
            jitter: 0..1, drawn afresh for each poll. It lengthens the wait by up to a
                tenth, never shortens it, so that many clients that started together
                drift apart and no floor is broken.

        Raises:
            ValueError: `jitter` is outside 0..1.
        """
        if not 0.0 <= jitter <= 1.0:
            raise ValueError(f"jitter must be in 0..1, got {jitter}")
        if self.demobilized is not None:
            return None
        return self._wait_s() * (1.0 + _JITTER_SHARE * jitter)

    def _spend(self) -> PollSchedule:
        return replace(self, burst_left=max(self.burst_left - 1, 0))

    def _wait_s(self) -> float:
        if self.burst_left > 0:
            return self.policy.burst_interval_s
        return max(self._polite_s(), self.floor_s)

    def _polite_s(self) -> float:
        """Return the interval outside a burst, back-off included."""
        doublings = max(self.backoff_losses - _LOSSES_BEFORE_BACKOFF, 0)
        # Bounded before the shift: a server may be down for years.
        backed_off_s = self.interval_s * (1 << min(doublings, 20))
        return min(backed_off_s, self.policy.max_backoff_s)
