"""The recorder: judges what is published by the truth, and finds what is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chronotick.core.records import (
    Correction,
    DaemonReport,
    Frame,
    SourceReport,
    Variance,
)
from chronotick.core.status import Reason, Source, Status
from chronotick.core.units import NS_PER_S
from chronotick.sim.recorder import Recorder, StatusRecorder
from chronotick.sim.scenario import Scenario, load_scenario
from chronotick.sim.specs import HostSpec, Jump, OscillatorSpec, Stop
from chronotick.sim.world import World

pytestmark = pytest.mark.anyio

LAN = load_scenario("lan")


def make(**oscillator: object) -> World:
    """Return a world whose oscillator has no noise."""
    spec = OscillatorSpec(white_fm_ppb=0.0, random_walk_ppb=0.0, **oscillator)  # type: ignore[arg-type]
    scenario = Scenario(name="x", host=HostSpec(oscillator=spec), servers=LAN.servers)
    return World(scenario, seed=1)


def frame(world: World, **changes: object) -> Frame:
    """Return a true correction, published now, with `changes`."""
    clocks = world.measured_clock().pair()
    correction = Correction(
        raw_ns=clocks.raw_ns,
        utc_ns=world.utc_ns,
        rate_ppb=0.0,
        bound_ns=1000,
        bound_growth_ppb=100,
        variance=Variance(100.0),
        status=Status.SYNCHRONIZED,
        reasons=Reason.NONE,
        source=Source.NTP,
        confidence=1.0,
        last_sync_raw_ns=clocks.raw_ns,
        measurement_count=1,
        delay_ns=1,
    )
    return Frame(
        correction=replace(correction, **changes),  # type: ignore[arg-type]
        clocks=clocks,
        void_after_raw_ns=clocks.raw_ns + 1000 * NS_PER_S,
        heartbeat_ns=NS_PER_S,
        correction_count=1,
        started_raw_ns=0,
    )


def test_a_true_interval_holds() -> None:
    """Error, width and status are kept."""
    world = make()
    recorder = Recorder(world)
    recorder.publish(frame(world))
    (publication,) = recorder.publications

    assert publication.holds
    assert (publication.error_ns, publication.bound_ns) == (0, 1000)
    assert publication.sigma_ns == 10.0
    assert not recorder.violations
    assert recorder.judgements == 1


@pytest.mark.parametrize(("off_ns", "holds"), [(1000, True), (-1001, False)])
def test_an_interval_misses_by_one_nanosecond(off_ns: int, holds: bool) -> None:
    """The ends belong to the interval and nothing beyond does."""
    world = make()
    recorder = Recorder(world)
    recorder.publish(frame(world, utc_ns=world.utc_ns + off_ns))

    assert recorder.publications[0].holds == holds
    assert [v.error_ns for v in recorder.violations] == ([] if holds else [off_ns])


def test_nothing_claimed_is_nothing_missed() -> None:
    """UNKNOWN carries no time, so it can't be wrong."""
    world = make()
    recorder = Recorder(world, horizons_s=(10.0,))
    recorder.publish(frame(world, status=Status.UNKNOWN, utc_ns=0))

    assert not recorder.violations
    assert recorder.judgements == 0


async def test_a_correction_is_judged_again_when_it_is_replaced() -> None:
    """A rate that was wrong shows by then: bound plus growth no longer hold it."""
    world = make()
    recorder = Recorder(world)
    recorder.publish(frame(world, rate_ppb=500.0))
    await world.clock.advance(10.0)
    recorder.publish(frame(world))
    (violation,) = recorder.violations

    assert violation.age_s == pytest.approx(10.0)
    assert violation.error_ns == pytest.approx(5000, abs=2)
    assert violation.bound_ns == 2000


def test_a_correction_is_judged_ahead_until_it_expires() -> None:
    """As readers would extrapolate it without a daemon."""
    world = make()
    recorder = Recorder(world, horizons_s=(10.0, 100.0, 5000.0))
    recorder.publish(frame(world, rate_ppb=150.0))

    # 50 ppb more than the growth, 1 µs to begin with: gone after 20 s.
    assert [round(v.age_s) for v in recorder.violations] == [100]


@pytest.mark.parametrize(
    "event",
    [
        {"jumps": (Jump(at_s=50.0, by_s=1.0),)},
        {"suspends": (Stop(at_s=50.0, for_s=9.0),)},
        {"stalls": (Stop(at_s=50.0, for_s=9.0),)},
    ],
)
def test_no_extrapolation_is_blamed_for_what_it_cannot_know(
    event: dict[str, object],
) -> None:
    """Looking ahead ends at the host's next disruption."""
    world = make(**event)
    recorder = Recorder(world, horizons_s=(10.0, 100.0))
    recorder.publish(frame(world))

    assert not recorder.violations
    assert recorder.judgements == 2


