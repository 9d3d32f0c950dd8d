"""The host's clocks are read together, and the tightest reading is kept."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.daemon import clocks
from chronotick.daemon.clocks import HostClock

if TYPE_CHECKING:
    from collections.abc import Sequence

TIGHT_NS = 2_000
REALTIME_NS = 1_795_269_600_000_000_000


class Paused:
    """Clocks on which the process is kept waiting between its two reads of RAW."""

    CLOCK_REALTIME = time.CLOCK_REALTIME

    def __init__(self, widths_ns: Sequence[int]) -> None:
        self.reads = 0
        self._raws = [
            raw for start, width in enumerate(widths_ns, 1)
            for raw in (start * 10**9, start * 10**9 + width)
        ]  # fmt: skip

    def clock_gettime_ns(self, clk_id: int, /) -> int:
        """Return RAW as scripted, and a REALTIME that counts the brackets."""
        if clk_id == time.CLOCK_REALTIME:
            return REALTIME_NS + self.reads // 2
        self.reads += 1
        return self._raws[self.reads - 1]


@given(widths_ns=st.lists(st.integers(0, 10**6), min_size=4, max_size=4))
def test_the_first_tight_bracket_or_the_tightest_is_kept(widths_ns: list[int]) -> None:
    """REALTIME belongs to the middle of its own bracket, half of which is the error."""
    paused = Paused(widths_ns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clocks, "time", paused)
        found = HostClock().bracket_ns()
    tight = [width for width in widths_ns if width <= TIGHT_NS]
    width_ns = tight[0] if tight else min(widths_ns)
    at = widths_ns.index(width_ns)
    assert found == (
        (at + 1) * 10**9 + width_ns // 2,
        REALTIME_NS + at,
        (width_ns + 1) // 2,
    )
    assert paused.reads == 2 * (at + 1 if tight else len(widths_ns))


def test_a_pair_is_a_bracket_with_what_disrupts_clocks() -> None:
    """Read on this host: the bracket lies between two looks at RAW."""
    host = HostClock()
    before_ns = host.raw_ns()
    pair = host.pair()
    assert before_ns <= pair.raw_ns <= host.raw_ns()
    assert pair.error_ns >= 0
    assert pair.suspend_ns >= 0
