"""The imagined world is a function of its seed, and within what is promised."""

from __future__ import annotations

import pytest

from chronotick.eval.streaming.imagined import COORDINATOR, SERVERS, imagine


def test_the_same_seed_is_the_same_world() -> None:
    """Another seed is another one."""
    assert imagine(7, 3) == imagine(7, 3)
    assert imagine(7, 3) != imagine(8, 3)


def test_one_more_worker_changes_nothing_for_the_others() -> None:
    """Each host's surroundings come from its own name."""
    few, more = imagine(7, 2), imagine(7, 3)

    assert few == {name: around for name, around in more.items() if name in few}


@pytest.mark.parametrize("seed", range(20))
def test_no_two_hosts_are_alike_and_all_paths_are_lopsided(seed: int) -> None:
    """A world in which plain clocks agree by accident would judge nothing."""
    world = imagine(seed, 3)

    assert list(world) == [COORDINATOR, "worker1", "worker2", "worker3"]
    rates = {around.host.oscillator.rate_ppb for around in world.values()}
    assert len(rates) == 4
    for around in world.values():
        assert len(around.ntp_paths) == SERVERS
        # What the daemon's default configuration promises to survive: 15 ppm of change.
        steps = around.host.oscillator.rate_steps
        assert all(abs(step.by_ppb) < 15_000 for step in steps)
        for path in (*around.ntp_paths, around.event_path):
            assert path.forward.base_us != path.back.base_us
