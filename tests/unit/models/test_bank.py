"""`models.bank`: learns clocks it was told nothing of, and knows how well."""

from __future__ import annotations

import copy
import math
import pickle
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.core.status import Source
from chronotick.core.units import NS_PER_S
from chronotick.models.bank import BankModel
from chronotick.models.kalman import KalmanModel
from unit.oscillators import EPOCH_NS, sample

if TYPE_CHECKING:
    from chronotick.core.records import Estimate, Sample

HOUR_S = 3600
FLOOR_NS = 30_000_000


def wide_area(
    seed: int,
    *,
    count: int = 300,
    poll_s: int = 64,
    wander_ppb: float = 1.0,
    detour: range = range(0),
    extra_ns: int = 8_000_000,
) -> list[tuple[Sample, int]]:
    """Return samples of a wandering clock behind one-sided queues, with the truth.

    In those of `detour` the requests take `extra_ns` more.
    """
    rng = random.Random(seed)
    truth_ns, rate_ppb = 0.0, 20_000.0
    result = []
    for k in range(count):
        queues_ns = rng.expovariate(1e-6), rng.expovariate(1e-6)
        there_ns = queues_ns[0] + (extra_ns if k in detour else 0.0)
        offset_ns = EPOCH_NS + round(truth_ns)
        measured = sample(
            k * poll_s * NS_PER_S,
            offset_ns + round((there_ns - queues_ns[1]) / 2.0),
            delay_ns=FLOOR_NS + round(there_ns + queues_ns[1]),
        )
        result.append((measured, offset_ns))
        # Exact for a random-walk rate sampled at the polls.
        step_ppb = rng.gauss(0.0, wander_ppb * math.sqrt(poll_s))
        bridge_ns = rng.gauss(0.0, wander_ppb * poll_s**1.5 / math.sqrt(12.0))
        truth_ns += poll_s * (rate_ppb + step_ppb / 2.0) + bridge_ns
        rate_ppb += step_ppb
    return result


def estimate_at(model: BankModel | KalmanModel, raw_ns: int) -> Estimate:
    """Return an estimate that must exist."""
    estimate = model.predict(raw_ns)
    assert estimate is not None
    return estimate


def feed(model: BankModel, samples: list[tuple[Sample, int]]) -> list[float]:
    """Feed all; return the error after each in deviations of the estimate."""
    scores = []
    for measured, truth_ns in samples:
        model.observe(measured)
        estimate = estimate_at(model, measured.raw_ns)
        scores.append((estimate.offset_ns - truth_ns) / math.sqrt(estimate.variance.v0))
    return scores


def test_nothing_is_believed_before_the_first_sample() -> None:
    """No estimate, and an unknown rate."""
    model = BankModel()
    assert model.predict(0) is None
    assert math.isinf(model.rate_sd_ppb)


def test_the_first_answer_is_as_wide_as_physics_allows() -> None:
    """After one exchange, sigma covers a uniform error within the half width."""
    model = BankModel()
    first = sample(0, EPOCH_NS)
    model.observe(first)
    estimate = estimate_at(model, 0)
    assert estimate.offset_ns == EPOCH_NS
    assert math.sqrt(estimate.variance.v0) >= first.half_width_ns / math.sqrt(3)
    assert math.sqrt(estimate.variance.at(100.0)) >= 100.0 * 90_000
    assert estimate.source is Source.CPU_MODEL


def test_errors_are_as_large_as_claimed() -> None:
    """Pooled over clocks of every wander, 99 % intervals hold 97.5 to 100 %."""
    scores = [
        score
        for seed, wander_ppb in enumerate((0.0, 0.1, 1.0, 10.0))
        for score in feed(BankModel(), wide_area(seed, wander_ppb=wander_ppb))
    ]
    inside = sum(abs(score) <= 2.576 for score in scores) / len(scores)
    assert 0.975 <= inside <= 1.0


@pytest.mark.parametrize("wander_ppb", [0.1, 1.0])
def test_the_bank_beats_the_single_filter(wander_ppb: float) -> None:
    """On one-sided queues its error is at most half of the adaptive filter's."""
    errors = {"bank": 0.0, "single": 0.0}
    for seed in range(3):
        bank, single = BankModel(), KalmanModel()
        for k, (measured, truth_ns) in enumerate(
            wide_area(seed, wander_ppb=wander_ppb)
        ):
            for name, model in (("bank", bank), ("single", single)):
                model.observe(measured)
                if k > 50:
                    estimate = estimate_at(model, measured.raw_ns)
                    errors[name] += (estimate.offset_ns - truth_ns) ** 2
    assert math.sqrt(errors["bank"]) <= 0.5 * math.sqrt(errors["single"])


