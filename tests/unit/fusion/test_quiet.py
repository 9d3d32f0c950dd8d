"""`fusion.quiet`: only the quieter half judges, each with the noise it may have."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from math import sqrt
from statistics import mean
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.records import Estimate, Variance
from chronotick.core.status import Source
from chronotick.core.units import NS_PER_S
from chronotick.fusion.quiet import QuietExchanges
from unit.oscillators import EPOCH_NS, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chronotick.core.records import Sample

GUESS = Estimate(
    raw_ns=0,
    offset_ns=EPOCH_NS,
    rate_ppb=0.0,
    variance=Variance(1.0),
    source=Source.CPU_MODEL,
)
"""The truth, as far as servers are asked here."""


def test_long_delays_do_not_judge() -> None:
    """Every other exchange queues for 20 ms: none of those is asked."""
    quiet = QuietExchanges()
    asked = []
    for k in range(100):
        queue_ns = 20_000_000 if k % 2 else 0
        each = sample(k * NS_PER_S, EPOCH_NS, delay_ns=1_000_000 + queue_ns)
        asked.append(quiet.check(each) is not None)
    assert not any(asked[1::2])
    assert all(asked[0::2])


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=100))
def test_at_least_half_are_asked_at_their_lowest(delays_ns: list[int]) -> None:
    """The lowest so far always is; its noise is at least what reading the clocks adds."""
    quiet = QuietExchanges()
    for k, delay_ns in enumerate(delays_ns):
        each = sample(k * NS_PER_S, EPOCH_NS, delay_ns=delay_ns, precision_ns=7)
        check = quiet.check(each)
        if delay_ns == min(delays_ns[max(0, k - 63) : k + 1]):
            assert check is not None
        if check is not None:
            assert check.noise == pytest.approx(49.0 + check.excess_ns**2 / 12.0)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=200))
def test_the_quieter_half_is_of_the_last_64(delays_ns: list[int]) -> None:
    """Asked is who is not above their median, equal delays or not."""
    quiet = QuietExchanges()
    for k, delay_ns in enumerate(delays_ns):
        latest = sorted(delays_ns[max(0, k - 63) : k + 1])
        check = quiet.check(sample(k * NS_PER_S, EPOCH_NS, delay_ns=delay_ns))
        assert (check is not None) == (delay_ns <= latest[(len(latest) - 1) // 2])


@pytest.mark.parametrize("seed", range(3))
def test_the_quickest_is_not_taken_for_perfect(seed: int) -> None:
    """Memoryless queues: those that judge are off by about what they say, no more.

    Also the lowest of the last 64, which is not at the floor either.
    """
    rng = random.Random(seed)
    quiet = QuietExchanges()
    scores = []
    for k in range(5000):
        up_ns, down_ns = (round(rng.expovariate(1e-6)) for _ in range(2))
        check = quiet.check(
            sample(
                k * NS_PER_S, (up_ns - down_ns) // 2, delay_ns=10**7 + up_ns + down_ns
            )
        )
        if check is not None:
            scores.append(check.offset_ns**2 / check.noise)
    assert 0.8 <= mean(scores) <= 1.2
    assert sum(score > 3.0**2 for score in scores) <= 0.01 * len(scores)


def test_queues_that_lean_are_doubt_and_like_ones_are_little() -> None:
    """One path queues on the way back only; of two as near, its doubt counts for half."""
    rng = random.Random(1)
    quiet = QuietExchanges()
    assert quiet.lean_variance(["leans", "even"]) == 0.0
    for k in range(2000):
        up_ns, down_ns = (round(rng.expovariate(1e-6)) for _ in range(2))
        for server, there_ns in (("leans", 0), ("even", up_ns)):
            measured = sample(
                k * NS_PER_S,
                EPOCH_NS + (there_ns - down_ns) // 2,
                server=server,
                delay_ns=10**7 + there_ns + down_ns,
            )
            check = quiet.check(measured)
            if check is not None:
                quiet.judge_lean(server, check, GUESS)
    leans, even = (sqrt(quiet.lean_variance([each])) for each in ("leans", "even"))
    assert leans > 10_000
    # Though the quick ones of two queues in a row are five times as far from the floor.
    assert even < 0.5 * leans
    both = quiet.lean_variance(["leans", "even", "never heard"])
    assert sqrt(both) == pytest.approx((leans + even) / 2.0, rel=0.01)
    quiet.check(sample(2000 * NS_PER_S, EPOCH_NS, server="new", delay_ns=10**7))
    assert quiet.lean_variance(["leans", "even", "new"]) == both


def test_a_step_is_not_taken_for_a_lean() -> None:
    """20 ms that no queue explains leave the line alone, on an even path."""
    rng = random.Random(2)
    quiet = QuietExchanges()
    for k in range(600):
        up_ns, down_ns = (round(rng.expovariate(1e-6)) for _ in range(2))
        offset_ns = EPOCH_NS + (up_ns - down_ns) // 2 + (20_000_000 if k >= 500 else 0)
        check = quiet.check(
            sample(k * NS_PER_S, offset_ns, delay_ns=10**7 + up_ns + down_ns)
        )
        if check is not None:
            quiet.judge_lean("a", check, GUESS)
    assert sqrt(quiet.lean_variance(["a"])) < 20_000


def swells(worlds: Mapping[str, Callable[[float, random.Random], float]]) -> float:
    """Return what is feared of servers, on average: a deviation in ns.

    Args:
        worlds: What each server's path adds to its floor, ns, by the instant in s. Each
            is asked every 256 s, in turn, for half a day.
    """
    rng, quiet, feared = random.Random(5), QuietExchanges(), []
    for k in range(170):
        for j, (server, queue_ns) in enumerate(worlds.items()):
            at_s = 256.0 * (k + j / len(worlds))
            delay_ns = 2_000_000 + round(queue_ns(at_s, rng))
            quiet.check(
                sample(
                    round(at_s * NS_PER_S), EPOCH_NS, server=server, delay_ns=delay_ns
                )
            )
            feared.append(sqrt(quiet.swell_variance(worlds)))
    return mean(feared[len(feared) // 4 :])


def busy_line(at_s: float, rng: random.Random) -> float:
    """Return up to 2 ms, swelling and ebbing within 20 minutes, and quick queues."""
    return 2e6 * math.sin(math.pi * at_s / 1200.0) ** 2 + rng.expovariate(1e-5)


def test_servers_behind_one_line_show_its_swell_to_each_other() -> None:
    """Each is asked five times a swell, all of them twenty times: mean 1.1 ms / √12."""
    names = [f"s{k}" for k in range(4)]
    assert swells(dict.fromkeys(names, busy_line)) > 0.75 * 1.1e6 / sqrt(12.0)


def test_far_servers_that_are_asked_in_turn_are_no_swell() -> None:
    """Four that hardly queue, then four that queue for long, each by itself."""

    def near(_: float, rng: random.Random) -> float:
        return rng.expovariate(1e-4)

    def far(_: float, rng: random.Random) -> float:
        return rng.expovariate(1e-6)

    worlds = {f"s{k}": near if k < 4 else far for k in range(8)}
    assert swells(worlds) < 15_000


def test_a_busy_line_that_the_nearest_server_is_not_behind_matters_little() -> None:
    """The guess is the near one's, and so is what may be wrong with it."""
    quiet, rng = QuietExchanges(), random.Random(6)
    names = ["near", "b", "c", "d"]
    for k in range(600):
        for j, name in enumerate(names):
            at_s = 256.0 * k + 64.0 * j
            delay_ns = 20_000_000 + busy_line(at_s, rng)
            if name == "near":
                delay_ns = 200_000 + rng.expovariate(1e-4)
            at_ns = round(at_s * NS_PER_S)
            quiet.check(sample(at_ns, 0, server=name, delay_ns=round(delay_ns)))
        assert sqrt(quiet.swell_variance(names)) < 20_000


