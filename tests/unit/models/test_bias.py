"""`models.bias`: differences between servers are learned, their average is not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.models.bias import BiasLedger

FLOOR_NS = 30e6


@given(st.lists(st.floats(min_value=-1e9, max_value=1e9), max_size=30))
def test_one_server_has_no_bias(residuals: list[float]) -> None:
    """Alone, a server is taken at its word and no spread is claimed."""
    ledger = BiasLedger()
    ledger.meet("a", FLOOR_NS)
    for residual_ns in residuals:
        ledger.learn("a", residual_ns, 1e10)
    assert ledger.bias_ns("a") == 0.0
    assert ledger.variance("a") == 0.0
    assert ledger.common_variance() == 0.0
    assert not ledger.comparable("a")


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(min_value=-1e9, max_value=1e9)),
        max_size=60,
    )
)
def test_biases_are_zero_on_average(residuals: list[tuple[str, float]]) -> None:
    """Whatever is learned, the average over servers stays put."""
    ledger = BiasLedger()
    for server in "abc":
        ledger.meet(server, FLOOR_NS)
    for server, residual_ns in residuals:
        ledger.learn(server, residual_ns, 1e10)
    biases = [ledger.bias_ns(server) for server in "abc"]
    assert sum(biases) == pytest.approx(0.0, abs=1e-3)
    assert all(ledger.variance(server) >= 0.0 for server in "abc")


def test_a_difference_is_learned_with_its_spread() -> None:
    """Two servers 2 ms apart end at ± 1 ms; their average is uncertain by 1 ms."""
    ledger = BiasLedger()
    rng = random.Random(7)
    for server in "ab":
        ledger.meet(server, FLOOR_NS)
    for _ in range(300):
        for server, truth_ns in (("a", 1e6), ("b", -1e6)):
            measured_ns = truth_ns + rng.gauss(0.0, 2e5)
            ledger.learn(server, measured_ns - ledger.bias_ns(server), 4e10)
    assert ledger.bias_ns("a") == pytest.approx(1e6, abs=1e5)
    assert ledger.bias_ns("b") == pytest.approx(-1e6, abs=1e5)
    assert ledger.common_variance() == pytest.approx(1e12, rel=0.2)
    assert ledger.variance("a") < 1e10


def test_a_new_server_starts_in_doubt() -> None:
    """The first carries the prior's spread, who joins that of both asymmetries."""
    ledger = BiasLedger()
    ledger.meet("a", FLOOR_NS)
    ledger.meet("b", FLOOR_NS)
    prior = (0.1 * FLOOR_NS) ** 2
    assert ledger.comparable("a")
    assert ledger.variance("a") == pytest.approx(prior)
    assert ledger.variance("b") == pytest.approx(2.0 * prior)


def test_a_near_server_that_joins_far_ones_moves_the_average() -> None:
    """Its path can be askew by a sixtieth of theirs, so it is nearly all there is."""
    ledger = BiasLedger()
    for far in "abc":
        ledger.meet(far, 60e6)
    for far in "abc":
        ledger.learn(far, 0.0, 1e10)
    ledger.meet("near", 1e6)
    joined = ledger.learn("near", 3e6, 1e10)
    assert joined is not None
    assert joined.moved_ns == pytest.approx(3e6, rel=0.01)
    assert 0.0 < joined.variance < 1.1e10
    # What the others read is what it was: the model has moved, and they against it.
    assert ledger.bias_ns("a") == pytest.approx(-joined.moved_ns)
    assert ledger.learn("near", 0.0, 1e10) is None


def test_a_coarse_clock_that_joins_hardly_moves_the_average() -> None:
    """Its delays are next to nothing, for its ticks; it may be off by one of them."""
    ledger = BiasLedger()
    ledger.meet("fine", 100e3, 1e6)
    ledger.learn("fine", 0.0, 1e8)
    ledger.meet("coarse", 1.0, 1e12 / 3.0)
    assert ledger.variance("coarse") == pytest.approx(1e12 / 3.0, rel=1e-3)
    joined = ledger.learn("coarse", -5e5, 1e8)
    assert joined is not None
    assert abs(joined.moved_ns) < 500
    assert ledger.bias_ns("coarse") == pytest.approx(-5e5, rel=0.01)


def test_a_long_exchange_makes_no_clock_coarse() -> None:
    """What the raw clock may run off meanwhile is noise; a coarser clock is one soon."""
    ledger = BiasLedger()
    for server in "ab":
        ledger.meet(server, 100e3, 1e6)
    ledger.meet("a", 100e3, 1e12)
    before = ledger._servers["b"].prior
    assert ledger._servers["a"].prior == pytest.approx(before, rel=1e-3)
    for _ in range(8000):
        ledger.meet("a", 100e3, 1e12)
    assert ledger._servers["a"].prior == pytest.approx(1e12, rel=0.01)


def test_a_first_word_is_no_scatter() -> None:
    """Who joins is far off the average, and yet not restless."""
    ledger = BiasLedger()
    ledger.meet("far", 60e6)
    ledger.meet("near", 1e6)
    ledger.learn("near", 3e6, 1e10)
    for _ in range(20):
        ledger.learn("far", 0.0, 1e10)
        ledger.learn("near", 0.0, 1e10)
    assert ledger.variance("near") < 1e10


def test_a_detour_of_a_lone_server_is_learned() -> None:
    """A longer route has a constant of its own; the usual route keeps its word."""
    ledger = BiasLedger()
    ledger.meet("a", FLOOR_NS)
    ledger.detour("a#1", 8e6)
    assert ledger.variance("a#1") == pytest.approx(8e6**2 / 12.0)
    for _ in range(50):
        ledger.learn("a#1", 4e6 - ledger.bias_ns("a#1"), 1e10)
    assert ledger.bias_ns("a#1") == pytest.approx(4e6, rel=0.01)
    assert ledger.bias_ns("a") == 0.0
    assert ledger.variance("a") == 0.0
