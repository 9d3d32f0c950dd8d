"""When did RAW leap, if the best guess can't be reconciled with the hard interval.

A leap that is smaller than the paths' delays contradicts nothing at first: intervals of
before and after still overlap, only not where the truth is now. Measurements are far
finer than their intervals, so the models see it. Decides what is older than the leap;
not whether there was one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chronotick.core.records import Sample
    from chronotick.core.span import Span
    from chronotick.fusion.frequency import RateSpan

__all__ = ["newest_against"]


def newest_against(
    samples: Iterable[Sample], guess: Span, raw_ns: int, rate: RateSpan
) -> int | None:
    """Return the RAW instant of the newest sample that rules out part of `guess`.

    Args:
        samples: Of servers that are believed.
        guess: Where UTC − RAW is thought to be at `raw_ns`.
        raw_ns: Not before any of the samples.
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


def _allows(span: Span, guess: Span) -> bool:
    return span.lo_ns <= guess.lo_ns and guess.hi_ns <= span.hi_ns
