"""Cells of the bench: the same numbers whoever computes them."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
from msgspec.structs import replace

from chronotick.eval.accuracy.bench_cells import (
    SUBJECTS,
    Cell,
    Outcome,
    compute,
    is_possible,
)
from chronotick.eval.accuracy.bench_exchanges import recorded
from chronotick.eval.accuracy.traces import UnusableTrace
from chronotick.sim.scenario import PollingSpec, Scenario, load_scenario
from chronotick.sim.server_specs import Honest, Silent
from chronotick.sim.specs import HostSpec, Jump, OscillatorSpec, Stop

if TYPE_CHECKING:
    from chronotick.sim.server_specs import Kind

LAN = load_scenario("lan")


def cell(subject: str, **changes: object) -> Cell:
    """Return a cell of half an hour."""
    values: dict[str, object] = {
        "scenario": LAN,
        "seed": 1,
        "subject": subject,
        "length_s": 1800.0,
        "horizons_s": (60.0, 300.0),
        "targets": 10,
        **changes,
    }
    return Cell(**values)  # type: ignore[arg-type]


def rows(outcome: Outcome) -> list[list[float]]:
    """Return all numbers of an outcome."""
    return [
        np.column_stack(
            [each.t_s, each.error_ns, *each.half_width_ns.values()]
        ).tolist()
        for each in outcome.foretold
    ]


def without_nan(numbers: list[list[float]]) -> str:
    """Return them as text: NaN equals itself there."""
    return repr(numbers)


@pytest.mark.parametrize("subject", ["bank", "product", "daemon"])
def test_a_cell_gives_the_same_numbers_anywhere(subject: str) -> None:
    """After a journey as bytes, and with nothing remembered."""
    first = compute(cell(subject))
    recorded.cache_clear()
    again = compute(pickle.loads(pickle.dumps(cell(subject))))  # noqa: S301

    assert without_nan(rows(first)) == without_nan(rows(again))
    assert all(each.t_s.size for each in first.foretold)


def test_all_estimators_are_asked_the_same_questions() -> None:
    """Same exchanges, same instants: ratios compare like with like."""
    bank, hold = compute(cell("bank")), compute(cell("hold"))

    for ours, theirs in zip(bank.foretold, hold.foretold, strict=True):
        assert ours.t_s.tolist() == theirs.t_s.tolist()
    assert rows(bank) != rows(hold)


def test_a_recording_is_what_the_daemons_sources_hand_on() -> None:
    """Samples of every server, about one a poll; truth about once a minute."""
    recording = recorded(LAN, 1, 1800.0, 1000)

    assert recording.trace.sources == LAN.server_names()
    assert recording.yardstick == "truth"
    assert 1800 / 70 < len(recording.samples) < 1800 / 15
    assert 20 < len(recording.targets) < 60
    worst_ns = max(
        abs(sample.offset_ns - recording.targets[0].offset_ns)
        for sample in recording.samples[:8]
    )
    assert worst_ns < 1_000_000


def test_a_recording_keeps_what_nobody_answered_too() -> None:
    """So the product knows of servers that are gone what the daemon knows."""
    gone = replace(LAN.servers[0], name="gone.lan.test", serves=Silent())
    world = replace(LAN, servers=(*LAN.servers, gone))
    recording = recorded(world, 1, 1800.0, 10)

    assert recorded(LAN, 1, 1800.0, 10).unanswered == ()
    assert {world.server_names()[-1]} == {p.server for p in recording.unanswered}
    assert 3 < len(recording.unanswered) < 30
    instants = [poll.raw_ns for poll in recording.unanswered]
    assert sorted(instants) == instants
    (found, _) = compute(cell("product", scenario=world)).foretold
    assert np.isfinite(found.error_ns).all()


@pytest.mark.parametrize(
    ("serves", "length_s", "why"),
    [
        (Silent(), 600.0, "no server answered in 10m"),
        (Honest(), 1e-6, "no server answered in 1us"),
        (Honest(), 3.0, "3s is too short: the truth is known about once a minute"),
    ],
)
def test_a_world_in_which_nothing_can_be_judged_is_named(
    serves: Kind, length_s: float, why: str
) -> None:
    """With what to do about it, and not with the advice for a recording."""
    servers = tuple(replace(server, serves=serves) for server in LAN.servers)
    world = replace(LAN, servers=servers)

    with pytest.raises(UnusableTrace, match=f"lan, seed 1: {why}.*--model daemon"):
        recorded(world, 1, length_s, 1000)


def test_a_world_may_be_polled_less_than_every_quarter_of_an_hour() -> None:
    """As a daemon that is configured so does it."""
    world = replace(LAN, polling=PollingSpec(max_poll_s=2048.0))

    assert recorded(world, 1, 3600.0, 1000).samples


def test_the_daemon_answers_for_its_bounds_too() -> None:
    """Everything that it published was held against the truth."""
    outcome = compute(cell("daemon:minimal"))

    assert outcome.hard_checked > 50
    assert outcome.hard_violations == 0
    assert [each.horizon_s for each in outcome.foretold] == [60.0, 300.0]
    widths = outcome.foretold[0].half_width_ns
    assert (np.abs(outcome.foretold[0].error_ns) <= widths["hard"]).all()


def test_now_is_what_the_daemon_publishes_when_it_does() -> None:
    """Nothing ahead is another number because now is asked for, too."""
    both = compute(cell("daemon", horizons_s=(0.0, 60.0)))
    ahead = compute(cell("daemon", horizons_s=(60.0,)))

    now, later = both.foretold
    assert [now.horizon_s, later.horizon_s] == [0.0, 60.0]
    assert without_nan(rows(both)[1:]) == without_nan(rows(ahead))
    assert both.hard_checked == ahead.hard_checked
    assert now.t_s.size >= 10
    assert np.isfinite(now.half_width_ns["hard"]).all()
    assert (np.abs(now.error_ns) <= now.half_width_ns["hard"]).all()
    # A frame is narrower when it is new.
    assert np.median(now.half_width_ns["hard"]) < np.median(later.half_width_ns["hard"])


@pytest.mark.parametrize(
    "events",
    [
        {"jumps": (Jump(at_s=9.0, by_s=1.0),)},
        {"suspends": (Stop(at_s=9.0, for_s=1.0),)},
        {"stalls": (Stop(at_s=9.0, for_s=1.0),)},
    ],
)
def test_estimators_alone_are_not_judged_where_the_clock_breaks(
    events: dict[str, object],
) -> None:
    """They are not told what a daemon sees on the host's clocks."""
    host = HostSpec(oscillator=OscillatorSpec(**events))  # type: ignore[arg-type]
    broken = Scenario(name="x", host=host, servers=LAN.servers)

    possible = {s for s in SUBJECTS if is_possible(broken, s)}
    assert possible == {s for s in SUBJECTS if s.startswith("daemon")}
    assert all(is_possible(LAN, subject) for subject in SUBJECTS)
