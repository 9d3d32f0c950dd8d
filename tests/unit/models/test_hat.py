"""`models.hat`: RAW tells which of two servers that disagree is the one that moves."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.core.units import NS_PER_S
from chronotick.models.hat import CorneredHat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Course = Callable[[float], float]

SWING_NS = 1e6
HOURS = 3 * 3600


def swinging(period_s: float = 900.0) -> Course:
    """Return a course that swings by `SWING_NS`."""
    return lambda t_s: SWING_NS * math.sin(2.0 * math.pi * t_s / period_s)


def steady(_: float) -> float:
    """Stay."""
    return 0.0


def shown(
    courses: Mapping[str, Course],
    *,
    raw: Course = steady,
    noise_ns: float = 2e5,
    rate_ppb: float = 30_000.0,
    seed: int = 0,
    for_s: float = HOURS,
) -> CorneredHat:
    """Return a hat that was shown servers, each asked about once a minute."""
    hat, rng = CorneredHat(), random.Random(seed)
    asked = sorted(
        (at_s + rng.uniform(-2.0, 2.0) + k, server)
        for k, server in enumerate(courses)
        for at_s in range(10, int(for_s), 64)
    )
    for at_s, server in asked:
        off_ns = courses[server](at_s) + raw(at_s) + rate_ppb * at_s
        off_ns += rng.gauss(0.0, noise_ns)
        hat.add(server, round(at_s * NS_PER_S), round(off_ns), 1_000_000)
    return hat


@pytest.mark.parametrize("order", ["ab", "ba"])
@pytest.mark.parametrize("raw", [steady, swinging(1300.0)], ids=["steady", "swings"])
def test_the_one_that_moves_is_told_from_the_one_that_stays(
    order: str, raw: Course
) -> None:
    """Also where RAW itself moves as much; by about the mean square of its motion."""
    courses = {"a": swinging(), "b": steady}
    hat = shown({server: courses[server] for server in order}, raw=raw)
    assert 0.4 * SWING_NS**2 / 2 < hat.variance("a") < 1.1 * SWING_NS**2 / 2
    assert hat.variance("b") == 0.0


@settings(max_examples=30, deadline=None)
@given(
    st.integers(min_value=0, max_value=10**6),
    st.floats(min_value=1e3, max_value=3e6),
    st.floats(min_value=600.0, max_value=20_000.0),
)
def test_what_raw_does_is_nobodys(seed: int, noise_ns: float, period_s: float) -> None:
    """However RAW swings; what noise happens to accuse of is a fraction of the swing."""
    hat = shown(
        {"a": steady, "b": steady}, raw=swinging(period_s), noise_ns=noise_ns, seed=seed
    )
    assert hat.variance("a") + hat.variance("b") < 0.1 * (noise_ns + SWING_NS) ** 2


def test_noise_accuses_nobody() -> None:
    """A server in the next room is not doubted for what one far away scatters by."""
    accused = 0.0
    for seed in range(40):
        hat, rng = CorneredHat(), random.Random(seed)
        for at_s in range(10, HOURS, 64):
            near_ns, far_ns = rng.gauss(0.0, 1e3), rng.gauss(0.0, 1e6)
            hat.add("near", at_s * NS_PER_S, round(near_ns), 100_000)
            hat.add("far", (at_s + 7) * NS_PER_S, round(far_ns), 9_000_000)
        accused = max(accused, hat.variance("near"))
    assert accused < 5e3**2


def test_nobody_is_accused_by_one_that_moves_more() -> None:
    """Two motions have something in common by chance, but for the worse one's part."""
    much = swinging(5000.0)

    def little(t_s: float) -> float:
        return 0.05 * much(t_s)

    hat = shown({"a": little, "b": swinging(4600.0)}, noise_ns=1e3)
    assert hat.variance("a") == 0.0
    assert hat.variance("b") > 0.0


def test_the_best_witness_decides() -> None:
    """One that scatters by milliseconds neither accuses nor clears."""
    hat, rng = CorneredHat(), random.Random(1)
    swing = swinging()
    for at_s in range(10, HOURS, 64):
        raw_ns = at_s * NS_PER_S
        hat.add("a", raw_ns, round(swing(at_s)), 1_000_000)
        hat.add("b", raw_ns, round(rng.gauss(0.0, 1e5)), 1_000_000)
        hat.add("c", raw_ns, round(rng.gauss(0.0, 1e7)), 1_000_000)
    assert hat.variance("a") > 0.3 * SWING_NS**2
    assert hat.variance("b") == 0.0


