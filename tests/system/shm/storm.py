"""Publish as fast as can be, until killed: ``python storm.py PATH (python|c) [COUNT]``.

Every field of a frame follows from its number, so that a reader can tell a whole frame
from a mixture of two.
"""

from __future__ import annotations

import sys
from itertools import count, islice
from typing import TYPE_CHECKING

from chronotick.core.records import ClockPair, Correction, Frame, Variance
from chronotick.core.status import Reason, Smear, Source, Status
from chronotick.shm.native import HOT
from chronotick.shm.writer import SegmentWriter

if TYPE_CHECKING:
    from chronotick.shm.codec import Snapshot

__all__ = ["checked_number", "numbered_frame"]


def numbered_frame(n: int) -> Frame:
    """Return frame `n`."""
    return Frame(
        correction=Correction(
            raw_ns=n,
            utc_ns=3 * n,
            rate_ppb=(n % 1000) / 2,
            bound_ns=5 * n,
            bound_growth_ppb=n % 1_000_003,
            variance=Variance(n % 4096, n % 4093, n % 4091, n % 4079),
            status=Status.SYNCHRONIZED,
            reasons=Reason(n % 64),
            source=Source(n % 5),
            confidence=(n % 256) / 255,
            last_sync_raw_ns=n,
            measurement_count=n,
            delay_ns=n % 1_000_000,
        ),
        clocks=ClockPair(n, 7 * n, n % 65_000, 11 * n),
        void_after_raw_ns=13 * n,
        heartbeat_ns=1_000_000,
        correction_count=n,
        started_raw_ns=0,
        tai_minus_utc_s=n % 100,
        smear=Smear(n % 3),
        disruption_marker=17 * n,
    )


def checked_number(got: Snapshot) -> int:
    """Return the number of a frame that was read.

    Raises:
        AssertionError: it is a mixture of frames.
    """
    n = got.raw_ns
    words = (
        got.utc_ns, got.rate_fs_per_s, got.bound_ns, got.bound_growth_ppb,
        got.as_of_raw_ns, got.void_after_raw_ns, got.realtime_ns, got.suspend_ns,
        got.reasons, got.source, got.measurement_count, got.correction_count,
        got.delay_ns, got.disruption_marker, got.tai_minus_utc_s, got.smear,
        got.realtime_error_ns,
    )  # fmt: skip
    expected = (
        3 * n, (n % 1000) * 500_000, 5 * n, n % 1_000_003,
        n, 13 * n, 7 * n, 11 * n,
        n % 64, n % 5, n % 2**32, n % 2**32,
        n % 1_000_000, 17 * n, n % 100, n % 3,
        n % 65_000,
    )  # fmt: skip
    assert words == expected, f"a mixture of frames: {got}"
    for value, modulus in zip(
        (got.v0, got.v1, got.v2, got.v3), (4096, 4093, 4091, 4079), strict=True
    ):
        assert abs(value - n % modulus) < 0.01, f"a mixture of frames: {got}"
    return n


def main() -> None:
    """Publish until killed, or so many frames."""
    path, kind, *limit = sys.argv[1:]
    with SegmentWriter(path, hot=None if kind == "python" else HOT) as writer:
        start = writer.sequence + 1
        numbers = count(start) if not limit else islice(count(start), int(limit[0]))
        for n in numbers:
            writer.publish(numbered_frame(n))


if __name__ == "__main__":
    main()
