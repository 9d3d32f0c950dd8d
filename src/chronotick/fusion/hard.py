"""One server's hard bound: where UTC − RAW must lie now if that server is truthful.

Each exchange gives an interval (`Sample.span`); each ages at the limits of the
oscillator's rate; the truth is in all of them, hence in their intersection. Decides
whether a server agrees with its own past; whether servers agree with each other is
`chronotick.ntp.select`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chronotick.core.records import Sample
    from chronotick.core.span import Span
    from chronotick.fusion.frequency import RateSpan

__all__ = ["ServerBound"]

# Server and local clock each jump without notice: whoever did, three answers in a row
# that agree with each other are asked for before the server is heard again.
_PROBATION = 3


class ServerBound:
    """The intersection of a server's intervals, carried along from one to the next.

    Carried step by step, so it costs the same however long the server has been known.
    An old interval leaves by itself: it grows with age until the newer ones lie inside.
    Until then an old lie counts, too: a server is truthful if all its answers that still
    narrow this bound have been.
    """

    def __init__(self) -> None:
        self._raw_ns = 0
        self._span: Span | None = None
        self._to_prove = 0
        self.jumps = 0
        """How often the server contradicted its own past."""

    @property
    def usable(self) -> bool:
        """Whether the server may be heard: it has answered and is not on probation."""
        return self._span is not None and self._to_prove == 0

    @property
    def on_probation(self) -> bool:
        """Whether a jump was seen and too few answers since agree with each other."""
        return self._to_prove > 0

    def observe(self, sample: Sample, rate: RateSpan) -> None:
        """Take in one exchange; `rate` is what the oscillator's rate can be.

        One from before the newest is ignored: its successors say more.
        """
        if self._span is not None and sample.raw_ns < self._raw_ns:
            return
        claimed = sample.span
        expected = self.span_at(sample.raw_ns, rate)
        span = claimed if expected is None else expected.intersect(claimed)
        if span is None:
            # Nothing older can be reconciled with this answer. Which side is wrong
            # cannot be known from one server: so nothing is claimed for a while.
            self.jumps += 1
            self._to_prove = _PROBATION
            span = claimed
        self._raw_ns, self._span = sample.raw_ns, span
        if self._to_prove:
            self._to_prove -= 1

    def span_at(self, raw_ns: int, rate: RateSpan) -> Span | None:
        """Return where UTC − RAW must lie at `raw_ns`; None before the first answer.

        Instants before the newest exchange are asked for too: that of another server
        may have taken longer, and its middle lies further back.
        """
        if self._span is None:
            return None
        return rate.carry(self._span, raw_ns - self._raw_ns)
