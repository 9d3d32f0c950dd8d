"""After a true step: how soon the published time is right to a millisecond again.

``python benchmarks/accuracy_steps.py [--seeds 10] [--model dual]``

Plain synthetic exchanges on a simulated oscillator: 20 ppm off, its rate a random walk
of 1 ppb/√s, behind one server 15 ms away with exponential queues of 1 ms each way, as
in scenario b_wan of `benchmarks/data/chronyd`. `def` polls every 1024 s, where
chronyd's default polling settles (and, unlike chronyd, no faster after the step), `fast`
every 4 s, `usual` every 64 s, as the daemon does. Between two polls the rate steps by
5 ppm, or the clock leaps by 20 ms, or both. Seconds are counted from the step to when
the error is below 1 ms: for the first time after it was above, and to stay there for
an hour (`fast`: a minute). Medians over seeds, 95 % intervals by bootstrap.

The models alone (`dual`) are what compares with the targets. The daemon (`product`)
never publishes a midpoint outside its hard interval, and a leap of the clock breaks what
that assumes, until models and answers together have told the daemon so.
"""

from __future__ import annotations

import argparse
import sys
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.models_chronyd import PRECISION_NS, SERVER, SUBJECTS
from chronotick.core.records import Sample
from chronotick.core.units import NS_PER_S
from chronotick.sim.oscillator import Oscillator
from chronotick.sim.specs import Jump, OscillatorSpec, RateStep

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_NS = 1e6
BASE_NS, QUEUE_NS = 15e6, 1e6
# Any instants but the origin.
UTC_NS = 1_790_000_000 * NS_PER_S
DRAWS = 2000


class Mode(NamedTuple):
    """How fast is polled, and when what happens; seconds."""

    poll_s: float
    read_s: float
    step_s: float
    until_s: float
    stay_s: float
    chronyd_s: dict[str, float]
    """What chronyd took, by step (in `fast` the tuned one)."""
    target_s: dict[str, float]
    """What a careful prototype took."""


STEPS = {"5 ppm": (5_000.0, 0.0), "20 ms": (0.0, 0.020), "both": (5_000.0, 0.020)}
MODES = {
    "def": Mode(
        1024.0, 16.0, 24 * 3600.0, 32 * 3600.0, 3600.0,
        {"5 ppm": 13_910, "20 ms": 6_890, "both": 9_323},
        {"5 ppm": 4_985, "20 ms": 3_690, "both": 2_830},
    ),
    "fast": Mode(
        4.0, 1.0, 3 * 3600.0, 3.5 * 3600.0, 60.0,
        {"5 ppm": 0, "20 ms": 192, "both": 263},
        {"5 ppm": 0, "20 ms": 16, "both": 2},
    ),
    "usual": Mode(64.0, 8.0, 12 * 3600.0, 15 * 3600.0, 3600.0, {}, {}),
}  # fmt: skip


class Recovery(NamedTuple):
    """One step in one mode, over seeds."""

    step: str
    mode: str
    first_s: tuple[float, ...]
    stays_s: tuple[float, ...]
    jumps: tuple[int, ...]
    """How often the model took something for a jump."""
    model: str = "product"


def median(values: tuple[float, ...]) -> tuple[float, float, float]:
    """Return the median and its 95 % interval."""
    drawn = np.random.default_rng(0).choice(values, (DRAWS, len(values)))
    low, high = np.quantile(np.median(drawn, axis=1), (0.025, 0.975))
    return float(np.median(values)), float(low), float(high)


def recovery(step: str, mode: str, seeds: int, model: str = "product") -> Recovery:
    """Return how a step is recovered from in so many worlds."""
    found = [recover(step, mode, seed, model) for seed in range(1, seeds + 1)]
    first_s, stays_s, jumps = zip(*found, strict=True)
    return Recovery(step, mode, first_s, stays_s, jumps, model)