async def test_a_jump_is_seen_by_the_next_publication() -> None:
    """What is published after it without knowing is a violation."""
    world = make(jumps=(Jump(at_s=50.0, by_s=1.0),))
    recorder = Recorder(world)
    stale = frame(world)
    recorder.publish(stale)
    await world.clock.advance(60.0)
    recorder.publish(replace(stale, clocks=world.measured_clock().pair()))

    assert [v.error_ns for v in recorder.violations] == [NS_PER_S]


async def test_a_reader_that_slept_is_not_counted() -> None:
    """Readers compare the suspend count: the old correction is not judged by it."""
    world = make(suspends=(Stop(at_s=50.0, for_s=100.0),))
    recorder = Recorder(world)
    recorder.publish(frame(world))
    await world.clock.advance(200.0)
    recorder.publish(frame(world, status=Status.UNKNOWN))

    assert not recorder.violations


async def test_publications_are_thinned_but_changes_are_kept() -> None:
    """`keep_every_s` bounds memory; no change of status or reasons is lost."""
    world = make()
    recorder = Recorder(world, keep_every_s=10.0)
    for second in range(20):
        status = Status.HOLDOVER if second == 5 else Status.SYNCHRONIZED
        recorder.publish(frame(world, status=status))
        await world.clock.advance(1.0)

    assert [p.true_s for p in recorder.publications] == [0.0, 5.0, 6.0, 16.0]
    assert recorder.statuses() == [
        Status.SYNCHRONIZED,
        Status.HOLDOVER,
        Status.SYNCHRONIZED,
    ]
    assert [p.true_s for p in recorder.between(5.0, 16.0)] == [5.0, 6.0]
    assert recorder.count == 20


def test_of_one_instant_the_last_stays() -> None:
    """A trace holds what a reader could have seen, in whichever order it came."""
    world = make()
    recorder = Recorder(world)
    recorder.publish(frame(world, status=Status.WARMUP))
    recorder.publish(frame(world))

    assert [p.status for p in recorder.trace()] == [Status.SYNCHRONIZED]


async def test_verdicts_are_kept_with_the_instant_of_their_change() -> None:
    """And the newest row of each server."""
    world = make()
    status = StatusRecorder(world)
    for verdict in ("pending", "selected", "selected", "falseticker"):
        row = SourceReport(server="a", endpoint=None, verdict=verdict)
        status.report(DaemonReport(correction=frame(world).correction, sources=(row,)))
        await world.clock.advance(1.0)

    assert status.verdicts == {
        "a": [(0.0, "pending"), (1.0, "selected"), (3.0, "falseticker")]
    }
    assert status.row("a").verdict == "falseticker"
    with pytest.raises(KeyError):
        status.row("b")


def test_a_calibrated_bound_is_kept_and_never_wider_than_the_hard_one() -> None:
    """A factor of 0 claims nothing; one that reaches too far is capped."""
    world = make()
    recorder = Recorder(world)
    for factor_99, factor_999 in ((0.0, 0.0), (3.0, 4.0), (200.0, 0.0)):
        recorder.publish(frame(world, coverage_99=factor_99, coverage_999=factor_999))

    kept = [(p.calibrated_99_ns, p.calibrated_999_ns) for p in recorder.publications]
    assert kept == [(None, None), (30.0, 40.0), (1000.0, None)]


async def test_what_is_judged_ahead_is_kept_now_and_then() -> None:
    """At its own age: error, bound with growth, and sigma."""
    world = make()
    recorder = Recorder(world, horizons_s=(10.0, 100.0), outlook_every_s=60.0)
    for _ in range(7):
        recorder.publish(frame(world, rate_ppb=50.0, variance=Variance(100.0, 30.0)))
        await world.clock.advance(20.0)

    outlooks = recorder.outlooks
    assert [round(each.true_s) for each in outlooks] == [10, 100, 70, 160, 130, 220]
    first, second = outlooks[:2]
    assert (first.error_ns, first.bound_ns, first.sigma_ns) == (500, 2000, 20.0)
    assert (second.horizon_s, second.error_ns, second.bound_ns) == (100.0, 5000, 11000)


def test_nothing_ahead_is_kept_unless_asked_for() -> None:
    """Days of them would be large."""
    world = make()
    recorder = Recorder(world, horizons_s=(10.0,))
    recorder.publish(frame(world))

    assert recorder.outlooks == []
    assert recorder.judgements == 2


def test_it_asks_for_the_heartbeats_that_it_was_made_for() -> None:
    """None of its own by default; else as seldom as was said."""
    world = make()

    assert Recorder(world).refresh_period_ns == 0
    assert Recorder(world, refresh_s=64.0).refresh_period_ns == 64 * NS_PER_S
