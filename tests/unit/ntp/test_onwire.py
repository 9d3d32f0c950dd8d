"""The span of a sample contains the truth, whatever path and oscillator do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.core.records import Sample
from chronotick.core.units import NS_PER_S, PPB
from chronotick.ntp.actions import Drop, DropReason
from chronotick.ntp.onwire import ExchangeLimits, measure, reading_error_ns
from chronotick.ntp.timestamp import NtpShort, NtpTimestamp
from unit.ntp.replies import SENT_RAW_NS, UNIX_NS, datagram, reply

if TYPE_CHECKING:
    from chronotick.ntp.packet import Packet

LIMITS = ExchangeLimits()
SKEW = Fraction(LIMITS.max_skew_ppb, PPB)

# The extremes come up often: a bound fails at its corners first.
units = st.sampled_from([Fraction(-1), Fraction(0), Fraction(1)]) | st.fractions(
    -1, 1, max_denominator=1000
)
slopes = units.map(lambda unit: SKEW * unit)
durations_ns = st.sampled_from([0, 1, 1_000, 50_000_000]) | st.integers(0, 2 * NS_PER_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """An exchange in exact arithmetic: what truly happened, in ns."""

    departed_utc_ns: Fraction
    """True instant at which RAW was `SENT_RAW_NS`."""
    legs_ns: tuple[int, int, int]
    """True durations: way out, time in the server, way back."""
    slopes: tuple[Fraction, Fraction, Fraction]
    """d(UTC − RAW)/dRAW in each of them."""

    def arrived_raw_ns(self) -> Fraction:
        """Return RAW at the true arrival of the answer."""
        return SENT_RAW_NS + sum(
            (leg / (1 + slope) for leg, slope in self._pieces()), Fraction(0)
        )

    def offset_ns(self, raw_ns: int) -> Fraction:
        """Return the true UTC − RAW when RAW reads `raw_ns`."""
        theta = self.departed_utc_ns - SENT_RAW_NS
        left = Fraction(raw_ns - SENT_RAW_NS)
        for leg, slope in self._pieces():
            step = min(left, leg / (1 + slope))
            theta += slope * step
            left -= step
        # A stamp that is late enough puts the midpoint after the arrival.
        return theta + self.slopes[-1] * left

    def _pieces(self) -> list[tuple[int, Fraction]]:
        return list(zip(self.legs_ns, self.slopes, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """A world and what the client saw of it."""

    world: World
    answer: Packet
    arrived_raw_ns: int
    stamp_error_ns: int

    def outcome(self) -> Sample | Drop:
        """Return what the client makes of it."""
        arrival = datagram(
            self.answer,
            raw_ns=self.arrived_raw_ns,
            stamp_error_ns=self.stamp_error_ns,
        )
        return measure(
            "a", self.answer, sent_raw_ns=SENT_RAW_NS, arrival=arrival, limits=LIMITS
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Every error of an exchange as a share (−1..1) of what is admitted."""

    server: tuple[Fraction, Fraction]
    """Error of the server's clock at T2 and T3, in its stated root distance."""
    reading: tuple[Fraction, Fraction]
    """Reading error at T2 and T3, in the server's precision."""
    slip: Fraction
    """Error of the arrival stamp, in `stamp_error_ns`."""


