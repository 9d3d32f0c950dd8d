"""Does a foundation model help the long-term ensemble? Holdover errors, with and without.

``.backends/torch/bin/python benchmarks/foundation_models.py [--backend NAME] [--seeds N]``

Five days of each of seven kinds of simulated clock, measured every 128 s over a path of
30 ms with 0.2 ms of jitter each way. From the third day on, every hour, each model says
where the clock will be in 1, 4 and 8 hours. The backend is asked every half hour and
heard a poll later, as in the daemon. Errors are relative to the short-term bank's; the
intervals are a bootstrap over clocks.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from chronotick.backends.registry import BackendUnavailable, Choice, load
from chronotick.backends.serve import answer
from chronotick.core.records import Sample
from chronotick.core.units import NS_PER_S
from chronotick.models.bank import BankModel
from chronotick.models.experts import learned
from chronotick.models.longterm import Forecaster, LongTermModel, forecasters
from chronotick.models.network import Network
from chronotick.sim.oscillator import Oscillator
from chronotick.sim.specs import OscillatorSpec, TemperatureSpec

if TYPE_CHECKING:
    from chronotick.backends.registry import Backend
    from chronotick.core.rates import RateForecast
    from chronotick.models.protocol import OscillatorModel

Errors = dict[str, list[list[float]]]

POLL_S = 128
ASK_S = 1800
DAYS = 5
SCORED_FROM_H, SCORED_TO_H = 72, 112
HORIZONS_H = (1, 4, 8)
UTC_NS = 1_790_000_000 * NS_PER_S

KINDS = {
    "quiet VM": OscillatorSpec(random_walk_ppb=0.1),
    "flicker": OscillatorSpec(random_walk_ppb=0.03, flicker_fm_ppb=20.0),
    "shaken": OscillatorSpec(random_walk_ppb=1.0),
    "office PC": OscillatorSpec(
        random_walk_ppb=0.3, temperature=TemperatureSpec(ppb_per_c=50.0, diurnal_c=2.0)
    ),
    "hot days": OscillatorSpec(
        random_walk_ppb=0.3,
        flicker_fm_ppb=3.0,
        temperature=TemperatureSpec(ppb_per_c=100.0, diurnal_c=5.0, lag_s=1800.0),
    ),
    "thermostat": OscillatorSpec(
        random_walk_ppb=0.1,
        temperature=TemperatureSpec(
            ppb_per_c=50.0, hvac_c=1.0, hvac_period_s=3600.0, diurnal_c=1.0
        ),
    ),
    "load": OscillatorSpec(
        random_walk_ppb=0.2,
        temperature=TemperatureSpec(
            ppb_per_c=50.0, load_c=4.0, load_on_s=5400.0, load_off_s=10_800.0
        ),
    ),
}


class External:
    """A backend as the daemon consults it: now and then, and a poll late."""

    def __init__(self, name: str, backend: Backend) -> None:
        self.name = name
        self._backend = backend
        self._asked_s = -ASK_S
        self._answer: RateForecast | None = None

    def tell(self, now_s: int, models: list[LongTermModel]) -> None:
        """Deliver what was asked for at the last poll; ask again if it is time."""
        if self._answer is not None:
            for model in models:
                model.hear(self.name, self._answer)
            self._answer = None
        history = models[0].history()
        if now_s - self._asked_s >= ASK_S and history and len(history.rates_ppb) > 11:
            self._asked_s = now_s
            self._answer = answer(self._backend, Choice(), history)


class AlwaysBelieved(LongTermModel):
    """One expert without a guard, to see what it is worth alone."""

    def _look_ahead(self, estimate):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        self._board.weights = self._all_to_it  # type: ignore[method-assign]
        super()._look_ahead(estimate)

    @staticmethod
    def _all_to_it(speaking, _):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205
        weight = np.zeros(speaking.shape)
        weight[-1] = speaking[-1]
        weight[0] = ~speaking[-1]
        return weight


def follow(spec: OscillatorSpec, seed: int, external: External) -> Errors:
    """Run one clock; return each model's errors in ns, a row per read-out."""
    oscillator = Oscillator(replace(spec, grid_s=16.0), seed=seed, name="host")
    rng = np.random.default_rng(seed)
    bank = BankModel()
    with files("chronotick.models").joinpath("longterm.npz").open("rb") as stream:
        network = Network.load(stream)
    usual, also = forecasters(), forecasters(network)
    name = external.name
    models: dict[str, OscillatorModel] = {
        "bank": bank,
        "network alone": AlwaysBelieved(bank, [Forecaster(learned(network))]),
        f"{name} alone": AlwaysBelieved(bank, [], external=[name]),
        "simple experts": LongTermModel(bank, usual),
        f"simple + {name}": LongTermModel(bank, usual, external=[name]),
        "simple + network": LongTermModel(bank, also),
        f"simple + network + {name}": LongTermModel(bank, also, external=[name]),
    }
    hearing = [models[each] for each in models if name in each]
    errors: Errors = defaultdict(list)
    due_h = SCORED_FROM_H
    for now_s in range(0, SCORED_TO_H * 3600 + POLL_S, POLL_S):
        raw_ns = oscillator.raw_ns(now_s * NS_PER_S)
        sample = measure(rng, raw_ns, UTC_NS + now_s * NS_PER_S)
        for model in models.values():
            model.observe(sample)
        external.tell(now_s, hearing)  # type: ignore[arg-type]
        if now_s >= due_h * 3600:
            due_h += 1
            for each, model in models.items():
                errors[each].append(misses(model, oscillator, raw_ns))
    return errors


