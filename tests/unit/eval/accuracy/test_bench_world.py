"""The daemon in an imagined world: the production pipeline, judged by the truth."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chronotick.core.errors import ConfigError
from chronotick.core.status import Status
from chronotick.daemon.config_models import PRESETS, LongTerm, ShortTerm
from chronotick.eval.accuracy.bench_world import (
    DAEMONS,
    Pace,
    Plan,
    configured,
    run,
    simulate,
)
from chronotick.sim.scenario import PollingSpec, load_scenario
from chronotick.sim.specs import RateStep

LAN = load_scenario("lan")


@pytest.mark.anyio
async def test_the_daemon_synchronizes_and_its_bound_holds() -> None:
    """Half an hour behind one good server, on asyncio and trio alike."""
    plan = Plan(seed=3, length_s=1800.0, horizons_s=(64.0,), outlook_every_s=60.0)
    done = await simulate(LAN, plan)

    assert done.recorder.statuses()[-1] is Status.SYNCHRONIZED
    assert done.recorder.violations == []
    assert len(done.recorder.outlooks) > 20
    assert {each.horizon_s for each in done.recorder.outlooks} == {64.0}


def test_one_seed_is_one_history() -> None:
    """Twice the same plan gives the same rows; another seed others."""
    plan = Plan(seed=1, length_s=600.0)
    first = run(LAN, plan).recorder.publications

    assert first == run(LAN, plan).recorder.publications
    assert first != run(LAN, Plan(seed=2, length_s=600.0)).recorder.publications


def test_progress_is_told_from_nothing_to_all() -> None:
    """In the world's seconds, never backwards."""
    told: list[float] = []
    run(LAN, Plan(seed=1, length_s=60.0), lambda done_s, _all_s: told.append(done_s))

    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 60.0)


def test_a_slow_pace_changes_no_correction() -> None:
    """Heartbeats and looks at the clocks say nothing new: samples make the same news."""
    slow = run(LAN, Plan(seed=1, length_s=600.0)).recorder
    real = Pace(watch_s=1.0, refresh_s=0.0, report_s=1.0)
    fast = run(LAN, Plan(seed=1, length_s=600.0, pace=real)).recorder
    kept = {each.true_s: each for each in fast.publications}

    assert fast.count > 3 * slow.count
    news = [each for each in slow.publications if each.true_s % 1.0 != 0.0]
    assert len(news) > 15
    assert [kept[each.true_s] for each in news] == news


def test_the_worlds_length_is_the_scenarios_unless_asked() -> None:
    """A scenario of a minute takes a minute."""
    short = type(LAN)(name="short", duration_s=60.0, servers=LAN.servers)
    done = run(short, Plan(seed=1))

    assert done.length_s == 60.0
    assert done.world.true_ns == 60 * 10**9


def test_each_daemon_can_be_configured() -> None:
    """And an unknown one is refused by name."""
    for name in DAEMONS:
        assert len(configured(LAN, name).servers) == 1
    with pytest.raises(ConfigError, match=r"'fancy': default, minimal"):
        configured(LAN, "fancy")


def test_a_pace_for_servers_of_ones_own_says_how_they_are_called() -> None:
    """A scenario has no `private: true`, which a configuration has."""
    hurried = replace(LAN, polling=PollingSpec(min_poll_s=1.0))
    ours = replace(hurried, servers=(replace(LAN.servers[0], name="192.168.1.1"),))

    with pytest.raises(ConfigError, match=r"polling\.min_poll_s: 1s .* 192\.168\.1\.1"):
        configured(hurried)
    assert configured(ours).polling.min_poll_s == 1.0


def test_the_presets_are_those_of_the_configuration() -> None:
    """`default` and `minimal` mean here what they mean in a file."""
    assert PRESETS["default"] == {}
    assert PRESETS["minimal"] == {"long_term": {"enabled": False}}
    assert DAEMONS["minimal"][1].enabled is False
    assert DAEMONS["default"][0] == ShortTerm()
    assert DAEMONS["default"][1] == LongTerm()


def test_a_daemon_of_hold_learns_no_rate() -> None:
    """The kinds differ in what they publish, not in whether the bound holds."""
    plan = Plan(seed=1, daemon="hold", length_s=1200.0, horizons_s=(64.0,))
    hold = run(LAN, plan).recorder
    bank = run(LAN, Plan(seed=1, length_s=1200.0, horizons_s=(64.0,))).recorder

    assert not hold.violations
    assert hold.publications[-1].sigma_ns > bank.publications[-1].sigma_ns


def test_a_specification_reaches_the_world() -> None:
    """A step of the rate is in the truth that publications are judged by."""
    oscillator = type(LAN.host.oscillator)(
        rate_steps=(RateStep(at_s=300.0, by_ppb=5000.0),)
    )
    host = type(LAN.host)(oscillator=oscillator)
    stepped = type(LAN)(name="stepped", host=host, servers=LAN.servers)
    done = run(stepped, Plan(seed=1, length_s=900.0))

    assert done.world.host().oscillator.rate_ppb(600 * 10**9, over_s=60.0) > 4900.0
    assert not done.recorder.violations