def recover(step: str, mode: str, seed: int, model: str) -> tuple[float, float, int]:
    """Return the seconds until the error is below the limit, to stay, and the jumps."""
    by_ppb, by_s = STEPS[step]
    plan = MODES[mode]
    rng = np.random.default_rng(seed)
    # Anywhere between two polls.
    step_s = plan.step_s + plan.poll_s * rng.random()
    oscillator = Oscillator(
        OscillatorSpec(
            rate_ppb=-20_000.0,
            white_fm_ppb=0.0,
            random_walk_ppb=1.0,
            rate_steps=(RateStep(at_s=step_s, by_ppb=by_ppb),) if by_ppb else (),
            jumps=(Jump(at_s=step_s, by_s=by_s),) if by_s else (),
            grid_s=plan.read_s,
        ),
        seed=seed,
        name="host",
    )
    subject = SUBJECTS[model]()
    after_s: list[float] = []
    misses: list[bool] = []
    polls = _exchanges(rng, oscillator, plan)
    row = next(polls, None)
    for at_s in np.arange(plan.read_s, plan.until_s, plan.read_s):
        raw_ns = oscillator.raw_ns(round(at_s * NS_PER_S))
        while row is not None and row[0] <= raw_ns:
            subject.observe(row[1])
            row = next(polls, None)
        if at_s <= step_s:
            continue
        reading = subject.read(raw_ns)
        truth_ns = UTC_NS + round(at_s * NS_PER_S) - raw_ns
        after_s.append(at_s - step_s)
        misses.append(reading is None or abs(reading.offset_ns - truth_ns) >= LIMIT_NS)
    stay = round(plan.stay_s / plan.read_s)
    return *_soonest(after_s, misses, stay), subject.jumps


def _soonest(
    after_s: list[float], misses: list[bool], stay: int
) -> tuple[float, float]:
    """Return when it first is right after it was wrong, and for `stay` answers."""
    if True not in misses:
        return 0.0, 0.0
    wrong = misses.index(True)
    first = next((k for k in range(wrong, len(misses)) if not misses[k]), -1)
    stays = next(
        (k for k in range(wrong, len(misses)) if not any(misses[k : k + stay])), -1
    )
    if -1 in (first, stays):
        return inf, inf
    return after_s[first], after_s[stays]


def _exchanges(
    rng: np.random.Generator, oscillator: Oscillator, plan: Mode
) -> Iterator[tuple[int, Sample]]:
    """Yield arrivals on RAW, and what the exchanges tell."""
    for at_s in np.arange(plan.poll_s, plan.until_s, plan.poll_s):
        there_ns, back_ns = (BASE_NS + rng.exponential(QUEUE_NS, 2)).tolist()
        sent_ns = round(at_s * NS_PER_S)
        served_ns = sent_ns + round(there_ns)
        t1_ns = oscillator.raw_ns(sent_ns)
        t4_ns = oscillator.raw_ns(served_ns + round(back_ns))
        yield (
            t4_ns,
            Sample(
                server=SERVER,
                raw_ns=(t1_ns + t4_ns) // 2,
                offset_ns=UTC_NS + served_ns - (t1_ns + t4_ns) // 2,
                delay_ns=t4_ns - t1_ns,
                root_delay_ns=0,
                root_dispersion_ns=0,
                precision_ns=PRECISION_NS,
                stratum=1,
            ),
        )


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--model", choices=SUBJECTS, default="dual")
    options = parser.parse_args()
    print("| step | polling | s to < 1 ms, 95 % | to stay, 95 % | chronyd | target | jumps |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for mode, plan in MODES.items():
        for step in STEPS:
            each = recovery(step, mode, options.seeds, options.model)
            spans = [
                f"{middle:,.0f} [{low:,.0f}, {high:,.0f}]"
                for middle, low, high in (median(each.first_s), median(each.stays_s))
            ]
            print(
                f"| {step} | {mode} | {' | '.join(spans)} "
                f"| {plan.chronyd_s.get(step, '')} | {plan.target_s.get(step, '')} "
                f"| {', '.join(map(str, each.jumps))} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
