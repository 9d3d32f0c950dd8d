"""Oscillator models against real chronyd on equal noise: RMS, ratios, coverage.

``python benchmarks/models_chronyd.py [--model bank] [--mode def] [--json FILE]``

Replays `benchmarks/data/chronyd` (its README says what the files hold) causally through
a model and scores the offset against truth and against chronyd's clock in the same run.
Ratios are pooled over seeds; intervals are 95 %, by bootstrap over two-hour blocks.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chronotick.core.records import Sample
from chronotick.models.bank import BankModel
from chronotick.models.dual import DualModel
from chronotick.models.hold import HoldModel
from chronotick.models.kalman import KalmanModel
from chronotick.models.longterm import forecasters
from chronotick.models.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from chronotick.models.protocol import OscillatorModel

    Vector = NDArray[np.float64]

DATA = Path(__file__).parent / "data" / "chronyd"
WEIGHTS = Path(__file__).parents[1] / "src" / "chronotick" / "models" / "longterm.npz"
WARM_UP_S = 7200
BLOCK_S = 7200
PRECISION_NS = 20
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
    reference_us: Vector
    cost_us: float
    jumps: int


def trained() -> Network:
    """Return the packaged network."""
    with WEIGHTS.open("rb") as stream:
        return Network.load(stream)


def dual() -> DualModel:
    """Return short-term and long-term together, as the daemon has them."""
    return DualModel(BankModel, forecasters(trained()))


MODELS: dict[str, Callable[[], OscillatorModel]] = {
    "hold": HoldModel,
    "kalman": KalmanModel,
    "bank": BankModel,
    "dual": dual,
}


def load(path: Path) -> NDArray[np.void]:
    """Return a CSV with named columns."""
    with gzip.open(path, "rt") as lines:
        return np.genfromtxt(lines, delimiter=",", names=True)


def replay(name: str, model: OscillatorModel) -> Run:
    """Run one scenario through `model`, reading out at each instant of the truth."""
    exchanges = load(DATA / f"{name}.exchanges.csv.gz")
    truth = load(DATA / f"{name}.truth.csv.gz")
    free_s = truth["x_free_s"]
    read_out_s = truth["t_true_s"] + free_s
    error_s, sigma_s = np.full((2, free_s.size), np.nan)
    pending = iter(exchanges)
    row = next(pending, None)
    spent = 0.0
    for k, at_s in enumerate(read_out_s):
        begun = time.process_time()
        while row is not None and row["t_local_s"] <= at_s:
            model.observe(to_sample(*(float(value) for value in row)))
            row = next(pending, None)
        spent += time.process_time() - begun
        estimate = model.predict(round(at_s * 1e9))
        if estimate is not None:
            error_s[k] = estimate.offset_ns / 1e9 + free_s[k]
            sigma_s[k] = estimate.variance.v0**0.5 / 1e9
    scenario, mode, seed = name.split(".")
    scored = (truth["t_true_s"] >= WARM_UP_S) & ~np.isnan(error_s)
    column = "x_chronyd_tuned_s" if mode == "fast" else "x_chronyd_s"
    return Run(
        scenario=scenario,
        mode=mode,
        seed=int(seed[1:]),
        t_s=truth["t_true_s"][scored],
        error_us=1e6 * error_s[scored],
        sigma_us=1e6 * sigma_s[scored],
        reference_us=1e6 * truth[column][scored],
        cost_us=1e6 * spent / exchanges.size,
        jumps=getattr(model, "jump_count", 0),
    )


def to_sample(arrival_s: float, offset_s: float, delay_s: float) -> Sample:
    """Return the exchange as the pipeline would."""
    return Sample(
        server="server",
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
    low, high = np.quantile(ratios, (0.025, 0.975))
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
    parser.add_argument("--model", choices=MODELS, default="bank")
    parser.add_argument("--mode", choices=("def", "fast"))
    parser.add_argument("--scenario")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    names = sorted(
        path.name.split(".exchanges")[0] for path in DATA.glob("*.exchanges.*")
    )
    groups = defaultdict(list)
    for name in names:
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
        runs = [replay(name, MODELS[options.model]()) for name in members]
        rows.append(summarize(runs))
        print(show(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
