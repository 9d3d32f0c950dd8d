"""`fusion.weights`: belief is earned against the baseline; mixing hides nothing."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.records import Estimate, Variance
from chronotick.core.status import Source
from chronotick.fusion.quiet import Check
from chronotick.fusion.weights import PrequentialWeights, mix

FAR_NS = 1_790_000_000_000_000_000


def estimate(
    offset_ns: int,
    sd_ns: float,
    *,
    rate_ppb: float = 0.0,
    source: Source = Source.CPU_MODEL,
) -> Estimate:
    """Return an estimate at a fixed instant."""
    return Estimate(
        raw_ns=7,
        offset_ns=FAR_NS + offset_ns,
        rate_ppb=rate_ppb,
        variance=Variance(sd_ns**2, 1.0, 4.0, 0.5),
        source=source,
    )


def check(offset_ns: int, noise: float) -> Check:
    """Return a measurement at the same instant."""
    return Check(raw_ns=7, offset_ns=FAR_NS + offset_ns, noise=noise)


def test_without_scores_the_baseline_speaks_alone() -> None:
    """A model that has proven nothing gets no weight."""
    weights = PrequentialWeights("base")
    both = {"base": estimate(0, 10.0), "other": estimate(5, 1.0)}
    assert weights.weights(both) == {"base": 1.0}
    assert weights.believes("base")
    assert not weights.believes("other")


@pytest.mark.parametrize(("error_ns", "winner"), [(0, "other"), (60, "base")])
def test_belief_follows_prediction(error_ns: int, winner: str) -> None:
    """The model that was nearer to what was then measured ends with the say."""
    rng = random.Random(3)
    weights = PrequentialWeights("base")
    both = {"base": estimate(20, 20.0), "other": estimate(error_ns, 20.0)}
    for _ in range(200):
        weights.score("a", both, check(round(rng.gauss(0.0, 10.0)), 100.0))
    result = weights.weights(both)
    assert max(result, key=lambda name: result[name]) == winner
    assert sum(result.values()) == pytest.approx(1.0)
    assert ("other" in result) == (winner == "other")
    assert weights.believes("other") == (winner == "other")


def test_one_spike_does_not_undo_a_record() -> None:
    """A measurement that is off by a second costs a good model little."""
    weights = PrequentialWeights("base")
    both = {"base": estimate(40, 20.0), "other": estimate(0, 20.0)}
    for _ in range(200):
        weights.score("a", both, check(0, 100.0))
    before = weights.weights(both)["other"]
    weights.score("a", both, check(10**9, 100.0))
    assert weights.weights(both)["other"] > 0.9 * before


def test_what_a_server_strays_by_is_nobody_s_merit() -> None:
    """Of an error that nobody could foresee, claims of next to nothing are no better."""
    rng = random.Random(4)
    told, untold = (PrequentialWeights("sharp") for _ in range(2))
    both = {"sharp": estimate(0, 10.0), "vague": estimate(300, 3000.0)}
    for _ in range(200):
        near = check(round(rng.gauss(0.0, 5.0)), 25.0)
        far = check(round(rng.gauss(0.0, 1000.0)), 25.0)
        for weights, strays in ((told, 1000.0**2), (untold, 0.0)):
            weights.score("a", both, near)
            weights.score("a", both, far, strays=strays)
    assert not told.believes("vague")
    assert untold.believes("vague")


def test_a_silent_baseline_leaves_the_others() -> None:
    """Whoever speaks is all there is; nobody speaking is no weight."""
    weights = PrequentialWeights("base")
    weights.score("a", {"other": estimate(0, 1.0)}, check(0, 1.0))
    assert weights.weights({"other": estimate(0, 1.0)}) == {"other": 1.0}
    assert weights.weights({}) == {}


def test_a_lone_estimate_is_passed_through() -> None:
    """Its source included: the published source says what really answered."""
    only = estimate(3, 5.0, source=Source.NTP)
    assert mix({"a": only}, {"a": 1.0}) is only


@given(
    st.integers(min_value=-(10**9), max_value=10**9),
    st.integers(min_value=-(10**9), max_value=10**9),
    st.floats(min_value=0.01, max_value=0.99),
)
def test_a_mixture_admits_either(first_ns: int, second_ns: int, share: float) -> None:
    """Its variance is the parts' plus their disagreement, wherever the epoch is."""
    parts = {"a": estimate(first_ns, 5.0, rate_ppb=1.0), "b": estimate(second_ns, 5.0)}
    mixed = mix(parts, {"a": share, "b": 1.0 - share})
    mean_ns = share * first_ns + (1.0 - share) * second_ns
    assert mixed.offset_ns - FAR_NS == pytest.approx(mean_ns, abs=1.0)
    apart = share * (1.0 - share) * float(first_ns - second_ns) ** 2
    assert mixed.variance.v0 == pytest.approx(25.0 + apart)
    assert mixed.variance.v2 == pytest.approx(4.0 + share * (1.0 - share))
    assert mixed.source is Source.FUSION


def test_a_mixture_needs_one_instant() -> None:
    """Estimates of different instants, or none at all, are a caller's mistake."""
    other = Estimate(
        raw_ns=8, offset_ns=0, rate_ppb=0.0, variance=Variance(1.0), source=Source.NTP
    )
    with pytest.raises(ValueError, match="one instant"):
        mix({"a": estimate(0, 1.0), "b": other}, {"a": 0.5, "b": 0.5})
    with pytest.raises(ValueError, match="one instant"):
        mix({}, {})


def told(weights: PrequentialWeights, offsets_ns: dict[str, int], times: int) -> None:
    """Let each server measure so often, one after the other."""
    both = {"base": estimate(0, 20.0), "other": estimate(5_000, 20.0)}
    for _ in range(times):
        for server, offset_ns in offsets_ns.items():
            weights.score(server, both, check(offset_ns, 100.0))


@pytest.mark.parametrize(
    ("offsets_ns", "is_believed"),
    [
        ({"a": 5_000}, True),
        ({"a": 5_000, "b": 0}, False),
        ({"a": 5_000, "b": 5_000}, True),
        ({"a": 5_000, "b": 5_000, "c": 0}, True),
        ({"a": 5_000, "b": 5_000, "c": 0, "d": 0}, False),
        ({"a": 500_000, "b": 10, "c": 0, "d": -10}, False),
    ],
)
def test_a_majority_of_servers_decides(
    offsets_ns: dict[str, int], is_believed: bool
) -> None:
    """Who is off itself would have us believe whoever is off as well."""
    weights = PrequentialWeights("base")
    told(weights, offsets_ns, 30)
    assert weights.believes("other") is is_believed


def test_a_server_that_is_gone_has_no_say_after_a_while() -> None:
    """Two spoke for one model; one is left, and says otherwise."""
    weights = PrequentialWeights("base")
    told(weights, {"a": 5_000, "b": 5_000, "c": 0}, 30)
    assert weights.believes("other")
    told(weights, {"c": 0}, 700)
    assert not weights.believes("other")
    told(weights, {"d": 5_000, "e": 5_000}, 5)
    assert weights.believes("other")