@given(st.integers(min_value=-(2**62), max_value=2**62))
@settings(max_examples=20)
def test_a_constant_changes_nothing_else(shift_ns: int) -> None:
    """Adding a constant to every measurement adds it to every estimate, exactly."""
    plain, shifted = BankModel(), BankModel()
    for k in range(12):
        offset_ns = (k * 7919) % 40_000
        for model, add_ns in ((plain, 0), (shifted, shift_ns)):
            model.observe(sample(k * 16 * NS_PER_S, offset_ns + add_ns))
    first = estimate_at(plain, 300 * NS_PER_S)
    second = estimate_at(shifted, 300 * NS_PER_S)
    assert second.offset_ns - first.offset_ns == shift_ns
    assert second.variance == first.variance
    assert second.rate_ppb == first.rate_ppb


@given(
    st.lists(
        st.tuples(
            st.integers(min_value=-(10**12), max_value=10**15),
            st.integers(min_value=-(10**18), max_value=10**18),
            st.integers(min_value=-(10**9), max_value=10**12),
            st.sampled_from("ab"),
        ),
        min_size=1,
        max_size=25,
    )
)
@settings(max_examples=60, deadline=None)
def test_bad_input_breaks_nothing(
    exchanges: list[tuple[int, int, int, str]],
) -> None:
    """Any order, offset, delay and server leave a finite, positive variance."""
    model = BankModel()
    for raw_ns, offset_ns, delay_ns, server in exchanges:
        model.observe(sample(raw_ns, offset_ns, delay_ns=delay_ns, server=server))
        estimate = estimate_at(model, raw_ns + NS_PER_S)
        assert math.isfinite(estimate.rate_ppb)
        assert all(math.isfinite(term) for term in estimate.variance)
        assert estimate.variance.v0 > 0.0
        assert estimate.variance.at(3600.0) > 0.0


@pytest.mark.parametrize("servers", [1, 2, 4])
@pytest.mark.parametrize("seed", range(12))
def test_silences_of_weeks_break_nothing(servers: int, seed: int) -> None:
    """Each is heard for a while, on one way or another, and then perhaps for long not."""
    rng, model, at_s = random.Random(seed), BankModel(), 0.0
    longer_ns, silent_until_s = [0] * servers, [0.0] * servers
    for _ in range(1500):
        at_s += 16.0 if rng.random() < 0.99 else 3600.0 * rng.choice((1, 10, 80, 400))
        j = rng.randrange(servers)
        if rng.random() < 0.02:
            longer_ns[j] = rng.choice((0, 3_000_000, 8_000_000, 30_000_000))
            silent_until_s[j] = at_s + 3600.0 * rng.choice((0, 0, 1, 80, 400))
        if at_s < silent_until_s[j]:
            continue
        there_ns, back_ns = (round(rng.expovariate(3e-6)) for _ in range(2))
        model.observe(
            sample(
                round(at_s * NS_PER_S),
                EPOCH_NS + (longer_ns[j] + there_ns - back_ns) // 2,
                server=f"s{j}",
                delay_ns=(1 + 3 * j) * 1_000_000 + longer_ns[j] + there_ns + back_ns,
            )
        )
        said = estimate_at(model, round(at_s * NS_PER_S))
        assert math.isfinite(said.rate_ppb)
        assert math.isfinite(model.bias_ns(f"s{j}"))
        assert all(math.isfinite(term) for term in said.variance)
        assert said.variance.v0 > 0.0
        assert said.variance.at(1e6) > 0.0


def test_copies_of_a_packet_are_no_evidence() -> None:
    """Ten thousand identical samples claim no more than the first did."""
    model = BankModel()
    one = sample(5, EPOCH_NS)
    model.observe(one)
    before = estimate_at(model, NS_PER_S)
    for _ in range(10_000):
        model.observe(one)
    assert estimate_at(model, NS_PER_S) == before
    assert model.sample_count == 1


def test_time_going_backwards_is_ignored() -> None:
    """A sample from the past changes nothing."""
    model = BankModel()
    feed(model, wide_area(1, count=20))
    before = estimate_at(model, HOUR_S * NS_PER_S)
    model.observe(sample(3, EPOCH_NS + 10**9))
    assert estimate_at(model, HOUR_S * NS_PER_S) == before


