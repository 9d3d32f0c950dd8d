"""Pauses: never past the end, never longer than a loss may go unnoticed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chronotick.client.waiting import pause_s
from chronotick.core.units import NS_PER_S

_SPIN_NS = 150_000
_distances = st.integers(-(10**12), 10**12)
_widths = st.integers(0, 10**9)


@given(_distances, _widths)
def test_a_pause_ends_before_the_end(left_ns: int, width_ns: int) -> None:
    """A sleep that is late by less than the spin never makes the wait late."""
    pause = pause_s(0, width_ns, left_ns, _SPIN_NS)

    if left_ns < 0:
        assert pause is None
        return
    assert pause is not None
    if pause == 0:
        assert left_ns < _SPIN_NS
    else:
        assert pause * NS_PER_S <= left_ns + 1 - _SPIN_NS + 1e-3


@given(_distances, _widths)
def test_a_pause_is_short_enough_to_notice_a_loss(left_ns: int, width_ns: int) -> None:
    """At most 50 ms, and 2 ms once a measurement could end the wait."""
    pause = pause_s(0, width_ns, left_ns, _SPIN_NS) or 0.0

    assert pause <= 0.05
    if left_ns < width_ns:
        assert pause <= 0.002
