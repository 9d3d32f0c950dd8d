"""Oscillator models against real chronyd on equal noise: RMS, ratios, coverage.

``python benchmarks/models_chronyd.py [--model product] [--mode def] [--json FILE]``

Replays `benchmarks/data/chronyd` (its README says what the files hold) causally through
a model and scores the offset against truth and against chronyd's clock in the same run.
``product`` is the daemon's estimator, hard bound included, with no prior for askew
paths, since these are alike both ways. Ratios are pooled over seeds; intervals are 95 %,
by bootstrap over two-hour blocks.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from math import nan, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from chronotick.core.records import Exchange, Sample
from chronotick.core.status import Status
from chronotick.daemon.estimator import Estimator, EstimatorSettings
from chronotick.daemon.panel import PanelSettings
from chronotick.daemon.weights import packaged_network
from chronotick.eval.accuracy.bootstrap import tails
from chronotick.models.bank import BankModel
from chronotick.models.dual import DualModel
from chronotick.models.hold import HoldModel
from chronotick.models.kalman import KalmanModel
from chronotick.models.longterm import forecasters
from chronotick.ntp import SampleFilter

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from chronotick.models.protocol import OscillatorModel

    Vector = NDArray[np.float64]

DATA = Path(__file__).parent / "data" / "chronyd"
WARM_UP_S = 7200
BLOCK_S = 7200
PRECISION_NS = 20
SERVER = "server"
# Hours into the run at which a server has been gone for so many hours.
OUTAGES = {1: (13, 27), 2: (14, 28), 8: (34,)}
# Largest acceptable ratio to chronyd's clock (def) or to the tuned chronyd's (fast).
TARGETS = {
    ("def", "a_lan"): 0.47,
    ("def", "b_wan"): 0.47,
    ("def", "d_temp"): 0.47,
    ("def", "d_temp_lan"): 0.47,
    ("def", "c_cong"): 0.37,
    ("def", "h_gam"): 0.70,
    ("fast", "a_lan"): 0.40,
    ("fast", "b_wan"): 0.30,
    ("fast", "d_temp"): 0.33,
    ("fast", "h_gam"): 1.00,
}
HOLDOVER_TARGETS: dict[str, dict[int, float]] = {
    "e_hold": {1: 0.65, 2: 0.65, 8: 0.9},
    "e_hold_temp": {1: 1, 2: 1, 8: 1},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One replay: instants, errors in µs, and what was claimed."""

    scenario: str
    mode: str
    seed: int
    t_s: Vector
    error_us: Vector
    sigma_us: Vector
    half_99_us: Vector
    """NaN where nothing is claimed; so are the next two."""
    half_999_us: Vector
    hard_us: Vector
    reference_us: Vector
    cost_us: float
    jumps: int


class Reading(NamedTuple):
    """What is believed at an instant, and what is claimed of it: half widths in ns."""

    offset_ns: int
    sigma_ns: float
    half_99_ns: float = nan
    half_999_ns: float = nan
    hard_ns: float = nan


class Subject(Protocol):
    """Whoever is judged."""

    def observe(self, sample: Sample) -> None:
        """Take in one exchange."""
        ...

    def read(self, raw_ns: int) -> Reading | None:
        """Answer for `raw_ns`; None while nothing is known."""
        ...

    @property
    def jumps(self) -> int:
        """How often everything that was known has been thrown away."""
        ...


class Alone:
    """A model by itself.

    Args:
        model: The model.
        bank: The bank in it, which counts the jumps that it takes for real.
    """

    def __init__(self, model: OscillatorModel, bank: BankModel | None = None) -> None:
        self.observe = model.observe
        self._predict = model.predict
        self._bank = bank

    def read(self, raw_ns: int) -> Reading | None:
        """Answer for `raw_ns`."""
        estimate = self._predict(raw_ns)
        if estimate is None:
            return None
        return Reading(estimate.offset_ns, estimate.variance.v0**0.5)

    @property
    def jumps(self) -> int:
        """Jumps that the bank has established; 0 for models that know none."""
        return 0 if self._bank is None else self._bank.jump_count