def test_a_spike_widens_but_does_not_move() -> None:
    """One wild offset at a good delay: same prediction, honest doubt, then none."""
    model = BankModel()
    samples = wide_area(2, count=101, wander_ppb=0.1)
    feed(model, samples[:-1])
    spike, truth_ns = samples[-1]
    before = estimate_at(model, spike.raw_ns)
    model.observe(
        sample(spike.raw_ns - 8 * NS_PER_S, truth_ns + 630_000_000, delay_ns=FLOOR_NS)
    )
    during = estimate_at(model, spike.raw_ns)
    assert during.offset_ns == before.offset_ns
    assert 2.576 * math.sqrt(during.variance.v0) > 630_000_000
    assert model.is_puzzled
    model.observe(spike)
    assert not model.is_puzzled
    after = estimate_at(model, spike.raw_ns)
    assert abs(after.offset_ns - before.offset_ns) < 500_000
    assert math.sqrt(after.variance.v0) < 500_000
    assert model.jump_count == 0


@pytest.mark.parametrize(("poll_s", "polls"), [(4, 4), (64, 3), (1024, 4)])
def test_a_step_is_followed(poll_s: int, polls: int) -> None:
    """20 ms at once: below 1 ms within a few polls, and counted as one jump."""
    model = BankModel()
    samples = wide_area(3, count=100, poll_s=poll_s, wander_ppb=0.1)
    feed(model, samples[: -polls - 1])
    for measured, truth_ns in samples[-polls - 1 :]:
        stepped_ns = measured.offset_ns + 20_000_000
        model.observe(sample(measured.raw_ns, stepped_ns, delay_ns=measured.delay_ns))
        error_ns = estimate_at(model, measured.raw_ns).offset_ns - truth_ns
    assert abs(error_ns - 20_000_000) < 1_000_000
    assert model.jump_count == 1


def test_congestion_is_no_step() -> None:
    """A detour that adds 8 ms one way shifts offset and delay: nothing jumps."""
    model = BankModel()
    for k, (measured, truth_ns) in enumerate(wide_area(4, count=400)):
        detour_ns = 8_000_000 if 200 <= k < 300 else 0
        model.observe(
            sample(
                measured.raw_ns,
                measured.offset_ns + detour_ns // 2,
                delay_ns=measured.delay_ns + detour_ns,
            )
        )
        if k > 100:
            error_ns = estimate_at(model, measured.raw_ns).offset_ns - truth_ns
            assert abs(error_ns) < 3_000_000
    assert model.jump_count == 0


def test_servers_that_disagree_widen_the_answer() -> None:
    """Two servers 4 ms apart: the middle, and a sigma that admits either."""
    model = BankModel()
    for k, (measured, truth_ns) in enumerate(wide_area(5, wander_ppb=0.1)):
        sign = -1 if k % 2 else 1
        model.observe(
            sample(
                measured.raw_ns,
                measured.offset_ns + sign * 2_000_000,
                delay_ns=measured.delay_ns,
                server="ab"[k % 2],
            )
        )
        last_truth_ns, raw_ns = truth_ns, measured.raw_ns
    estimate = estimate_at(model, raw_ns)
    assert abs(estimate.offset_ns - last_truth_ns) < 500_000
    assert 1_500_000 < math.sqrt(estimate.variance.v0) < 2_500_000
    assert model.jump_count == 0


def test_a_clock_that_ticks_slowly_does_not_drag_others_along() -> None:
    """Read to the millisecond before, it is half of one late, and seems to be here."""
    rng, model = random.Random(3), BankModel()
    for k in range(600):
        queues_ns = rng.expovariate(1e-5), rng.expovariate(1e-5)
        at_ns = k * 16 * NS_PER_S
        path_ns = 2 * 60_000 + round(sum(queues_ns))
        model.observe(
            sample(
                at_ns,
                EPOCH_NS + round((queues_ns[0] - queues_ns[1]) / 2.0),
                server="fine",
                delay_ns=path_ns,
            )
        )
        received_ns, turn_ns = rng.randrange(1_000_000), round(rng.expovariate(3e-5))
        late_ns = received_ns, (received_ns + turn_ns) % 1_000_000
        model.observe(
            sample(
                at_ns + NS_PER_S,
                EPOCH_NS - sum(late_ns) // 2,
                server="coarse",
                delay_ns=max(path_ns + late_ns[1] - late_ns[0], 0),
                precision_ns=1_001_000,
            )
        )
        if k > 100:
            said = estimate_at(model, at_ns + NS_PER_S)
            assert abs(said.offset_ns - EPOCH_NS) < 20_000


