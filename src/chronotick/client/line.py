"""What a reading in Python needs, in one tuple, and for how long its last sum is right.

Decides the order of the fields and how long UTC − RAW rests; whether a line still holds
is asked in `chronotick.client.clock`. Reads no clock.

A line holds a publication as plain tuples: unpacking one is quick, and a NamedTuple is
not. It is swapped as one reference, so that no thread ever sees a mixture.

**Why remember the last sum.** Rounded down to whole ns, UTC − RAW changes in steps of
1 ns with long rests between them, 50 us at a rate of 20 ppm. During a rest a reading is
one addition, equal to the last bit to the multiplication and the shift it replaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from chronotick.client.view import NO_MARKER, ONE_Q60
from chronotick.core.status import Reason, Source, Status
from chronotick.shm.reader import SEQUENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chronotick.client.view import View

__all__ = ["Checks", "Face", "Line", "lay_out", "nothing", "rest_ns"]

Checks: TypeAlias = tuple[int, int, int, int, "Callable[[], int]", bool, int, int]
"""Asked when the last sum is no longer known to be right: `awake`, the RAW until which
the host cannot have slept; `last`, `low`, `high` as in `View`; `wall`, which reads
REALTIME; `is_calm`, whether resting is worth while; `scale` and `base`, so that
UTC = (RAW · scale + base) / 2**60."""

Face: TypeAlias = tuple[
    int, int, int, float, float, float, float, Status, Source, Reason
]
"""What an interval needs besides its middle: anchor, bound, growth, v0 … v3, status,
source, reasons."""

Line: TypeAlias = tuple[
    "Sequence[int]", int, "Callable[[], int]", int, int | None, int, Checks, Face
]
"""`words`, `sequence`; `read`, which reads RAW; `until`, a RAW before which UTC is
RAW + `base`, or, where `scale` is no None, (RAW · `scale` + `base`) / 2**60."""

_FRACTION_Q60 = ONE_Q60 - 1
# 200 ppm. Beyond, finding out how long UTC − RAW rests takes as long as it does.
_CALM_Q60 = ONE_Q60 // 5_000
_UNKNOWN = (Status.UNKNOWN, Source.NO_DATA, Reason.NONE)


def rest_ns(utc_q60: int, scale_q60: int) -> int:
    """Return for how many ns of RAW, at least, UTC − RAW in whole ns stays as it is.

    The fraction of a ns must first grow to 1 if UTC gains, or shrink below 0 if it
    loses.

    Args:
        utc_q60: UTC at some RAW, in units of 2**-60 ns.
        scale_q60: d(UTC)/dRAW, times 2**60.
    """
    drift_q60 = scale_q60 - ONE_Q60
    fraction_q60 = utc_q60 & _FRACTION_Q60
    room_q60 = fraction_q60 if drift_q60 < 0 else _FRACTION_Q60 - fraction_q60
    # Both in units of 2**-30, rounded to the safe side: small numbers divide quickly.
    return (room_q60 >> 30) // ((abs(drift_q60) >> 30) + 1) + 1


def lay_out(view: View, read: Callable[[], int], wall: Callable[[], int]) -> Line:
    """Return the line of a view that holds; nothing is remembered yet.

    Args:
        view: The publication.
        read: Reads RAW, in ns.
        wall: Reads REALTIME, in ns.
    """
    # Where there is a marker to be compared each time, the quick paths, which do not,
    # see a sequence that is never there.
    sequence = view.sequence if view.marker_words is NO_MARKER else -1
    scale = view.scale_q60
    base = (view.utc_ns << 60) - view.anchor_ns * scale
    is_calm = abs(scale - ONE_Q60) <= _CALM_Q60
    ends = (view.last_ns, view.low_ns, view.high_ns)
    published = view.snapshot
    face = (
        view.anchor_ns,
        view.bound_ns,
        view.growth_q60,
        published.v0,
        published.v1,
        published.v2,
        published.v3,
        view.status,
        view.source,
        view.reasons,
    )
    checks = (0, *ends, wall, is_calm, scale, base)
    return (view.words, sequence, read, 0, None, 0, checks, face)


def nothing(read: Callable[[], int]) -> Line:
    """Return the line of no publication: a sequence is never -1."""
    nowhere = (0,) * (SEQUENCE + 1)
    checks = (0, 0, 0, 0, read, True, 0, 0)
    face = (0, 0, 0, 0.0, 0.0, 0.0, 0.0, *_UNKNOWN)
    return (nowhere, -1, read, 0, None, 0, checks, face)