class Product:
    """The daemon's estimator; the calibrated widths are the models' own, not capped."""

    def __init__(self) -> None:
        models = PanelSettings(path_asymmetry=0.0, network=packaged_network())
        self._estimator = Estimator(EstimatorSettings(servers=(SERVER,), models=models))
        self._filter = SampleFilter()

    def observe(self, sample: Sample) -> None:
        """Take in an exchange as the daemon's source would hand it on."""
        useful = self._filter.add(sample).is_worth_using
        self._estimator.observe(
            Exchange(
                server=SERVER, endpoint=None, state="ok", sample=sample, useful=useful,
                reach=0b1111_1111,
            )
        )  # fmt: skip

    @property
    def jumps(self) -> int:
        """How often the past was dropped."""
        return self._estimator.breaks

    def read(self, raw_ns: int) -> Reading | None:
        """Return what would be published at `raw_ns`."""
        correction = self._estimator.correction(raw_ns)
        opinion = self._estimator.panel.predict(raw_ns)
        if correction.status is Status.UNKNOWN or opinion is None:
            return None
        sigma_ns = sqrt(max(opinion.estimate.variance.v0, 0.0))
        earned = opinion.coverage.factor_99 > 0.0
        return Reading(
            offset_ns=correction.utc_ns - correction.raw_ns,
            sigma_ns=sigma_ns,
            half_99_ns=opinion.coverage.factor_99 * sigma_ns if earned else nan,
            half_999_ns=opinion.coverage.factor_999 * sigma_ns if earned else nan,
            hard_ns=float(correction.bound_ns),
        )


def bank() -> Alone:
    """Return the short-term model alone."""
    model = BankModel()
    return Alone(model, model)


def dual() -> Alone:
    """Return short-term and long-term together, as the daemon has them."""
    model = BankModel()
    return Alone(DualModel(lambda: model, forecasters(packaged_network())), model)


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "hold": lambda: Alone(HoldModel()),
    "kalman": lambda: Alone(KalmanModel()),
    "bank": bank,
    "dual": dual,
    "product": Product,
}


def load(path: Path) -> NDArray[np.void]:
    """Return a CSV with named columns."""
    with gzip.open(path, "rt") as lines:
        return np.genfromtxt(lines, delimiter=",", names=True)


def recordings(seeds: int | None = None, data: Path = DATA) -> list[str]:
    """Return what there is, as SCENARIO.MODE.sSEED; of the first `seeds` only."""
    names = sorted(
        path.name.split(".exchanges")[0] for path in data.glob("*.exchanges.*")
    )
    return [each for each in names if seeds is None or int(each[-1]) <= seeds]


def replay(name: str, subject: str = "product", data: Path = DATA) -> Run:
    """Run one recording through a subject, reading out at each instant of the truth."""
    model = SUBJECTS[subject]()
    exchanges = load(data / f"{name}.exchanges.csv.gz")
    truth = load(data / f"{name}.truth.csv.gz")
    free_s = truth["x_free_s"]
    read_out_s = truth["t_true_s"] + free_s
    said_ns = np.full((free_s.size, len(Reading._fields)), nan)
    pending = iter(exchanges)
    row = next(pending, None)
    spent = 0.0
    for k, at_s in enumerate(read_out_s):
        begun = time.process_time()
        while row is not None and row["t_local_s"] <= at_s:
            model.observe(to_sample(*(float(value) for value in row)))
            row = next(pending, None)
        spent += time.process_time() - begun
        reading = model.read(round(at_s * 1e9))
        if reading is not None:
            said_ns[k] = reading
    scenario, mode, seed = name.split(".")
    offset_us, *claimed_us = 1e-3 * said_ns.T
    error_us = offset_us + 1e6 * free_s
    scored = (truth["t_true_s"] >= WARM_UP_S) & ~np.isnan(error_us)
    sigma_us, half_99_us, half_999_us, hard_us = (each[scored] for each in claimed_us)
    column = "x_chronyd_tuned_s" if mode == "fast" else "x_chronyd_s"
    return Run(
        scenario=scenario,
        mode=mode,
        seed=int(seed[1:]),
        t_s=truth["t_true_s"][scored],
        error_us=error_us[scored],
        sigma_us=sigma_us,
        half_99_us=half_99_us,
        half_999_us=half_999_us,
        hard_us=hard_us,
        reference_us=1e6 * truth[column][scored],
        cost_us=1e6 * spent / exchanges.size,
        jumps=model.jumps,
    )


def to_sample(arrival_s: float, offset_s: float, delay_s: float) -> Sample:
    """Return the exchange as the pipeline would."""
    return Sample(
        server=SERVER,
        raw_ns=round((arrival_s - delay_s / 2.0) * 1e9),
        offset_ns=round(offset_s * 1e9),
        delay_ns=round(delay_s * 1e9),
        root_delay_ns=0,
        root_dispersion_ns=0,
        precision_ns=PRECISION_NS,
        stratum=1,
    )


def rms(values: Vector) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(values**2)))