def test_prediction_moves_along_its_own_polynomial() -> None:
    """Estimates at two instants agree on the variance at a third."""
    model = BankModel()
    feed(model, wide_area(6, count=50))
    end_ns = 49 * 64 * NS_PER_S
    early, late = estimate_at(model, end_ns), estimate_at(model, end_ns + 10**11)
    assert late.variance.v0 == pytest.approx(early.variance.at(100.0))
    assert late.variance.at(500.0) == pytest.approx(early.variance.at(600.0))


@pytest.mark.parametrize("poll_s", [4, 64])
def test_a_lone_server_s_detour_is_as_uncertain_as_it_is(poll_s: int) -> None:
    """Nothing shows its constant but minutes of coasting; afterwards it is over."""
    count, detour = 1500, range(500, 1000)
    scores = [
        feed(BankModel(), wide_area(s, count=count, poll_s=poll_s, detour=detour))
        for s in range(6)
    ]
    on_it = [score**2 for each in scores for score in each[510:1000]]
    after = [score**2 for each in scores for score in each[1100:]]
    assert sum(on_it) / len(on_it) < 2.0
    assert sum(square > 9.0 for square in on_it) < 0.02 * len(on_it)
    assert sum(after) / len(after) < 2.0


@pytest.mark.parametrize("extra_ns", [3_000_000, 5_000_000, 16_000_000])
@pytest.mark.parametrize("poll_s", [4, 64, 1024])
def test_a_detour_soon_after_the_start_is_no_queue(poll_s: int, extra_ns: int) -> None:
    """Nor is one as short as the queues are on average: 12 of them in a row are none."""
    start = 25
    detour = range(start, start + 120)
    scores = [
        feed(
            BankModel(),
            wide_area(s, count=160, poll_s=poll_s, detour=detour, extra_ns=extra_ns),
        )
        for s in range(8)
    ]
    on_it = [score**2 for each in scores for score in each[start + 15 : start + 120]]
    assert sum(on_it) / len(on_it) < 4.0
    assert sum(square > 9.0 for square in on_it) < 0.05 * len(on_it)


def from_near(rng: random.Random, raw_ns: int, truth_ns: int) -> Sample:
    """Return an answer of a server 0.2 ms away, whose queues are of 10 µs."""
    there_ns, back_ns = rng.expovariate(1e-4), rng.expovariate(1e-4)
    return sample(
        raw_ns,
        truth_ns + round((there_ns - back_ns) / 2.0),
        server="near",
        delay_ns=200_000 + round(there_ns + back_ns),
    )


def test_a_server_that_is_gone_is_no_company_on_a_detour() -> None:
    """A near one falls silent; an hour later the far one's path is 4 ms longer."""
    scores = []
    for seed in range(6):
        rng, model = random.Random(seed), BankModel()
        world = wide_area(seed, count=500, detour=range(250, 450), extra_ns=4_000_000)
        for k, (far, truth_ns) in enumerate(world):
            if k < 180:
                model.observe(from_near(rng, far.raw_ns, truth_ns))
            model.observe(far)
            if 262 <= k < 450:
                estimate = estimate_at(model, far.raw_ns)
                square = (estimate.offset_ns - truth_ns) ** 2 / estimate.variance.v0
                scores.append(square)
    assert sum(scores) / len(scores) < 3.0
    assert sum(square > 9.0 for square in scores) < 0.06 * len(scores)


@pytest.mark.parametrize("visit", [range(660, 790), range(860, 990)])
def test_what_a_visitor_taught_of_a_longer_way_outlives_the_visit(visit: range) -> None:
    """Silent for eight hours, the server is back 4 ms askew: coasting tells nothing.

    A near one is there for two hours, at once or later, and is gone again.
    """
    scores, errors = [], []
    for seed in range(4):
        rng, model = random.Random(seed), BankModel()
        world = wide_area(seed, count=1200, wander_ppb=3.0, detour=range(300, 1200))
        for k, (far, truth_ns) in enumerate(world):
            if k in visit:
                model.observe(from_near(rng, far.raw_ns, truth_ns))
            if k not in range(200, 650):
                model.observe(far)
            if k >= visit.stop:
                said = estimate_at(model, far.raw_ns)
                errors.append(said.offset_ns - truth_ns)
                scores.append(errors[-1] ** 2 / said.variance.v0)
    assert math.sqrt(sum(each**2 for each in errors) / len(errors)) < 300_000
    assert sum(scores) / len(scores) < 3.0