def observe(
    world: World,
    errors: Errors,
    *,
    exponent: int = -20,
    root: tuple[int, int] = (100, 100),
    stamp_error_ns: int = 100,
) -> Exchanged:
    """Return what is seen of `world`; `root` is delay and dispersion in 2⁻¹⁶ s."""
    stated_ns = (Fraction(root[0], 2) + root[1]) * NS_PER_S / 2**16
    reading_ns = Fraction(2**exponent) * NS_PER_S
    asked = world.departed_utc_ns + world.legs_ns[0]
    received, transmitted = (
        instant + share * stated_ns + reading * reading_ns
        for instant, share, reading in zip(
            (asked, asked + world.legs_ns[1]),
            errors.server,
            errors.reading,
            strict=True,
        )
    )
    answer = reply(
        precision=exponent,
        root_delay=NtpShort(root[0]),
        root_dispersion=NtpShort(root[1]),
        receive=_stamp(received),
        transmit=_stamp(transmitted),
    )
    arrived = world.arrived_raw_ns() + errors.slip * stamp_error_ns
    return Exchanged(
        world=world,
        answer=answer,
        arrived_raw_ns=int(arrived // 1),  # Clocks truncate.
        stamp_error_ns=stamp_error_ns,
    )


@st.composite
def exchanges(draw: st.DrawFn, *, is_steady: bool = False) -> Exchanged:
    """Exchanges with a truthful server over any path, by any oscillator in range.

    With `is_steady` the server's error is the same at both of its stamps, as it is for
    every clock that is not being stepped; only reading errors differ.
    """
    world = World(
        departed_utc_ns=UNIX_NS + draw(st.fractions(0, 1, max_denominator=7)),
        legs_ns=draw(st.tuples(durations_ns, durations_ns, durations_ns)),
        slopes=draw(st.tuples(slopes, slopes, slopes)),
    )
    first, second = draw(units), draw(units)
    # A clock that is being read never runs backwards, however coarsely it is read.
    early, late = sorted([draw(units), draw(units)])
    root_bits = st.integers(0, 1 << 12)
    return observe(
        world,
        Errors(
            server=(first, first if is_steady else second),
            reading=(early, late),
            slip=draw(units),
        ),
        exponent=draw(st.integers(-32, -4)),
        root=(draw(root_bits), draw(root_bits)),
        stamp_error_ns=draw(st.sampled_from([0, 100, 30_000])),
    )


def _stamp(utc_ns: Fraction) -> NtpTimestamp:
    """Return the wire format nearest to an exact instant."""
    seconds, ns = divmod(utc_ns, NS_PER_S)
    whole = NtpTimestamp.from_unix_ns(int(seconds) * NS_PER_S)
    return NtpTimestamp(whole.bits + round(ns * 2**32 / NS_PER_S))


@settings(max_examples=200)
@given(exchanged=exchanges())
def test_span_contains_the_truth(exchanged: Exchanged) -> None:
    """Any asymmetry, 500 ppm, every reading error: the true offset is in the span."""
    outcome = exchanged.outcome()
    if isinstance(outcome, Drop):
        return

    truth_ns = exchanged.world.offset_ns(outcome.raw_ns)

    assert outcome.span.lo_ns <= truth_ns <= outcome.span.hi_ns


def test_bound_is_reached_at_the_corners() -> None:
    """With every error at its limit the span holds by nanoseconds: none is counted twice.

    All delay on one leg, so that the asymmetry is the whole of it.
    """
    margins_ns: list[Fraction] = []
    signs = (Fraction(-1), Fraction(1))
    for server, reading, slip, slope, back in product(signs, repeat=5):
        delay_ns = 200_000_000
        world = World(
            departed_utc_ns=Fraction(UNIX_NS),
            legs_ns=(0, 0, delay_ns) if back > 0 else (delay_ns, 0, 0),
            slopes=(slope * SKEW, slope * SKEW, slope * SKEW),
        )
        errors = Errors(server=(server, server), reading=(reading, reading), slip=slip)
        taken = observe(world, errors).outcome()
        assert isinstance(taken, Sample)
        truth_ns = world.offset_ns(taken.raw_ns)
        margins_ns += [truth_ns - taken.span.lo_ns, taken.span.hi_ns - truth_ns]

    assert 0 <= min(margins_ns) <= 5


@settings(max_examples=200)
@given(exchanged=exchanges(is_steady=True))
def test_truthful_steady_server_is_never_dropped(exchanged: Exchanged) -> None:
    """Reading errors alone never make an exchange look impossible."""
    outcome = exchanged.outcome()

    # A late stamp can be early by its error: with no delay, before the departure.
    if exchanged.arrived_raw_ns < SENT_RAW_NS:
        assert outcome == Drop(
            reason=DropReason.TIMESTAMPS, detail="arrived before it was sent"
        )
    else:
        assert isinstance(outcome, Sample)


@given(
    exchanged=exchanges(is_steady=True),
    by_s=st.integers(-100_000_000, 100_000_000),
)
def test_measuring_is_translation_invariant(exchanged: Exchanged, by_s: int) -> None:
    """A server whose clock is shifted gives the same sample, its offset shifted."""
    answer = exchanged.answer

    def shift(stamp: NtpTimestamp) -> NtpTimestamp:
        return NtpTimestamp.from_unix_ns(stamp.to_unix_ns() + by_s * NS_PER_S)

    shifted = replace(
        exchanged,
        answer=replace(
            answer,
            reference=shift(answer.reference),
            receive=shift(answer.receive),
            transmit=shift(answer.transmit),
        ),
    )

    here, there = exchanged.outcome(), shifted.outcome()

    if isinstance(here, Drop):
        assert here == there
    else:
        assert there == replace(here, offset_ns=here.offset_ns + by_s * NS_PER_S)


def take(answer: Packet, **arrival: object) -> Sample | Drop:
    """Measure `answer`, which arrives 1 ms after the request left."""
    return measure(
        "a",
        answer,
        sent_raw_ns=SENT_RAW_NS,
        arrival=datagram(answer, **arrival),
        limits=LIMITS,
    )


def test_a_plain_exchange() -> None:
    """1 ms round trip, 50 µs in the server: RFC 5905 §8 by hand."""
    taken = take(reply(root_delay=NtpShort(1), root_dispersion=NtpShort(2)))

    assert isinstance(taken, Sample)
    assert taken.raw_ns == SENT_RAW_NS + 500_000
    assert taken.offset_ns == UNIX_NS - SENT_RAW_NS + (50_000 - 1_000_000) // 2
    assert taken.delay_ns == 950_000
    assert (taken.root_delay_ns, taken.root_dispersion_ns) == (15_259, 30_518)
    # 30 ns of server clock, 100 of our stamp, 500 ppm of half the millisecond, 3.
    assert taken.precision_ns == 30 + 100 + 251 + 3
    assert (taken.server, taken.stratum, taken.kernel_stamp) == ("a", 1, True)


def test_small_negative_delay_counts_as_none() -> None:
    """A server that seems to hold a packet longer than it was away, by a hair."""
    answer = reply(
        precision=-20, transmit=NtpTimestamp.from_unix_ns(UNIX_NS + 1_000_900)
    )

    taken = take(answer)

    assert isinstance(taken, Sample)
    assert taken.delay_ns == 0


def test_negative_delay_is_dropped() -> None:
    """Held 3 µs longer than it was away: no true instants explain that."""
    answer = reply(transmit=NtpTimestamp.from_unix_ns(UNIX_NS + 1_003_000))

    outcome = take(answer)

    assert isinstance(outcome, Drop)
    assert outcome.reason is DropReason.DELAY


def test_answered_before_asked_is_dropped() -> None:
    """T3 before T2 is nonsense, even by one nanosecond."""
    answer = reply(transmit=NtpTimestamp.from_unix_ns(UNIX_NS - 1))

    outcome = take(answer)

    assert isinstance(outcome, Drop)
    assert outcome.reason is DropReason.TIMESTAMPS


def test_a_server_that_was_last_set_in_its_own_future_is_dropped() -> None:
    """RFC 5905 A.5.1.1: it was set back since, and knows nothing of its error."""
    at = reply().transmit
    outcome = take(reply(reference=NtpTimestamp(at.bits + 8)))

    assert isinstance(outcome, Drop)
    assert outcome.reason is DropReason.TIMESTAMPS
    assert isinstance(take(reply(reference=at)), Sample)
    assert isinstance(take(reply(reference=NtpTimestamp(0))), Sample)


def test_a_server_that_was_last_set_in_the_era_before_is_right() -> None:
    """Half a second before the 7th of February 2036, 06:28:16 UTC."""
    stamps = {name: NtpTimestamp(1 << 31) for name in ("receive", "transmit")}
    answer = reply(reference=NtpTimestamp((1 << 64) - (1 << 31)), **stamps)

    assert isinstance(take(answer), Sample)


def test_stamps_that_straddle_the_era_floor_are_dropped() -> None:
    """T2 unfolds to 2156 and T3 to 2020: refused, not measured as 136 years."""
    floor = NtpTimestamp(3_786_825_600 << 32)
    answer = reply(receive=NtpTimestamp(floor.bits - 1), transmit=floor)

    outcome = take(answer)

    assert isinstance(outcome, Drop)
    assert outcome.reason is DropReason.TIMESTAMPS


def test_arrival_before_departure_is_dropped() -> None:
    """A stamp that was mapped across a step can't be used."""
    outcome = take(reply(), raw_ns=SENT_RAW_NS - 1)

    assert isinstance(outcome, Drop)
    assert outcome.reason is DropReason.TIMESTAMPS


@pytest.mark.parametrize(
    "answer",
    [
        reply(root_dispersion=NtpShort.from_ns(16 * NS_PER_S)),
        reply(root_delay=NtpShort.from_ns(32 * NS_PER_S)),
        reply(precision=4),
        reply(precision=127),
    ],
)
def test_a_bound_not_worth_having_is_dropped(answer: Packet) -> None:
    """MAXDISP, 16 s, by the server's dispersion, delay or precision."""
    outcome = take(answer)

    assert isinstance(outcome, Drop)
    assert outcome.reason is DropReason.DISTANCE


@given(exponent=st.integers(-128, 127))
def test_reading_error_is_never_understated(exponent: int) -> None:
    """2^p s rounded up, at least 1 ns; an unset or absurd exponent means a wide bound."""
    exact_ns = Fraction(2**exponent) * NS_PER_S

    assert max(exact_ns, Fraction(1)) <= reading_error_ns(exponent) < exact_ns + 1
