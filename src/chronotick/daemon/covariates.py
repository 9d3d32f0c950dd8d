"""Temperature, CPU frequency and load, where the kernel shows them.

Decides which files say how warm and how busy the machine is. What that has to do with
its oscillator is the model's business; a machine that shows nothing (most virtual ones)
gives NaN, and nothing is asked of it again.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from chronotick.daemon.thread import in_a_thread_of_its_own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from chrono_daemon import Context
    from chronotick.core.ports import MeasuredClock

__all__ = ["COVARIATES", "READ_PERIOD_S", "Instruments", "watch_covariates"]

COVARIATES = ("celsius", "megahertz", "load")
"""What is read, in this order."""
READ_PERIOD_S = 30.0
"""Twenty readings for each ten minutes: enough for a mean, too few to warm anything."""
# Beyond these a sensor is not connected, or speaks another unit.
_COLDEST_C, _HOTTEST_C = -40.0, 150.0


class Instruments:
    """What the machine shows of itself.

    Args:
        root: Where ``sys`` and ``proc`` are; another place in tests.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        thermal = root / "sys/class/thermal"
        self._zones = sorted(thermal.glob("thermal_zone*/temp"))
        cpus = root / "sys/devices/system/cpu"
        self._speeds = sorted(cpus.glob("cpu[0-9]*/cpufreq/scaling_cur_freq"))
        self._load = root / "proc/loadavg"

    @property
    def shows_anything(self) -> bool:
        """Whether there is a sensor: load alone explains no oscillator."""
        return bool(self._zones or self._speeds)

    def read(self) -> tuple[float, ...]:
        """Return `COVARIATES` now; NaN for what can't be read. May take milliseconds."""
        zones = (value / 1e3 for value in _numbers(self._zones))
        return (
            _mean(c for c in zones if _COLDEST_C < c < _HOTTEST_C),
            _mean(value / 1e3 for value in _numbers(self._speeds)),
            _mean(value / (os.cpu_count() or 1) for value in _numbers([self._load])),
        )


async def watch_covariates(
    ctx: Context,
    instruments: Instruments,
    measured: MeasuredClock,
    feel: Callable[[int, Sequence[float]], None],
    period_s: float = READ_PERIOD_S,
) -> None:
    """Read the instruments now and then until told to stop; with none, return at once.

    Args:
        ctx: Of the daemon; the period is on its clock.
        instruments: What is read, in a thread: some firmware takes its time, and some
            never answers.
        measured: Says when it was read, as models count time.
        feel: Called with the RAW instant (ns) and the readings.
        period_s: Time between two readings.
    """
    if not instruments.shows_anything:
        ctx.logger.info("event=covariates_absent")
        return
    ctx.logger.info("event=covariates_read period_s=%g", period_s)
    while await ctx.sleep(period_s):
        try:
            readings = await in_a_thread_of_its_own(instruments.read, name="sensors")
        except OSError:
            # No thread is to be had now: unknown for a period.
            continue
        feel(measured.raw_ns(), readings)


def _numbers(files: Iterable[Path]) -> Iterable[float]:
    for file in files:
        try:
            yield float(file.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            # A zone that is off says so by an error; it may be on next time.
            continue


def _mean(values: Iterable[float]) -> float:
    found = [value for value in values if math.isfinite(value)]
    return sum(found) / len(found) if found else math.nan