@pytest.mark.parametrize("company", [0, 2])
def test_a_detour_after_a_longer_one_has_a_constant_of_its_own(company: int) -> None:
    """20 ms more there, then 12 more back: offsets leap by 16 ms, the clock does not."""
    rng, model, errors = random.Random(8), BankModel(), []
    for k in range(500):
        for j in range(company + 1):
            there_ns, back_ns = (rng.expovariate(3e-6) for _ in range(2))
            way = (k - 200) // 60 % 3 if k >= 200 and j == 0 else 2
            there_ns += 20_000_000 if way == 0 else 0
            back_ns += 12_000_000 if way == 1 else 0
            model.observe(
                sample(
                    (k * 16 + j) * NS_PER_S,
                    EPOCH_NS + round((there_ns - back_ns) / 2.0),
                    server=f"s{j}",
                    delay_ns=FLOOR_NS + round(there_ns + back_ns),
                )
            )
        said = estimate_at(model, (k * 16 + company) * NS_PER_S)
        errors.append(said.offset_ns - EPOCH_NS)
        if k > 20:
            assert errors[-1] ** 2 < 16.0 * said.variance.v0
    late = errors[200:]
    assert math.sqrt(sum(each**2 for each in late) / len(late)) < 100_000


@pytest.mark.parametrize("poll_s", [16, 64])
@pytest.mark.parametrize("peak_ns", [30e6, 150e6])
def test_a_queue_that_swells_for_minutes_does_not_cost_the_clock(
    peak_ns: float, poll_s: int
) -> None:
    """It passes for detours; what was known before them is good for a quarter hour."""
    swell = range(250, 250 + 900 // poll_s)
    rng, squares = random.Random(9), []
    for seed in range(3):
        model = BankModel()
        world = wide_area(seed, count=400, poll_s=poll_s, wander_ppb=0.3)
        for k, (usual, truth_ns) in enumerate(world):
            share = (k - swell.start) / len(swell)
            full = min(4.0 * share, 1.0) if k in swell else 0.0
            queue_ns = round(peak_ns * full * (0.7 + 0.3 * rng.random()))
            model.observe(
                sample(
                    usual.raw_ns,
                    usual.offset_ns + queue_ns // 2,
                    delay_ns=usual.delay_ns + queue_ns,
                )
            )
            if k >= swell.start:
                said = estimate_at(model, usual.raw_ns)
                squares.append(float(said.offset_ns - truth_ns) ** 2)
    assert math.sqrt(sum(squares) / len(squares)) < 400_000


def test_a_jump_on_a_detour_is_not_undone_when_it_ends() -> None:
    """What was known before a clock jumped is no place to go back to."""
    model = BankModel()
    samples = wide_area(10, count=240, wander_ppb=0.1, detour=range(200, 225))
    for k, (measured, truth_ns) in enumerate(samples):
        stepped_ns = 50_000_000 if k >= 212 else 0
        model.observe(
            sample(
                measured.raw_ns,
                measured.offset_ns + stepped_ns,
                delay_ns=measured.delay_ns,
            )
        )
        if k >= 226:
            said = estimate_at(model, measured.raw_ns)
            assert abs(said.offset_ns - truth_ns - stepped_ns) < 5_000_000
    assert model.jump_count == 1


def test_a_path_that_flaps_for_weeks_is_kept_in_no_ledger() -> None:
    """Each detour has an account of its own; those that are over are closed."""
    rng = random.Random(4)
    model = BankModel()
    for k in range(1500):
        longer_ns = 8_000_000 if k > 50 and k // 15 % 2 else 0
        there_ns, back_ns = (round(rng.expovariate(1e-5)) for _ in range(2))
        model.observe(
            sample(
                k * 64 * NS_PER_S,
                EPOCH_NS + (longer_ns + there_ns - back_ns) // 2,
                delay_ns=FLOOR_NS + longer_ns + there_ns + back_ns,
            )
        )
    assert len(model._paths._biases._detours) <= 2
    assert abs(estimate_at(model, 1500 * 64 * NS_PER_S).offset_ns - EPOCH_NS) < 100_000


def test_a_copy_goes_on_as_the_original_does() -> None:
    """And neither learns from what the other is shown."""
    samples = [each for each, _ in wide_area(seed=1, count=60)]
    model = BankModel()
    for each in samples[:30]:
        model.observe(each)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301
        before = estimate_at(model, samples[30].raw_ns)
        for each in samples[30:]:
            twin.observe(each)
        assert estimate_at(model, samples[30].raw_ns) == before
        alone = BankModel()
        for each in samples:
            alone.observe(each)
        at_ns = samples[-1].raw_ns
        assert estimate_at(twin, at_ns) == estimate_at(alone, at_ns)
