"""`fusion.swell`: queues that come in swells are told from those that don't."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.units import NS_PER_S
from chronotick.fusion.swell import Likeness, QueueSwell

if TYPE_CHECKING:
    from collections.abc import Callable

FLOOR_NS = 1_000_000
QUEUE_NS = 2_000_000


def deviations(queue_ns: Callable[[int], float], count: int) -> list[float]:
    """Return what is feared after each of `count` exchanges, as a deviation in ns."""
    swell = QueueSwell()
    feared = []
    for k in range(count):
        swell.add(k * 64 * NS_PER_S, FLOOR_NS + round(queue_ns(k)))
        feared.append(math.sqrt(swell.variance))
    return feared


@pytest.mark.parametrize("kind", ["exponential", "pareto", "gamma"])
def test_queues_of_their_own_are_no_swell(kind: str) -> None:
    """Each exchange has another: what chance makes of that is 1 % of a queue at most."""
    rng = random.Random(1)
    draws: dict[str, Callable[[], float]] = {
        "exponential": lambda: rng.expovariate(1.0),
        "pareto": lambda: rng.paretovariate(1.5) - 1.0,
        "gamma": lambda: rng.gammavariate(3.0, 1.0 / 3.0),
    }
    draw = draws[kind]
    feared = [
        each
        for _ in range(10)
        for each in deviations(lambda _: QUEUE_NS * draw(), 2000)
    ]
    assert sum(feared) / len(feared) < 0.005 * QUEUE_NS


@pytest.mark.parametrize("period", [30, 100, 400])
@pytest.mark.parametrize("noise_ns", [50_000, 500_000])
def test_a_buffer_that_fills_and_empties_is_a_swell(period: int, noise_ns: int) -> None:
    """Whichever leg it is on, the offset is off by half: two deviations or so."""
    rng = random.Random(period)

    def queue_ns(k: int) -> float:
        return QUEUE_NS * (k % period) / period + rng.expovariate(1.0 / noise_ns)

    feared = deviations(queue_ns, 6 * period)[2 * period :]
    full = [each for k, each in enumerate(feared) if k % period > 0.7 * period]
    assert sum(full) / len(full) > 0.85 * QUEUE_NS / 4.0


@pytest.mark.parametrize("seed", range(5))
def test_a_swell_shows_among_wild_delays(seed: int) -> None:
    """A delay that is a thousand times as long as others says no more than they do."""
    rng = random.Random(seed)
    period = 45

    def queue_ns(k: int) -> float:
        wild_ns = 8_000 * (rng.paretovariate(1.2) + rng.paretovariate(1.2) - 2.0)
        return QUEUE_NS * (k % period) / period + wild_ns

    feared = deviations(queue_ns, 12 * period)[2 * period :]
    full = [each for k, each in enumerate(feared) if k % period > 0.7 * period]
    assert min(full) > 0.6 * QUEUE_NS / math.sqrt(12.0)


def test_a_slow_swell_shows_beneath_quick_queues() -> None:
    """One exchange looks hardly like the next; the lowest of thirty do."""
    rng = random.Random(3)

    def queue_ns(k: int) -> float:
        day = 1.0 - math.cos(2.0 * math.pi * k / 1350.0)
        return QUEUE_NS * (day + rng.expovariate(1.0) + rng.expovariate(1.0))

    feared = deviations(queue_ns, 2 * 1350)
    noon = feared[1350 + 600 : 1350 + 750]
    assert sum(noon) / len(noon) > 0.8 * (2.0 * QUEUE_NS) / math.sqrt(12.0)


def test_it_is_over_when_the_queue_is() -> None:
    """Back at the floor there is nothing to fear, however alike neighbours were."""
    feared = deviations(lambda k: QUEUE_NS * min(k % 100, 50), 500)
    assert feared[-40] > QUEUE_NS
    swell = QueueSwell()
    for k in range(400):
        swell.add(k * 64 * NS_PER_S, FLOOR_NS + (QUEUE_NS if 100 <= k < 300 else 0))
    assert swell.variance == 0.0


def test_the_floor_of_days_ago_is_forgotten() -> None:
    """A path that has become longer for good is a path, no swell."""
    swell = QueueSwell()
    for k in range(700):
        day_ns = QUEUE_NS * (1.0 - math.cos(2.0 * math.pi * k / 84.0))
        longer_ns = 5 * QUEUE_NS if k > 200 else 0
        swell.add(k * 1024 * NS_PER_S, FLOOR_NS + round(day_ns) + longer_ns)
    assert math.sqrt(swell.variance) < QUEUE_NS


@given(st.integers(0, 10**12), st.integers(1, 300))
def test_delays_that_never_change_are_no_swell(delay_ns: int, count: int) -> None:
    """Ties are no order, also of a server that counts in milliseconds."""
    swell = QueueSwell()
    for k in range(count):
        swell.add(k * NS_PER_S, delay_ns)
        assert swell.place == 0.0
    assert swell.variance == swell.variance_if(1.0) == 0.0


@given(st.lists(st.integers(min_value=0, max_value=10**12), max_size=200))
def test_any_delays_are_accepted(delays: list[int]) -> None:
    """Never feared: more than all of the queue on one leg."""
    swell = QueueSwell()
    for k, delay_ns in enumerate(delays):
        swell.add(k * NS_PER_S, delay_ns)
        limit_ns = max(delays) - min(delays)
        assert 0.0 <= swell.variance <= swell.variance_if(1.0)
        assert swell.variance_if(1.0) <= limit_ns**2 / 12.0 * (1.0 + 1e-9)


def feared_afresh_ns(delays: list[int], length: int) -> float:
    """Return what rows of one length show, from all delays since the first (< 72 h)."""
    rows = [
        min(delays[k : k + length]) for k in range(0, len(delays) - length + 1, length)
    ]
    likeness = Likeness()
    for k, row in enumerate(rows):
        late = rows[max(k - 63, 0) : k + 1]
        below, above = (sum(e < row for e in late), sum(e > row for e in late))
        likeness.add((below + len(late) - above) / (2 * len(late)) - 0.5)
    excess_ns = max(min(delays[-length:]) - min(rows), 0) if rows else 0
    return likeness.certainty * excess_ns


@given(st.integers(1, 200), st.integers(1, 60), st.randoms(use_true_random=False))
def test_what_is_kept_is_what_all_delays_say(
    count: int, period: int, rng: random.Random
) -> None:
    """Rows are looked at when they are complete: in between nothing is missed."""
    swell, delays = QueueSwell(), []
    for k in range(count):
        delays.append(FLOOR_NS + 100 * (k % period) + rng.randrange(1000))
        swell.add(k * 64 * NS_PER_S, delays[-1])
        assert list(swell.ranked) == sorted(delays[-64:])
    feared_ns = max(feared_afresh_ns(delays, length) for length in (1, 8, 32))
    assert swell.variance == pytest.approx(feared_ns**2 / 12.0, rel=1e-12)
