"""What estimating costs: CPU a measurement, a long-term update, the daemon's memory.

``python benchmarks/accuracy_cost.py [--estimator]``

CPU time of this process around each call, on real exchanges (`d_temp.fast`, 72 h at
4 s: the long-term history is full at its end). The estimator is all that a measurement
goes through: sample filter, selection, models, calibration, hard bound. What is judged is the
median of the quarter in which the machine was least disturbed (`pace.py`). Intervals of
medians: bootstrap over twenty stretches of that. With ``--estimator`` that alone, as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import requires
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from benchmarks.models_chronyd import DATA, Product, load, to_sample
from benchmarks.pace import Paced, pace_ns, undisturbed
from chronotick.core.native import SWITCH
from chronotick.core.units import NS_PER_S
from chronotick.daemon.weights import packaged_network
from chronotick.models.bank import BankModel
from chronotick.models.history import STEP_S
from chronotick.models.longterm import LongTermModel, forecasters
from chronotick.sim.server import HonestServer
from system.liar import ntp_server
from system.peers import running_daemon, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chronotick.core.records import Sample

SETTLE_S = 12.0
STRETCHES, DRAWS = 20, 2000
LATEST = 144
"""Long-term updates that are judged: those of the last day."""
PACE_EVERY = 50


class Cost(NamedTuple):
    """A median and its 95 % interval, while the machine was undisturbed."""

    median: float
    low: float
    high: float
    pace_ns: float
    """Median cost of a `time.time()` meanwhile."""
    calls: int
    everything: float
    """The median of all."""
    everything_pace_ns: float


def timed(call: Callable[[Sample], object], sample: Sample) -> float:
    """Return the CPU seconds of a call."""
    begun = time.process_time_ns()
    call(sample)
    return (time.process_time_ns() - begun) / 1e9


def samples() -> Iterator[Sample]:
    """Yield the exchanges."""
    for row in load(DATA / "d_temp.fast.s1.exchanges.csv.gz"):
        yield to_sample(*(float(value) for value in row))


def of_models() -> tuple[Cost, Cost]:
    """Return µs of the bank a measurement, and ms of a long-term update."""
    bank = BankModel()
    longterm = LongTermModel(bank, forecasters(packaged_network()))
    measured: list[Paced] = []
    updates: list[Paced] = []
    mark = None
    for pace, sample in paced(samples()):
        measured.append(Paced(pace, 1e6 * timed(bank.observe, sample)))
        spent_s = timed(longterm.observe, sample)
        if sample.raw_ns // (STEP_S * NS_PER_S) != mark:
            mark = sample.raw_ns // (STEP_S * NS_PER_S)
            updates.append(Paced(pace, 1e3 * spent_s))
    return cost(measured), cost(updates[-LATEST:])


def of_estimator(count: int = 10_000) -> Cost:
    """Return µs of the whole estimator a measurement."""
    product = Product()
    return cost(
        [
            Paced(pace, 1e6 * timed(product.observe, sample))
            for pace, sample in paced(islice(samples(), count))
        ]
    )


def without_c() -> Cost:
    """Return µs of the whole estimator a measurement, with no C module."""
    done = subprocess.run(
        [sys.executable, __file__, "--estimator"],
        env=os.environ | {SWITCH: "no"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return Cost(*json.loads(done.stdout))


def paced(samples: Iterator[Sample]) -> Iterator[tuple[float, Sample]]:
    """Yield each of `samples` with how fast the machine is now."""
    pace = 0.0
    for k, sample in enumerate(samples):
        if k % PACE_EVERY == 0:
            pace = pace_ns()
        yield pace, sample


def cost(found: list[Paced]) -> Cost:
    """Return the median and its interval."""
    quiet = undisturbed(found)
    values = [each.value for each in quiet]
    medians = [np.median(each) for each in np.array_split(values, STRETCHES)]
    drawn = np.random.default_rng(0).choice(medians, (DRAWS, STRETCHES))
    low, high = np.quantile(np.median(drawn, axis=1), (0.025, 0.975))
    return Cost(
        float(np.median(values)),
        float(low),
        float(high),
        float(np.median([each.pace_ns for each in quiet])),
        len(found),
        float(np.median([each.value for each in found])),
        float(np.median([each.pace_ns for each in found])),
    )


def resident_mb() -> float:
    """Return the memory of a daemon with its default models that has measured."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ntp_server(HonestServer()) as port,
        running_daemon(
            Path(folder) / "segment", "--server", f"127.0.0.1:{port}"
        ) as daemon,
    ):
        wait_until(lambda: "selected" in daemon.verdicts().values())
        threading.Event().wait(SETTLE_S)
        return float(psutil.Process(daemon.process.pid).memory_info().rss) / 1e6


def needs_torch() -> bool:
    """Say whether the default install brings torch."""
    return any(
        need.startswith("torch") and "extra ==" not in need
        for need in requires("chronotick") or ()
    )


def main() -> None:
    """Measure and print."""
    if sys.argv[1:] == ["--estimator"]:
        print(json.dumps(of_estimator()))
        return
    bank, update = of_models()
    for name, unit, each in (
        ("bank, a measurement", "µs", bank),
        ("whole estimator, a measurement", "µs", of_estimator()),
        ("the same without the C module", "µs", without_c()),
        ("long-term update, full history", "ms", update),
    ):
        print(
            f"{name}: {each.median:.3g} {unit} [{each.low:.3g}, {each.high:.3g}] while a "
            f"time.time() costs {each.pace_ns:.0f} ns; all: {each.everything:.3g} {unit} "
            f"at {each.everything_pace_ns:.0f} ns"
        )
    print(f"daemon: {resident_mb():.1f} MB; torch: {needs_torch()}")


if __name__ == "__main__":
    main()