def ratio_interval(runs: list[Run], rng: np.random.Generator) -> tuple[float, float]:
    """Return a 95 % interval of the pooled ratio by block bootstrap."""
    ours, theirs = [], []
    for run in runs:
        block = (run.t_s // BLOCK_S).astype(int)
        for value in np.unique(block):
            ours.append(np.mean(run.error_us[block == value] ** 2))
            theirs.append(np.mean(run.reference_us[block == value] ** 2))
    drawn = rng.integers(0, len(ours), (2000, len(ours)))
    ratios = np.sqrt(np.array(ours)[drawn].sum(1) / np.array(theirs)[drawn].sum(1))
    low, high = np.quantile(ratios, tails(len(ours)))
    return float(low), float(high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A scenario and mode, pooled over its seeds."""

    scenario: str
    mode: str
    rms_us: float
    chronyd_us: float
    ratio: float
    interval: tuple[float, float]
    by_seed: dict[int, float]
    target: float | None
    inside_99: float
    inside_4_sigma: float
    cost_us: float
    jumps: int
    holdover_us: dict[int, tuple[float, float]]
    """Hours without a server → RMS of the model and of chronyd."""


def grouped(runs: list[Run]) -> list[list[Run]]:
    """Return the runs of each mode and scenario together."""
    groups: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.mode, run.scenario].append(run)
    return [groups[key] for key in sorted(groups)]


def summarize(runs: list[Run]) -> Row:
    """Return the pooled scores of one scenario and mode."""
    first = runs[0]
    error = np.concatenate([run.error_us for run in runs])
    score = np.abs(error) / np.concatenate([run.sigma_us for run in runs])
    reference = np.concatenate([run.reference_us for run in runs])
    by_seed = {run.seed: rms(run.error_us) / rms(run.reference_us) for run in runs}
    outages = first.scenario in HOLDOVER_TARGETS
    return Row(
        scenario=first.scenario,
        mode=first.mode,
        rms_us=rms(error),
        chronyd_us=rms(reference),
        ratio=rms(error) / rms(reference),
        interval=ratio_interval(runs, np.random.default_rng(0)),
        by_seed=by_seed,
        target=TARGETS.get((first.mode, first.scenario)),
        inside_99=float(np.mean(score <= 2.576)),
        inside_4_sigma=float(np.mean(score <= 4.0)),
        cost_us=float(np.mean([run.cost_us for run in runs])),
        jumps=sum(run.jumps for run in runs),
        holdover_us=holdover(runs) if outages else {},
    )


def holdover(runs: list[Run]) -> dict[int, tuple[float, float]]:
    """Return hours without a server → RMS of the model and of chronyd, µs."""
    result = {}
    for hours, instants in OUTAGES.items():
        at_s = [3600.0 * instant for instant in instants]
        ours = [np.interp(at_s, run.t_s, run.error_us) for run in runs]
        theirs = [np.interp(at_s, run.t_s, run.reference_us) for run in runs]
        result[hours] = rms(np.concatenate(ours)), rms(np.concatenate(theirs))
    return result


def show(row: Row) -> str:
    """Return the row as lines of a Markdown table."""
    low, high = row.interval
    seeds = ", ".join(f"{ratio:.3f}" for ratio in row.by_seed.values())
    cells = [
        f"{row.scenario} {row.mode}",
        f"{row.rms_us:.2f} / {row.chronyd_us:.2f}",
        f"{row.ratio:.3f} [{low:.2f}, {high:.2f}]",
        seeds,
        "" if row.target is None else f"≤ {row.target:.2f}",
        f"{row.inside_99:.3f} / {row.inside_4_sigma:.4f}",
        f"{row.cost_us:.0f}",
        f"{row.jumps}",
    ]
    lines = [f"| {' | '.join(cells)} |"]
    for hours, (ours, theirs) in row.holdover_us.items():
        most = HOLDOVER_TARGETS[row.scenario][hours]
        lines.append(
            f"| – without a server for {hours} h | {ours:.0f} / {theirs:.0f} "
            f"| {ours / theirs:.2f} | | ≤ {most:.2f} | | | |"
        )
    return "\n".join(lines)


def main() -> None:
    """Replay what was asked for and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=SUBJECTS, default="product")
    parser.add_argument("--mode", choices=("def", "fast"))
    parser.add_argument("--scenario")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in recordings():
        scenario, mode, _ = name.split(".")
        if options.mode in (None, mode) and options.scenario in (None, scenario):
            groups[mode, scenario].append(name)
    print(f"model: {options.model}; fast rows are relative to the tuned chronyd\n")
    print(
        "| | RMS µs: ours / chronyd | ratio, 95 % | by seed | target "
        "| ± 2.58 σ / 4 σ hold | µs a sample | jumps |"
    )
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for _, members in sorted(groups.items()):
        runs = [replay(name, options.model) for name in members]
        rows.append(summarize(runs))
        print(show(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
