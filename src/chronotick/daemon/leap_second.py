"""When a leap second may come between what was measured and what is to be told.

UTC − RAW changes by a second at the end of a UTC month (ITU-R TF.460-6 §2.2) that the
servers have announced (RFC 5905 §7.3), and no interval of before says anything of
afterwards. Decides from which instant on nothing of before counts, and from which one on
answers count again. Not whether there was a leap: servers asked afterwards show it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.core.months import BEFORE_NS, end_of_month_ns
from chronotick.core.status import Leap
from chronotick.core.units import NS_PER_S, PPB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chronotick.core.records import Sample
    from chronotick.core.span import Span
    from chronotick.fusion import RateSpan

__all__ = ["ANNOUNCED", "LeapSecond", "announced_by"]

ANNOUNCED = (Leap.INSERT, Leap.DELETE)
# An inserted one comes after it, where a server's clock may be either; then a second for
# servers whose kernel is told late.
_AFTER_NS = 2 * NS_PER_S


class LeapSecond:
    """The next one, as far as it has been announced."""

    def __init__(self) -> None:
        self.announced = Leap.NONE
        """What is said of the end of this month."""
        self._from_raw_ns: int | None = None
        self._until_raw_ns = 0
        self._passed_raw_ns: int | None = None

    def expect(self, announced: Leap, raw_ns: int, span: Span, rate: RateSpan) -> None:
        """Note what the servers that are believed say at `raw_ns`.

        Args:
            announced: By them. It may be taken back until it is due.
            raw_ns: Now.
            span: Where UTC − RAW lies now.
            rate: What the oscillator's rate can be.
        """
        if self.is_due(raw_ns):
            return
        self.announced = announced
        self._from_raw_ns = None
        if announced not in ANNOUNCED:
            return
        end_ns = end_of_month_ns(raw_ns + span.lo_ns)
        left_ns = end_ns - BEFORE_NS - (raw_ns + span.hi_ns)
        self._from_raw_ns = raw_ns + _scaled(left_ns, PPB + rate.hi_ppb)
        left_ns = end_ns + _AFTER_NS - (raw_ns + span.lo_ns)
        self._until_raw_ns = raw_ns + 1 + _scaled(left_ns, PPB + rate.lo_ppb)

    def is_due(self, raw_ns: int) -> bool:
        """Whether it may have happened by `raw_ns`, and has not been passed yet."""
        return self._from_raw_ns is not None and raw_ns >= self._from_raw_ns

    def passed(self) -> None:
        """Note that nothing of before is remembered any more."""
        self.announced = Leap.NONE
        self._from_raw_ns = None
        self._passed_raw_ns = self._until_raw_ns

    def is_straddled_by(self, sample: Sample) -> bool:
        """Whether the exchange may have begun before the last one was surely over."""
        passed_ns = self._passed_raw_ns
        return passed_ns is not None and sample.raw_ns - sample.delay_ns < passed_ns


def announced_by(samples: Sequence[Sample]) -> Leap:
    """Return what any of the servers announces by its newest answer.

    Not only what most do: those that tell the time right after a leap second need not
    announce it. To heed a false one costs a minute without time at the end of a month,
    and what the models have learned; to ignore a true one, an interval that is wrong by a
    second.
    """
    said = {sample.leap for sample in samples}
    return next((leap for leap in ANNOUNCED if leap in said), Leap.NONE)


def _scaled(utc_ns: int, rate_ppb: int) -> int:
    """Return how much RAW passes within `utc_ns`, if UTC passes at `rate_ppb` of it."""
    return utc_ns * PPB // rate_ppb