def test_a_known_bias_is_taken_off() -> None:
    """A server that reads 5 µs high measures 5 µs less."""
    check = QuietExchanges().check(sample(0, EPOCH_NS + 5_000), bias_ns=5_000.0)
    assert check is not None
    assert check.offset_ns == EPOCH_NS


def test_asymmetry_is_a_tenth_of_the_nearest_floor() -> None:
    """One path: a tenth of its floor; a far one beside a near one hardly matters."""
    quiet = QuietExchanges()
    assert quiet.asymmetry_variance(["near"], 0.1) == 0.0
    for k in range(10):
        at_ns = k * NS_PER_S
        quiet.check(sample(at_ns, 0, server="near", delay_ns=10**6 + k))
        quiet.check(sample(at_ns, 0, server="far", delay_ns=10**8 + k))
    assert sqrt(quiet.asymmetry_variance(["near"], 0.0)) < 100
    alone = quiet.asymmetry_variance(["near"], 0.1)
    assert alone == pytest.approx(1e5**2)
    both = quiet.asymmetry_variance(["near", "far"], 0.1)
    assert 0.99 * alone < both < 1.03 * alone


def rooted(server: str, delay_ns: int, root_delay_ns: int) -> Sample:
    """Return a sample of a server with a way of its own to its source."""
    measured = sample(0, 0, server=server, delay_ns=delay_ns)
    return replace(measured, root_delay_ns=root_delay_ns)


