"""`daemon.covariates`: what the machine shows, and nothing made up."""

from __future__ import annotations

import math
import os
import threading
from typing import TYPE_CHECKING

import pytest

from chrono_daemon import SimClock, Supervisor, open_channel
from chronotick.daemon.covariates import COVARIATES, Instruments, watch_covariates

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chrono_daemon import Channel
    from chronotick.core.records import ClockPair


def machine(root: Path, **files: str) -> Path:
    """Make a folder that looks like a machine's ``/``."""
    places = {
        "zone0": "sys/class/thermal/thermal_zone0/temp",
        "zone1": "sys/class/thermal/thermal_zone1/temp",
        "speed0": "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq",
        "speed1": "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq",
        "load": "proc/loadavg",
    }
    for name, text in files.items():
        path = root / places[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_everything_is_read_in_its_unit(tmp_path: Path) -> None:
    """Degrees, megahertz, load per processor; means over zones and processors."""
    instruments = Instruments(
        machine(
            tmp_path,
            zone0="45000\n",
            zone1="55000\n",
            speed0="1200000\n",
            speed1="2400000\n",
            load="3.50 1.20 0.90 2/345 6789\n",
        )
    )
    assert instruments.shows_anything
    assert dict(zip(COVARIATES, instruments.read(), strict=True)) == {
        "celsius": 50.0,
        "megahertz": 1800.0,
        "load": 3.5 / (os.cpu_count() or 1),
    }


@pytest.mark.parametrize("text", ["", "garbage\n", "-274000\n", "4500000\n", "nan\n"])
def test_a_sensor_that_talks_nonsense_is_left_out(tmp_path: Path, text: str) -> None:
    """The others still count; with none left, the temperature is unknown."""
    both = Instruments(machine(tmp_path / "a", zone0=text, zone1="50000\n"))
    assert both.read()[0] == 50.0
    alone = Instruments(machine(tmp_path / "b", zone0=text))
    assert math.isnan(alone.read()[0])


def test_a_machine_that_shows_nothing_gives_nothing(tmp_path: Path) -> None:
    """No zone, no frequency: every reading is unknown, and load alone is no reason."""
    assert all(map(math.isnan, Instruments(tmp_path).read()))
    assert not Instruments(machine(tmp_path, load="1.0 1.0 1.0 1/1 1\n")).shows_anything


def test_a_sensor_that_vanishes_is_unknown(tmp_path: Path) -> None:
    """Not the last value that it showed."""
    instruments = Instruments(machine(tmp_path, zone0="45000\n"))
    assert instruments.read()[0] == 45.0
    (tmp_path / "sys/class/thermal/thermal_zone0/temp").unlink()
    assert math.isnan(instruments.read()[0])


class Still:
    """A measured clock that shows what it is told."""

    def __init__(self, clock: SimClock) -> None:
        self._clock = clock

    def raw_ns(self) -> int:
        """Follow the schedule."""
        return round(self._clock.now() * 1e9)

    def pair(self) -> ClockPair:
        """Refuse."""
        raise NotImplementedError


@pytest.mark.anyio
async def test_it_is_read_at_its_period_and_stamped_on_raw(tmp_path: Path) -> None:
    """Three periods, three readings, each with its instant."""
    clock = SimClock()
    channel: Channel[tuple[int, Sequence[float]]] = open_channel(math.inf)
    instruments = Instruments(machine(tmp_path, zone0="45000\n"))
    async with Supervisor(clock=clock) as supervisor:
        supervisor.spawn(
            watch_covariates,
            instruments,
            Still(clock),
            lambda raw_ns, readings: channel.send.send_nowait((raw_ns, readings)),
            20.0,
        )
        felt = []
        for _ in range(3):
            await clock.advance(20.0)
            # Read in a thread, which virtual time doesn't see.
            felt.append(await channel.recv.receive())
        await supervisor.stop(grace=0)
    assert [raw_ns for raw_ns, _ in felt] == [20 * 10**9, 40 * 10**9, 60 * 10**9]
    assert all(readings[0] == 45.0 for _, readings in felt)


@pytest.mark.anyio
async def test_a_reading_that_no_thread_can_make_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many threads as the system allows: nothing is felt, and the daemon goes on."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    clock = SimClock()
    felt: list[int] = []
    instruments = Instruments(machine(tmp_path, zone0="45000\n"))
    async with Supervisor(clock=clock) as supervisor:
        supervisor.spawn(
            watch_covariates,
            instruments,
            Still(clock),
            lambda raw_ns, _: felt.append(raw_ns),
            20.0,
        )
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            await clock.advance(70.0)
        await supervisor.stop(grace=0)
    assert felt == []


@pytest.mark.anyio
async def test_an_empty_panel_is_looked_at_once(tmp_path: Path) -> None:
    """The daemon ends by itself, well, and nothing is felt."""
    felt: list[int] = []
    clock = SimClock()
    async with Supervisor(clock=clock) as supervisor:
        supervisor.spawn(
            watch_covariates,
            Instruments(tmp_path),
            Still(clock),
            lambda raw_ns, _: felt.append(raw_ns),
        )
        await clock.advance(1000.0)
    assert felt == []
