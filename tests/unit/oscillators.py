"""Strategies and makers for clocks whose truth is known; shared by unit tests."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from chronotick.core.records import Sample
from chronotick.core.units import NS_PER_S

EPOCH_NS = 1_790_000_000 * NS_PER_S


@dataclass(frozen=True)
class Wandering:
    """An oscillator whose rate is constant over pieces of ten seconds.

    All rates lie within `center_ppb` ± half of the drift limit, so any two (and any two
    means) differ by no more than the limit, as the hard bound assumes.
    """

    rates_ppb: tuple[int, ...]
    piece_ns: int = 10 * NS_PER_S

    def offset_ns(self, raw_ns: int) -> int:
        """Return UTC − RAW (rounded down) at `raw_ns` >= 0."""
        total = 0
        left_ns = raw_ns
        for rate_ppb in self.rates_ppb:
            step_ns = min(left_ns, self.piece_ns)
            total += step_ns * rate_ppb
            left_ns -= step_ns
        total += left_ns * self.rates_ppb[-1]
        return EPOCH_NS + total // NS_PER_S

    def rate_ppb(self, raw_ns: int) -> int:
        """Return the rate at `raw_ns`."""
        return self.rates_ppb[min(raw_ns // self.piece_ns, len(self.rates_ppb) - 1)]


@st.composite
def wandering(
    draw: st.DrawFn, max_ppb: int = 500_000, drift_ppb: int = 15_000
) -> Wandering:
    """Return an oscillator that keeps to both limits of the hard bound."""
    half = drift_ppb // 2
    center = draw(st.integers(-(max_ppb - half), max_ppb - half))
    rates = draw(
        st.lists(st.integers(center - half, center + half), min_size=1, max_size=12)
    )
    return Wandering(tuple(rates))


def sample(
    raw_ns: int,
    offset_ns: int,
    *,
    server: str = "a",
    delay_ns: int = 1_000_000,
    dispersion_ns: int = 0,
    precision_ns: int = 100,
) -> Sample:
    """Return a sample with the given measurement and plain other fields."""
    return Sample(
        server=server,
        raw_ns=raw_ns,
        offset_ns=offset_ns,
        delay_ns=delay_ns,
        root_delay_ns=0,
        root_dispersion_ns=dispersion_ns,
        precision_ns=precision_ns,
        stratum=1,
    )
