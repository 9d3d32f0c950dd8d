"""`models.longterm`: better than the bank where days repeat, the bank elsewhere."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest

from chronotick.core.rates import RateForecast
from chronotick.core.records import Estimate, Variance
from chronotick.core.status import Source
from chronotick.core.units import NS_PER_S
from chronotick.models.longterm import LongTermModel
from unit.oscillators import EPOCH_NS, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chronotick.core.records import Sample

POLL_S = 300


class Clairvoyant:
    """A short-term model that knows the offset exactly, and no future.

    Its rate is what it is told to be, and so is how far it doubts that.
    """

    def __init__(self) -> None:
        self.raw_ns = 0
        self.offset_ns = EPOCH_NS
        self.rate_ppb = 0.0
        self.doubt_ppb = 2.0
        self.seen = False

    def observe(self, sample: Sample) -> None:
        """Take the sample for the truth."""
        self.raw_ns, self.offset_ns, self.seen = sample.raw_ns, sample.offset_ns, True

    def predict(self, raw_ns: int) -> Estimate | None:
        """Carry on at the present rate."""
        if not self.seen:
            return None
        age_s = max(raw_ns - self.raw_ns, 0) / NS_PER_S
        square = self.doubt_ppb**2
        grown = Variance(100.0, 0.0, square, 1e-3)
        return Estimate(
            raw_ns=raw_ns,
            offset_ns=self.offset_ns + round(self.rate_ppb * age_s),
            rate_ppb=self.rate_ppb,
            variance=Variance(grown.at(age_s), 0.0, square, 1e-3),
            source=Source.CPU_MODEL,
        )

    def bias_ns(self, server: str) -> float:
        """Know of none."""
        del server
        return 0.0


def follow(
    rate_at: Callable[[float], float],
    hours: float,
    bank: Clairvoyant | None = None,
    model: LongTermModel | None = None,
    between: Callable[[LongTermModel], None] | None = None,
) -> tuple[Clairvoyant, LongTermModel, float]:
    """Feed a clock of the given rate (hours → ppb); return models and offset, ns."""
    bank = bank or Clairvoyant()
    model = model or LongTermModel(bank)
    offset_ns = 0.0
    for k in range(round(hours * 3600 / POLL_S)):
        hour = k * POLL_S / 3600
        bank.rate_ppb = rate_at(hour)
        measured = sample(k * POLL_S * NS_PER_S, EPOCH_NS + round(offset_ns))
        bank.observe(measured)
        model.observe(measured)
        if between is not None:
            between(model)
        offset_ns += POLL_S * rate_at(hour + POLL_S / 7200)
    return bank, model, offset_ns


def sun(hour: float) -> float:
    """A rate that follows the day."""
    return 500.0 * math.sin(2.0 * math.pi * hour / 24.0)


def test_nothing_is_known_before_the_bank_knows() -> None:
    """No sample, no estimate."""
    assert LongTermModel(Clairvoyant()).predict(5) is None


@pytest.mark.parametrize("start_h", [60, 64, 70])
def test_the_day_is_foreseen(start_h: int) -> None:
    """After two and a half days, 8 h ahead: less than half of the bank's error."""
    bank, model, offset_ns = follow(sun, start_h)
    ahead_s = 8 * 3600 - POLL_S
    raw_ns = bank.raw_ns + (ahead_s + POLL_S) * NS_PER_S
    for k in range(ahead_s // POLL_S + 1):
        offset_ns += POLL_S * sun(start_h + (k + 0.5) * POLL_S / 3600)
    truth_ns = EPOCH_NS + offset_ns
    plain, long = bank.predict(raw_ns), model.predict(raw_ns)
    assert plain is not None
    assert long is not None
    assert long.source is Source.GPU_MODEL
    assert abs(long.offset_ns - truth_ns) < 0.5 * abs(plain.offset_ns - truth_ns)


def test_a_random_walk_is_left_to_the_bank() -> None:
    """Where nothing can be foreseen, the forecast stays near "no change"."""
    apart = []
    for seed in range(3):
        rng = random.Random(seed)
        walk = [0.0]
        for _ in range(40 * 12):
            walk.append(walk[-1] + rng.gauss(0.0, 10.0))

        def rate_at(hour: float, walk: list[float] = walk) -> float:
            return walk[int(hour * 12)]

        bank, model, _ = follow(rate_at, 39.0)
        raw_ns = bank.raw_ns + 4 * 3600 * NS_PER_S
        plain, long = bank.predict(raw_ns), model.predict(raw_ns)
        assert plain is not None
        assert long is not None
        # Against what such a walk does in 4 h: 10 ppb √48 / √3 over 14,400 s.
        apart.append(abs(long.offset_ns - plain.offset_ns) / (40.0 * 14400.0))
    assert sum(apart) / 3 < 1.0


def test_at_the_newest_sample_it_is_the_bank() -> None:
    """Long-term changes where the clock goes, not where it is."""
    bank, model, _ = follow(sun, 50)
    plain, long = bank.predict(bank.raw_ns), model.predict(bank.raw_ns)
    assert plain is not None
    assert long is not None
    assert long.offset_ns == plain.offset_ns
    assert long.variance.v0 == pytest.approx(plain.variance.v0)


def test_prediction_is_continuous_and_its_rate_is_its_slope() -> None:
    """No steps at the horizons' ends, nor after the last."""
    bank, model, _ = follow(sun, 50)
    for age_s in range(100, 10 * 3600, 937):
        raw_ns = bank.raw_ns + age_s * NS_PER_S
        now, soon = model.predict(raw_ns), model.predict(raw_ns + NS_PER_S)
        assert now is not None
        assert soon is not None
        assert soon.offset_ns - now.offset_ns == pytest.approx(now.rate_ppb, abs=30.0)


def test_an_outage_is_bridged() -> None:
    """After a night without servers the history goes on, and forecasts are finite."""
    bank, model, offset_ns = follow(sun, 30)
    raw_ns = bank.raw_ns + 9 * 3600 * NS_PER_S
    late = sample(raw_ns, EPOCH_NS + round(offset_ns))
    bank.observe(late)
    model.observe(late)
    estimate = model.predict(raw_ns + 3600 * NS_PER_S)
    assert estimate is not None
    assert all(math.isfinite(term) for term in estimate.variance)
    assert math.isfinite(estimate.rate_ppb)


def steps(
    model: LongTermModel,
    bank: Clairvoyant,
    start_h: float,
    rates: Sequence[tuple[float, float]],
) -> None:
    """Show ten-minute rates and how far each is in doubt, ppb, from `start_h` on."""
    for k, (rate_ppb, doubt_ppb) in enumerate(rates):
        bank.rate_ppb, bank.doubt_ppb = rate_ppb, doubt_ppb
        raw_ns = round((start_h + k / 6) * 3600) * NS_PER_S
        measured = sample(raw_ns, EPOCH_NS)
        bank.observe(measured)
        model.observe(measured)


def rates_of(model: LongTermModel) -> list[float]:
    """Return the history there must be."""
    history = model.history()
    assert history is not None
    return list(history.rates_ppb)


def test_a_start_s_rates_are_no_history() -> None:
    """Nor is the bridge from such a rate over an outage, however well the rest is known."""
    bank = Clairvoyant()
    model = LongTermModel(bank)
    steps(model, bank, 0.0, [(90_000.0, 100_000.0)])
    steps(model, bank, 2.0, [(10.0, 15.0), (12.0, 5.0), (13.0, 5.0)])
    assert rates_of(model) == [10.0, 12.0, 13.0]


@pytest.mark.parametrize("astray", [1, 3])
def test_a_rate_that_was_lost_for_a_moment_is_a_gap(astray: int) -> None:
    """Whatever the bank took it for meanwhile: days are kept, and what it was is not."""
    bank, model, _ = follow(sun, 30)
    garbage = [(9000.0 - 3000.0 * k, 2885.0) for k in range(astray)]
    steps(model, bank, 30.0, garbage)
    ahead_ns = bank.raw_ns + 1800 * NS_PER_S
    lost = model.predict(ahead_ns)
    assert lost is not None
    assert lost.offset_ns == bank_at(bank, ahead_ns)
    steps(model, bank, 30.0 + astray / 6, [(sun(30.0 + astray / 6), 2.0)])
    rates = rates_of(model)
    assert len(rates) == 30 * 6 + astray + 1
    for k, rate_ppb in enumerate(rates):
        assert rate_ppb == pytest.approx(sun(k / 6), abs=5.0)


def test_a_clock_that_comes_back_with_another_rate_has_no_history() -> None:
    """After a move to other hardware nobody knows its days: the bank speaks alone."""
    bank, model, _ = follow(sun, 30)
    steps(model, bank, 30.0, [(2000.0, 2885.0), (9000.0, 2.0)])
    assert rates_of(model) == [9000.0]


def test_who_speaks_while_the_rate_is_lost_is_not_heard_before_it_is_known() -> None:
    """Nor does a word that comes half a day late find nothing to belong to."""
    bank = Clairvoyant()
    model = LongTermModel(bank, (), external=["far"])
    follow(sun, 30, bank, model, outside(sun, 8))
    history = model.history()
    assert history is not None
    steps(model, bank, 42.0, [(9000.0, 2885.0)])
    means = (history.rates_ppb[-1],) * 48
    model.hear("far", RateForecast(raw_ns=history.raw_ns, step_s=600, means_ppb=means))
    ahead_ns = bank.raw_ns + 1800 * NS_PER_S
    lost = model.predict(ahead_ns)
    assert lost is not None
    assert lost.offset_ns == bank_at(bank, ahead_ns)


def test_a_rate_that_stays_uncertain_is_taken_after_an_hour() -> None:
    """It may be all that there is from now on; once better is known, it was a gap."""
    bank, model, _ = follow(sun, 30)
    steps(model, bank, 30.0, [(5000.0, 2885.0)] * 10)
    assert rates_of(model)[-1] == 5000.0
    steps(model, bank, 30.0 + 10 / 6, [(sun(30.0 + 10 / 6), 2.0)])
    rates = rates_of(model)
    assert len(rates) == 30 * 6 + 11
    for k, rate_ppb in enumerate(rates):
        assert rate_ppb == pytest.approx(sun(k / 6), abs=50.0)


def test_after_an_outage_days_are_still_known() -> None:
    """What is less certain than it was, but more than the clock changes by, is history."""
    bank, model, _ = follow(sun, 30)
    steps(model, bank, 36.0, [(sun(36.0) + 60.0, 100.0), (sun(36.0 + 1 / 6), 2.0)])
    assert len(rates_of(model)) == 36 * 6 + 2


def test_a_precise_server_that_joins_does_not_cost_the_days_before() -> None:
    """They are five times less certain than what it shows, and show the day all the same."""
    bank = Clairvoyant()
    bank.doubt_ppb = 20.0
    _, model, _ = follow(sun, 30, bank)
    steps(model, bank, 30.0, [(sun(30.0), 2.0)])
    assert len(rates_of(model)) == 30 * 6 + 1


def outside(
    rate_at: Callable[[float], float], hours: float
) -> Callable[[LongTermModel], None]:
    """Return an external forecaster of a clock that it knows; it speaks of 8 h."""

    def forecast(model: LongTermModel) -> None:
        history = model.history()
        assert history is not None
        start = history.raw_ns / NS_PER_S / 3600
        ahead = [rate_at(start + (k + 0.5) / 6) for k in range(round(hours * 6))]
        means = [sum(ahead[: k + 1]) / (k + 1) for k in range(len(ahead))]
        model.hear(
            "far",
            RateForecast(
                raw_ns=history.raw_ns, step_s=history.step_s, means_ppb=tuple(means)
            ),
        )

    return forecast


def error_at_4h(start_h: int, model: LongTermModel, offset_ns: float) -> float:
    """Return how far the model's forecast for a sunny clock is off, four hours on."""
    ahead_s = 4 * 3600
    raw_ns = (start_h * 3600 - POLL_S + ahead_s) * NS_PER_S
    for k in range(ahead_s // POLL_S - 1):
        offset_ns += POLL_S * sun(start_h + (k + 0.5) * POLL_S / 3600)
    estimate = model.predict(raw_ns)
    assert estimate is not None
    return abs(estimate.offset_ns - EPOCH_NS - offset_ns)


def test_an_external_expert_earns_its_vote() -> None:
    """One that knows what comes is believed once that has shown, and not before."""
    bank = Clairvoyant()
    model = LongTermModel(bank, (), external=["far"])
    _, _, offset_ns = follow(sun, 30, bank, model, outside(sun, 8))
    alone = LongTermModel(bank, ())
    follow(sun, 30, bank, alone)
    assert error_at_4h(30, model, offset_ns) < 0.2 * error_at_4h(30, alone, offset_ns)
    # Its very first word moved nothing.
    first = LongTermModel(bank, (), external=["far"])
    follow(sun, 0.25, bank, first, outside(sun, 8))
    plain, long = (m.predict(bank.raw_ns + 10**13) for m in (bank, first))
    assert plain is not None
    assert long is not None
    assert long.offset_ns == plain.offset_ns


def test_a_late_word_about_the_newest_rate_counts_at_once() -> None:
    """Who has earned a vote need not wait for the next ten minutes."""
    bank = Clairvoyant()
    model = LongTermModel(bank, (), external=["far"])
    follow(sun, 30, bank, model, outside(sun, 8))
    history = model.history()
    assert history is not None
    raw_ns = bank.raw_ns + 4 * 3600 * NS_PER_S
    before = model.predict(raw_ns)
    means = tuple(rate + 50.0 for rate in (history.rates_ppb[-1],) * 48)
    model.hear("far", RateForecast(raw_ns=history.raw_ns, step_s=600, means_ppb=means))
    after = model.predict(raw_ns)
    assert before is not None
    assert after is not None
    assert after.offset_ns - bank_at(bank, raw_ns) > 0.9 * 50.0 * 4 * 3600
    assert after.offset_ns != before.offset_ns


def bank_at(bank: Clairvoyant, raw_ns: int) -> int:
    """Return the bank's offset then."""
    estimate = bank.predict(raw_ns)
    assert estimate is not None
    return estimate.offset_ns


def test_an_external_expert_that_is_wrong_changes_nothing() -> None:
    """One that has it upside down gets no vote, and is not worse than nobody."""
    bank = Clairvoyant()
    wrong = LongTermModel(bank, (), external=["far"])
    _, _, offset_ns = follow(
        sun, 30, bank, wrong, outside(lambda hour: -3.0 * sun(hour), 8)
    )
    alone = LongTermModel(bank, ())
    follow(sun, 30, bank, alone)
    assert error_at_4h(30, wrong, offset_ns) == error_at_4h(30, alone, offset_ns)


def test_silence_is_as_if_nobody_had_been_announced() -> None:
    """A backend that never answers leaves every prediction as it would be."""
    bank = Clairvoyant()
    silent = LongTermModel(bank, external=["far", "near"])
    follow(sun, 40, bank, silent)
    alone = LongTermModel(bank)
    follow(sun, 40, bank, alone)
    for hours in (1, 4, 8):
        raw_ns = bank.raw_ns + hours * 3600 * NS_PER_S
        assert silent.predict(raw_ns) == alone.predict(raw_ns)


def test_history_is_what_was_seen() -> None:
    """Ten-minute rates, newest last, at the instant of the newest."""
    assert LongTermModel(Clairvoyant()).history() is None
    _, model, _ = follow(lambda hour: 100.0 * hour, 2.0)
    history = model.history()
    assert history is not None
    assert history.step_s == 600
    assert history.raw_ns == (7200 - 600) * NS_PER_S
    assert history.rates_ppb == pytest.approx([100.0 * k / 6 for k in range(12)])


def busy(hour: float) -> float:
    """Return °C: 10 more for three hours after each five idle ones, unevenly."""
    phase = (hour + 0.7 * math.sin(hour)) % 8.0
    return 50.0 if phase > 5.0 else 40.0


def test_a_thermometer_is_believed_once_it_explains() -> None:
    """In silence it tells that the machine got busy, and the clock slower by 200 ppb."""

    def rate_at(hour: float) -> float:
        return 20.0 * busy(hour)

    bank = Clairvoyant()
    warm = LongTermModel(bank, (), covariates=1)

    def feel(model: LongTermModel) -> None:
        model.feel(bank.raw_ns, (busy(bank.raw_ns / NS_PER_S / 3600),))

    hours = next(h / 6 for h in range(360, 500) if busy(h / 6) < busy(h / 6 + 0.2))
    _, _, offset_ns = follow(rate_at, hours, bank, warm, feel)
    for k in range(12 * 2):
        hour = hours + k / 12
        warm.feel(round(hour * 3600) * NS_PER_S, (busy(hour),))
        offset_ns += POLL_S * rate_at(hour + 1 / 24)
    raw_ns = round((hours + 2) * 3600) * NS_PER_S
    plain, felt = bank.predict(raw_ns), warm.predict(raw_ns)
    assert plain is not None
    assert felt is not None
    truth_ns = EPOCH_NS + offset_ns
    assert abs(felt.offset_ns - truth_ns) < 0.5 * abs(plain.offset_ns - truth_ns)


def test_a_thermometer_of_another_room_changes_nothing() -> None:
    """Noise explains no rate: the forecast is as without it."""
    rng = random.Random(4)
    bank = Clairvoyant()
    noisy = LongTermModel(bank, (), covariates=1)
    follow(
        sun, 40, bank, noisy, lambda model: model.feel(bank.raw_ns, (rng.gauss(40, 5),))
    )
    alone = LongTermModel(bank, ())
    follow(sun, 40, bank, alone)
    raw_ns = bank.raw_ns + 4 * 3600 * NS_PER_S
    there, plain = noisy.predict(raw_ns), alone.predict(raw_ns)
    assert there is not None
    assert plain is not None
    # Against what the sun does in 4 h: half of it would be seven milliseconds.
    assert abs(there.offset_ns - plain.offset_ns) < 2_000_000


def test_readings_must_be_announced() -> None:
    """A model without covariates refuses them, rather than losing them."""
    with pytest.raises(ValueError, match="announced"):
        LongTermModel(Clairvoyant()).feel(0, (1.0,))
