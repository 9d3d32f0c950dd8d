"""The calibrated interval holds as often as it says, also before much has been seen."""

from __future__ import annotations

import pytest

from chronotick.sim.scenario import Scenario
from chronotick.sim.server_specs import ServerSpec
from chronotick.sim.specs import (
    Exponential,
    HostSpec,
    LegSpec,
    OscillatorSpec,
    PathSpec,
)
from simulation.sim_driver import simulate

pytestmark = pytest.mark.anyio

SEEDS = range(1, 11)
SETTLED_S = 120.0


@pytest.fixture
def anyio_backend() -> str:
    """One backend: the histories are the same (test_sim_determinism)."""
    return "asyncio"


def behind_a_busy_switch(back_us: float) -> Scenario:
    """Return a host whose server is near, and whose answers queue for so long."""
    path = PathSpec(
        forward=LegSpec(base_us=100.0, jitter=Exponential(mean_us=20.0)),
        backward=LegSpec(base_us=100.0, jitter=Exponential(mean_us=back_us)),
    )
    return Scenario(
        name="busy-switch",
        summary="Answers queue, requests don't.",
        duration_s=1800.0,
        host=HostSpec(
            oscillator=OscillatorSpec(rate_ppb=-18_400.0, random_walk_ppb=0.3)
        ),
        servers=(ServerSpec(name="near.test", path=path),),
    )


@pytest.mark.parametrize("back_us", [20.0, 500.0, 5000.0])
async def test_the_first_half_hour_on_a_path_whose_answers_queue(
    back_us: float,
) -> None:
    """No trend can be seen yet, and the prior for constant asymmetry is 20 µs."""
    held = []
    for seed in SEEDS:
        run = await simulate(behind_a_busy_switch(back_us), seed=seed, keep_every_s=0.0)
        held += [
            abs(each.error_ns) <= each.calibrated_99_ns
            for each in run.recorder.publications
            if each.calibrated_99_ns is not None and each.true_s >= SETTLED_S
        ]
    assert len(held) > 100 * len(SEEDS)
    assert sum(held) >= 0.98 * len(held)