def test_a_server_s_own_way_to_its_source_may_be_askew_as_well() -> None:
    """40 ms behind a near one is as far as 40 ms to one that has a source at hand."""
    quiet = QuietExchanges()
    quiet.check(rooted("office", 200_000, 40_000_000))
    assert sqrt(quiet.asymmetry_variance(["office"], 0.1)) == pytest.approx(4_020_000)
    # The guess follows the near one, wherever that has its time from.
    quiet.check(rooted("far", 20_000_000, 0))
    both = sqrt(quiet.asymmetry_variance(["office", "far"], 0.1))
    assert both == pytest.approx(4_020_000, rel=0.001)
    quiet.check(rooted("office", 200_000, 1_000_000))
    both = sqrt(quiet.asymmetry_variance(["office", "far"], 0.1))
    assert both == pytest.approx(120_000, rel=0.002)


def test_servers_behind_one_line_are_askew_together() -> None:
    """Any number of them: what they share is no less for being seen more often."""
    quiet = QuietExchanges()
    names = [f"s{k}" for k in range(8)]
    for name in names:
        quiet.check(sample(0, 0, server=name, delay_ns=10**7))
    assert quiet.asymmetry_variance(names, 0.1) == pytest.approx(1e6**2)


def test_a_server_that_the_guess_stays_away_from_has_no_part_in_it() -> None:
    """A near one that nobody follows makes nothing certain; once followed, it does."""
    quiet = QuietExchanges()
    quiet.check(sample(0, 0, server="far", delay_ns=60_000_000))
    quiet.check(sample(0, 0, server="near", delay_ns=1_000_000))
    assert sqrt(quiet.asymmetry_variance(("far", "near"), 0.1)) < 102_000
    quiet.compare("near", 20_000_000, 1e9)
    assert sqrt(quiet.asymmetry_variance(("far", "near"), 0.1)) > 5_700_000
    for _ in range(200):
        quiet.compare("near", 10_000, 1e9)
    assert sqrt(quiet.asymmetry_variance(("far", "near"), 0.1)) < 110_000


def test_far_from_everyone_is_not_the_paths_fault() -> None:
    """After a jump the prior is that of the longest path, and nothing beyond it."""
    quiet = QuietExchanges()
    quiet.check(sample(0, 0, delay_ns=1_000_000))
    quiet.compare("a", 1e9, 0.0)
    assert sqrt(quiet.asymmetry_variance(("a",), 0.1)) == pytest.approx(100_000)


def test_whoever_knows_paths_to_be_alike_is_believed() -> None:
    """No share, nothing but what reading clocks leaves, whatever was seen."""
    quiet = QuietExchanges()
    quiet.check(sample(0, 0, precision_ns=100))
    quiet.compare("a", 1e6, 0.0)
    assert quiet.asymmetry_variance(("a",), 0.0) == pytest.approx(100**2 / 3.0)


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_a_coarse_clock_is_not_near_for_its_short_delays(share: float) -> None:
    """Whatever its ticks make of the delays, it may be off by one of them."""
    quiet, names = QuietExchanges(), ["fine", "coarse"]
    for k in range(10):
        at_ns = k * NS_PER_S
        quiet.check(
            sample(at_ns, 0, server="coarse", delay_ns=0, precision_ns=1_000_000)
        )
    alone = sqrt(quiet.asymmetry_variance(["coarse"], share))
    assert alone == pytest.approx(1e6 / sqrt(3.0), rel=1e-6)
    quiet.check(sample(0, 0, server="fine", delay_ns=100_000, precision_ns=1_000))
    fine = sqrt(quiet.asymmetry_variance(["fine"], share))
    both = sqrt(quiet.asymmetry_variance(names, share))
    assert fine <= both < fine + 200


def test_a_long_exchange_makes_no_clock_coarse() -> None:
    """The raw clock may run off in half a second; that is no constant."""
    quiet = QuietExchanges()
    for k in range(10):
        quiet.check(sample(k * NS_PER_S, 0, delay_ns=100_000, precision_ns=1_000))
    before = quiet.asymmetry_variance(["a"], 0.1)
    quiet.check(sample(10 * NS_PER_S, 0, delay_ns=500_000_000, precision_ns=126_000))
    assert quiet.asymmetry_variance(["a"], 0.1) == before
