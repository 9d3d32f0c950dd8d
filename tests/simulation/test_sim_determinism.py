"""One seed, one history: on every event loop, every time."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

import anyio
import pytest

from simulation.sim_driver import Run, simulate

HALF_HOUR = 0.5


def history(scenario: str, seed: int, backend: str) -> tuple[object, ...]:
    """Return everything that a reader of the segment and of the status could see."""
    call = partial(simulate, scenario, seed=seed, hours=HALF_HOUR, keep_every_s=0.0)
    run: Run = anyio.run(call, backend=backend)
    return run.recorder.trace(), run.status.verdicts, run.status.newest


@pytest.mark.parametrize("scenario", ["internet", "many-servers"])
def test_asyncio_and_trio_live_through_the_same_history(scenario: str) -> None:
    """Every publication, verdict and count is the same to the nanosecond."""
    assert history(scenario, 7, "asyncio") == history(scenario, 7, "trio")


def test_a_seed_replays_and_another_does_not() -> None:
    """The seed is all that a history depends on."""
    once = history("lan", 3, "asyncio")

    assert once == history("lan", 3, "asyncio")
    assert once != history("lan", 4, "asyncio")


@pytest.mark.parametrize("scenario", ["internet", "many-servers"])
def test_every_process_lives_through_the_same_history(scenario: str) -> None:
    """To the last digit, though each orders its sets of names otherwise."""
    command = [sys.executable, "-m", "chronotick", "simulate", scenario, "--json"]
    seen = {
        subprocess.run(
            [*command, "--hours", "0.25"],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            check=True,
            capture_output=True,
        ).stdout
        for seed in range(1, 5)
    }
    assert len(seen) == 1
