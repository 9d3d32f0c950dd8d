"""All that the daemon remembers of one server, and how it is reported to people.

Decides whether a server still answers and which word names its state; not whether it is
truthful (`chronotick.ntp.select`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.core.records import SourceReport
from chronotick.core.status import Leap, Status
from chronotick.core.units import scale_ppb_ns
from chronotick.fusion import ServerBound

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chronotick.core.records import Correction, Endpoint, Exchange, Sample
    from chronotick.fusion import RateSpan

__all__ = ["ServerState"]

_NOT_ASKED = frozenset({"denied", "duplicate"})
_RECENT_POLLS = 0b111
_TRIES = _RECENT_POLLS.bit_count()


class ServerState:
    """One configured server: its bound, its newest answer, how its last poll ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.bound = ServerBound()
        self.last: Exchange | None = None
        self.newest: Sample | None = None
        self.endpoint: Endpoint | None = None
        """The address that answered last."""
        self.samples = 0
        self.is_awaited = False
        """Whether it answered before all was forgotten, and has not since."""
        # Polls that it may still lose without being taken for gone.
        self._tries = _TRIES
        self._is_counted_on = False

    def observe(self, exchange: Exchange, rate: RateSpan) -> Sample | None:
        """Take in how one poll ended; `rate` is what the oscillator's rate can be.

        The answer of another address is another server's: nothing of before counts.

        Returns:
            Its sample, if it says something new. A copy, or one from before the
            newest, is not another measurement.
        """
        self.last = exchange
        sample = exchange.sample
        if sample is None:
            self._tries = max(self._tries - 1, 0)
            return None
        if self.has_moved(exchange):
            self.forget()
        self.endpoint = exchange.endpoint
        self._tries = 0
        self.is_awaited = self._is_counted_on = False
        if self.newest is not None and sample.raw_ns <= self.newest.raw_ns:
            return None
        self.samples += 1
        self.newest = sample
        self.bound.observe(sample, rate)
        return sample

    def has_moved(self, exchange: Exchange) -> bool:
        """Say whether `exchange` is the first answer from another address."""
        is_known = self.endpoint is not None and exchange.sample is not None
        return is_known and exchange.endpoint != self.endpoint

    def forget(self) -> None:
        """Drop all measurements: RAW lost time, so they mean nothing now."""
        self.bound = ServerBound()
        self.newest = None
        self.is_awaited = self.answers

    def remember(self, samples: Iterable[Sample], rate: RateSpan) -> None:
        """Drop all measurements but `samples`, in order: they are newer than a leap."""
        self.forget()
        for sample in samples:
            self.newest = sample
            self.bound.observe(sample, rate)
            self.is_awaited = False

    def expect(self) -> None:
        """Count on it: what it lost, it lost while nobody answered."""
        self._tries = _TRIES
        self._is_counted_on = True

    @property
    def is_expected(self) -> bool:
        """Whether it fell silent as all others did, and has not been asked enough since.

        As often as it takes for a server to be gone: single packets are lost anywhere.
        """
        return self._is_counted_on and self._tries > 0 and self.is_asked

    @property
    def is_pending(self) -> bool:
        """Whether it has never answered, and has not been asked enough to be gone."""
        is_out = self.last is not None and not self.is_asked
        is_new = self.samples == 0 and not self._is_counted_on
        return is_new and self._tries > 0 and not is_out

    @property
    def is_asked(self) -> bool:
        """Whether it has been polled, and will be again.

        Denied is for good; and what is asked under another name is not asked under this.
        """
        return self.last is not None and self.last.state not in _NOT_ASKED

    @property
    def has_just_answered(self) -> bool:
        """Whether its last poll was answered."""
        return self.last is not None and bool(self.last.reach & 1)

    @property
    def answers(self) -> bool:
        """Whether any of its last three polls was answered.

        RFC 5905 §13 waits for eight; with the back-off that is hours, and a server
        that is gone should not vote for so long.
        """
        # Of one that is never asked again no poll would ever clear the register.
        reach = self.last.reach if self.last else 0
        return self.is_asked and reach & _RECENT_POLLS != 0

    @property
    def is_absent(self) -> bool:
        """Whether it answers, but may not be heard: awaited, or on probation.

        What was lost while nobody answered says nothing of a server.
        """
        unheard = self.is_awaited or self.bound.on_probation
        if self.answers:
            return unheard or (self.is_expected and not self.bound.usable)
        return self.is_expected

    @property
    def is_silent(self) -> bool:
        """Whether it has answered once and is still asked, but can't be counted on."""
        counts = self.answers or self.is_absent
        return self.is_asked and self.samples > 0 and not counts

    def report(
        self, correction: Correction, *, selected: bool, wrong: bool
    ) -> SourceReport:
        """Return the server's row, its offset taken against `correction`."""
        last, newest = self.last, self.newest
        return SourceReport(
            server=self.name,
            endpoint=str(last.endpoint) if last and last.endpoint else None,
            verdict=self._verdict(selected=selected, wrong=wrong),
            detail=last.detail if last else "",
            reach=last.reach if last else 0,
            stratum=newest.stratum if newest else None,
            offset_ns=self._offset_from(correction),
            delay_ns=newest.delay_ns if newest else None,
            bound_ns=newest.half_width_ns if newest else None,
            poll_s=last.poll_s if last else None,
            samples=self.samples,
            rejected=dict(last.rejected) if last else {},
            leap=newest.leap if newest else Leap.NONE,
        )

    def _offset_from(self, correction: Correction) -> int | None:
        if self.newest is None or correction.status is Status.UNKNOWN:
            return None
        age_ns = self.newest.raw_ns - correction.raw_ns
        published_ns = correction.utc_ns - correction.raw_ns
        moved_ns = scale_ppb_ns(age_ns, correction.rate_ppb)
        return self.newest.offset_ns - published_ns - moved_ns

    def _verdict(self, *, selected: bool, wrong: bool) -> str:
        if self.last is None:
            return "pending"
        if self.last.state in {"denied", "duplicate", "unresolved"}:
            return self.last.state
        if not self.answers:
            return "rejected" if self.last.state == "rejected" else "unreachable"
        if self.bound.on_probation:
            return "jumped"
        if wrong:
            return "falseticker"
        return "selected" if selected else "pending"
