"""Presets as a person chooses them: what speaks, what is missing, what goes on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from chronotick import Clock, ClockError, Source
from chronotick.sim.server import HonestServer
from system.liar import ntp_server
from system.peers import Daemon, running_daemon, wait_until

if TYPE_CHECKING:
    from pathlib import Path


def sources(clock: Clock) -> Source | None:
    """Return what produced the correction; None while there is none."""
    try:
        return clock.interval().source
    except ClockError:
        return None


def measured(daemon: Daemon) -> int:
    """Return how many measurements the daemon has made."""
    count = daemon.status["measurements"]
    assert isinstance(count, int)
    return count


@pytest.mark.parametrize("preset", ["default", "minimal"])
def test_the_short_term_model_speaks_after_a_few_exchanges(
    tmp_path: Path, preset: str
) -> None:
    """With and without the long-term ensemble, which needs hours to have a say."""
    segment = tmp_path / "segment"
    with (
        ntp_server(HonestServer()) as port,
        running_daemon(
            segment, "--server", f"127.0.0.1:{port}", "--preset", preset
        ) as daemon,
    ):
        wait_until(lambda: "selected" in daemon.verdicts().values())
        with Clock(segment) as clock:
            wait_until(lambda: sources(clock) is Source.CPU_MODEL)
        code, stderr = daemon.stop()
    assert code == 0
    assert "backend" not in stderr


def test_a_foundation_model_that_is_not_installed_costs_nothing_else(
    tmp_path: Path,
) -> None:
    """One line says what to install; the daemon measures and publishes on."""
    config = tmp_path / "full.yaml"
    # `fracast` where nothing can import it, whatever is installed beside us.
    config.write_text("preset: full\nlong_term: {weights: /nonexistent}\n")
    segment = tmp_path / "segment"
    with (
        ntp_server(HonestServer()) as port,
        running_daemon(
            segment, "--server", f"127.0.0.1:{port}", "--config", str(config)
        ) as daemon,
    ):
        wait_until(lambda: "selected" in daemon.verdicts().values())
        with Clock(segment) as clock:
            wait_until(lambda: sources(clock) is Source.CPU_MODEL)
        seen = measured(daemon)
        wait_until(lambda: measured(daemon) > seen)
        code, stderr = daemon.stop()
    assert code == 0
    failures = [line for line in stderr.splitlines() if "event=backend_failed" in line]
    assert len(failures) == 1
    assert "fracast" in failures[0]
    assert sys.executable not in failures[0]