def measure(rng: np.random.Generator, raw_ns: int, utc_ns: int) -> Sample:
    """Return one exchange with a truthful server."""
    there_ns, back_ns = (15e6 + rng.exponential(2e5, 2)).tolist()
    return Sample(
        server="server",
        raw_ns=raw_ns,
        offset_ns=utc_ns - raw_ns + round((there_ns - back_ns) / 2),
        delay_ns=round(there_ns + back_ns),
        root_delay_ns=0,
        root_dispersion_ns=0,
        precision_ns=100,
        stratum=1,
    )


def misses(model: OscillatorModel, oscillator: Oscillator, raw_ns: int) -> list[float]:
    """Return how far a model is off at each horizon, in ns."""
    result = []
    for hours in HORIZONS_H:
        at_ns = raw_ns + hours * 3600 * NS_PER_S
        estimate = model.predict(at_ns)
        if estimate is None:
            raise AssertionError("a model has seen three days and knows nothing")
        result.append(
            float(UTC_NS + oscillator.true_ns(at_ns) - at_ns - estimate.offset_ns)
        )
    return result


def relative(errors: Errors) -> dict[str, np.ndarray]:
    """Return each model's RMS over the bank's, per horizon."""
    rms = {
        name: np.sqrt((np.array(rows) ** 2).mean(axis=0))
        for name, rows in errors.items()
    }
    return {name: value / rms["bank"] for name, value in rms.items()}


def summarize(clocks: dict[str, list[dict[str, np.ndarray]]]) -> None:
    """Print the table."""
    names = list(next(iter(clocks.values()))[0])[1:]
    print("| 1 / 4 / 8 h, RMS over the bank's | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 1) + "|")
    every = [each for of_kind in clocks.values() for each in of_kind]
    for kind, of_kind in clocks.items():
        cells = [row(np.exp(mean_log(of_kind, name))) for name in names]
        print(f"| {kind} | " + " | ".join(cells) + " |")
    rng = np.random.default_rng(0)
    cells = []
    for name in names:
        logs = np.log([each[name] for each in every])
        draws = rng.integers(0, len(logs), (2000, len(logs)))
        low, high = np.quantile(
            np.exp(logs[draws].mean(axis=1)), (0.025, 0.975), axis=0
        )
        middle = np.exp(logs.mean(axis=0))
        cells.append(
            "<br>".join(
                f"{m:.2f} ({a:.2f}–{b:.2f})"
                for m, a, b in zip(middle, low, high, strict=True)
            )
        )
    print("| **all, 95 %** | " + " | ".join(cells) + " |")
    worst = [row(np.max([each[name] for each in every], axis=0)) for name in names]
    print("| worst clock | " + " | ".join(worst) + " |")


def mean_log(of_kind: list[dict[str, np.ndarray]], name: str) -> np.ndarray:
    """Return the mean of logarithms over clocks."""
    return np.asarray(np.log([each[name] for each in of_kind]).mean(axis=0))


def row(values: np.ndarray) -> str:
    """Return three numbers as one cell."""
    return " / ".join(f"{value:.2f}" for value in values)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--backend", default="fracast")
    parser.add_argument("--weights", default=None)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    try:
        backend = load(options.backend, Choice(weights=options.weights))
    except BackendUnavailable as missing:
        print(f"not measured: {missing}")
        return
    clocks: dict[str, list[dict[str, np.ndarray]]] = {}
    for kind, spec in KINDS.items():
        for seed in range(options.seeds):
            errors = follow(spec, seed, External(options.backend, backend))
            clocks.setdefault(kind, []).append(relative(errors))
        sys.stderr.write(f"{kind}: done\n")
    print(f"{backend.described}; {options.seeds} seeds of each kind\n")
    summarize(clocks)


if __name__ == "__main__":
    main()
