"""Whether RAW leapt where no interval shows it, by what each server says for itself.

A leap that is smaller than the paths' delays contradicts nothing at first: intervals of
before and after still overlap, only not where the truth is now. But a path has a
shortest delay, and answers near it tell more than their intervals: two of one server
can't differ by more than what the packets were held up. Decides when that is
contradicted, and what is older than the leap; not whom to believe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.core.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chronotick.core.records import Sample
    from chronotick.fusion.frequency import RateSpan

__all__ = ["has_leapt", "newest_against"]


def newest_against(
    samples: Iterable[Sample], guess: Span, raw_ns: int, rate: RateSpan
) -> int | None:
    """Return the RAW instant of the newest sample that rules out part of `guess`.

    Args:
        samples: Of servers that are believed.
        guess: Where UTC − RAW is thought to be at `raw_ns`.
        raw_ns: The instant.
        rate: What the oscillator's rate can be.

    Returns:
        None where each of them, taken by itself, allows for all of `guess`: then it is
        no leap that keeps them apart.
    """
    return max(
        (
            sample.raw_ns
            for sample in samples
            if not _allows(rate.carry(sample.span, raw_ns - sample.raw_ns), guess)
        ),
        default=None,
    )


def has_leapt(samples: Sequence[Sample], leapt_ns: int, rate: RateSpan) -> bool:
    """Say whether one server's answers up to `leapt_ns` contradict its later ones.

    Held against each other is not what a server claims, but how far its answers can be
    askew for reasons that come and go: by what their delay is above the shortest, and
    by as much again as that usually is, since the shortest of some is not the shortest
    there is. A queue that stands on one leg, or a longer route, explains itself so; and
    no server can make another's answers say it.

    Args:
        samples: Of one server, in order.
        leapt_ns: The newest instant of RAW before the leap.
        rate: What the oscillator's rate can be.
    """
    if not samples or samples[-1].raw_ns <= leapt_ns or samples[0].raw_ns > leapt_ns:
        return False
    delays_ns = sorted(sample.delay_ns for sample in samples)
    floor_ns = delays_ns[0]
    usual_ns = delays_ns[len(delays_ns) // 2] - floor_ns
    before: Span | None = None
    after: Span | None = None
    for sample in samples:
        askew_ns = sample.delay_ns - floor_ns + usual_ns + sample.precision_ns
        span = Span.around(sample.offset_ns, askew_ns)
        span = rate.carry(span, samples[-1].raw_ns - sample.raw_ns)
        if sample.raw_ns <= leapt_ns:
            before = span if before is None else before.intersect(span)
            if before is None:
                return False
        else:
            after = span if after is None else after.intersect(span)
            if after is None:
                return False
    return before is not None and after is not None and before.intersect(after) is None


def _allows(span: Span, guess: Span) -> bool:
    return span.lo_ns <= guess.lo_ns and guess.hi_ns <= span.hi_ns