def test_nobody_is_judged_alone_or_on_little() -> None:
    """One server has no witness; a few minutes show no motion."""
    assert shown({"a": swinging()}).variance("a") == 0.0
    assert shown({"a": swinging(), "b": steady}, for_s=640.0).variance("a") == 0.0
    assert CorneredHat().variance("never heard") == 0.0


def test_forgetting_clears_it_and_its_testimony() -> None:
    """On another way it is judged, and judges, anew."""
    hat = shown({"a": swinging(), "b": steady})
    hat.forget("b")
    assert hat.variance("a") == 0.0
    again = shown({"a": swinging(), "b": steady})
    again.forget("a")
    assert again.variance("a") == again.variance("b") == 0.0
    again.add("a", HOURS * NS_PER_S, 0, 1_000_000)
    assert again.variance("a") == 0.0


def test_testimony_lapses_with_the_witness() -> None:
    """Three hours after the other one's last word nothing is held against anybody."""
    hat = shown({"a": swinging(), "b": steady})
    swing = swinging()
    for at_s in range(HOURS, 2 * HOURS, 64):
        hat.add("a", at_s * NS_PER_S, round(swing(at_s)), 1_000_000)
    assert hat.variance("a") == 0.0


def test_the_least_delayed_of_a_minute_counts() -> None:
    """Queued answers of fast polls hide no motion, and make none."""
    hat, rng, swing = CorneredHat(), random.Random(2), swinging()
    for at_s in range(0, HOURS, 4):
        for server, off_ns in (("a", swing(at_s)), ("b", 0.0)):
            queue_ns = rng.expovariate(1.0 / 4e6)
            is_quiet = rng.random() < 0.3
            hat.add(
                server,
                at_s * NS_PER_S,
                round(off_ns + (0.0 if is_quiet else queue_ns)),
                1_000_000 if is_quiet else 1_000_000 + round(2 * queue_ns),
            )
    assert hat.variance("a") > 0.3 * SWING_NS**2
    assert hat.variance("b") == 0.0


def test_raw_may_count_from_before_zero() -> None:
    """The first measurement of all is kept, whichever minute it is of."""
    hat = CorneredHat()
    hat.add("a", -1, 0, 1_000_000)
    assert hat.variance("a") == 0.0


@pytest.mark.parametrize(
    "asked_s",
    [[*range(10, 3000, 64), *range(6600, HOURS, 64)], [*range(10, HOURS, 300)]],
    ids=["away for an hour", "asked seldom"],
)
def test_what_a_witness_has_not_seen_is_nobodys_motion(asked_s: list[int]) -> None:
    """RAW bends meanwhile, and the one that is asked more often sees more of that."""
    for period_s in range(3000, 12_000, 500):
        hat, raw = CorneredHat(), swinging(period_s)
        for at_s in range(10, HOURS, 64):
            hat.add("near", at_s * NS_PER_S, round(raw(at_s)), 100_000)
            for far_s in asked_s:
                if at_s <= far_s < at_s + 64:
                    hat.add("far", far_s * NS_PER_S, round(raw(far_s)), 9_000_000)
        accused = hat.variance("near") + hat.variance("far")
        assert accused < (0.02 * SWING_NS) ** 2, period_s


def test_two_slow_motions_are_few_facts() -> None:
    """RAW's and a far server's may go together by chance; a near one pays little for it.

    Few swings go into three hours, so neighboring products are far from independent.
    """
    accused = 0.0
    for seed in range(100):
        rng = random.Random(seed)
        raw_s, far_s = rng.uniform(3000.0, 12_000.0), rng.uniform(3000.0, 12_000.0)
        raw, far = swinging(raw_s), swinging(far_s)
        hat, phase_s = CorneredHat(), rng.uniform(0.0, far_s)
        for at_s in range(10, HOURS, 64):
            heated_ns = 0.7 * raw(at_s)
            hat.add("near", at_s * NS_PER_S, round(heated_ns), 100_000)
            wandered_ns = 0.7 * raw(at_s + 7) + far(at_s + phase_s)
            wandered_ns += rng.gauss(0.0, 1e5)
            hat.add("far", (at_s + 7) * NS_PER_S, round(wandered_ns), 9_000_000)
        accused += hat.variance("near")
    assert math.sqrt(accused / 100) < 0.1 * SWING_NS
