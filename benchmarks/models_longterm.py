"""Long-term against short-term alone: how much less the clock errs 1, 4 and 8 h ahead.

``python benchmarks/models_longterm.py [--seeds 4] [--jobs 1] [--cell NAME]
[--skip-hours 24] [--out DIR]``

Cells of `chronotick bench`: clocks that the design names, behind one quiet server, each
with so much history. Answers are given a horizon ahead by the bank alone and by the bank
with the long-term ensemble on top, on the same exchanges.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chronotick.eval.accuracy.bench import locally, perform
from chronotick.eval.accuracy.bench_report import markdown, write_bench
from chronotick.eval.accuracy.bench_scores import BenchSettings
from chronotick.sim.scenario import PollingSpec, Scenario
from chronotick.sim.server_specs import ServerSpec
from chronotick.sim.specs import (
    Exponential,
    HostSpec,
    LegSpec,
    OscillatorSpec,
    PathSpec,
    TemperatureSpec,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chronotick.eval.accuracy.bench_scores import Document

HOURS = (1, 4, 8)
# Largest ratio to the short-term model alone: on diurnal clocks, and anywhere.
DIURNAL = {1: 0.75, 4: 0.60, 8: 0.50}
ANYWHERE = 1.10
QUIET_VM, OFFICE_PC, POOR = 0.1, 0.3, 1.0
SERVER = ServerSpec(
    name="near.test",
    path=PathSpec(forward=LegSpec(base_us=2000.0, jitter=Exponential(mean_us=50.0))),
)


def cell(
    name: str,
    summary: str,
    *,
    hours: float = 120.0,
    random_walk_ppb: float = QUIET_VM,
    **temperature: float,
) -> Scenario:
    """Return a clock with 1 ppb of white noise behind the server."""
    return Scenario(
        name=name,
        summary=summary,
        duration_s=hours * 3600.0,
        host=HostSpec(
            oscillator=OscillatorSpec(
                rate_ppb=9_300.0,
                random_walk_ppb=random_walk_ppb,
                temperature=TemperatureSpec(**temperature),
                # Noise that is averaged over minutes needs no draw a second.
                grid_s=8.0,
            )
        ),
        servers=(SERVER,),
        polling=PollingSpec(min_poll_s=64.0, max_poll_s=64.0),
    )


OFFICE = cell(
    "diurnal-office", "100 ppb a day, office PC",
    random_walk_ppb=OFFICE_PC, ppb_per_c=40.0, diurnal_c=2.5,
)  # fmt: skip
CELLS = (
    cell("diurnal", "100 ppb a day", ppb_per_c=40.0, diurnal_c=2.5),
    cell("diurnal-wide", "500 ppb a day", ppb_per_c=100.0, diurnal_c=5.0),
    OFFICE,
    cell(
        "hvac", "a thermostat's saw-tooth, 40 ppb in 30 min",
        ppb_per_c=40.0, hvac_c=0.5, hvac_period_s=1800.0,
    ),
    cell(
        "load", "200 ppb whenever the machine works",
        ppb_per_c=40.0, load_c=5.0, load_on_s=3600.0, load_off_s=7200.0,
    ),
    cell("walk-quiet", "a random walk, quiet VM"),
    cell("walk-office", "a random walk, office PC", random_walk_ppb=OFFICE_PC),
    cell("walk-poor", "a random walk, 1 ppb/√s", random_walk_ppb=POOR),
    cell("first-day", "100 ppb a day, 24 h in all", hours=24.0, ppb_per_c=40.0, diurnal_c=2.5),
    cell("first-day-walk", "a random walk, 24 h in all", hours=24.0, random_walk_ppb=OFFICE_PC),
)  # fmt: skip


class Row(NamedTuple):
    """One clock at one horizon, pooled over seeds."""

    clock: str
    summary: str
    hours: int
    bank_us: float
    longterm_us: float
    ratio: float
    interval: tuple[float, float] | None
    most: float
    """The largest ratio wanted."""


def judge(
    worlds: Sequence[Scenario],
    seeds: int,
    jobs: int,
    tell: Callable[[float, float], object] = lambda _done, _all: None,
    skip_s: float | None = None,
) -> tuple[list[Row], Document]:
    """Return the rows, and the bench's own document.

    What was foretold before `skip_s` is not scored; the bench's two hours by default.
    """
    settings = BenchSettings(
        scenarios=tuple(worlds),
        seeds=tuple(range(1, seeds + 1)),
        subjects=("bank", "longterm"),
        baseline="bank",
        horizons_s=tuple(3600.0 * h for h in HOURS),
        targets=1000,
        skip_s=skip_s,
    )
    document = perform(settings, locally(jobs), tell)
    found = {
        (r["scenario"], r["subject"], r["horizon_s"]): r for r in document["results"]
    }
    rows = []
    for world in worlds:
        for hours in HOURS:
            bank = found.get((world.name, "bank", 3600.0 * hours))
            ours = found.get((world.name, "longterm", 3600.0 * hours))
            if bank is None or ours is None or ours["ratio"] is None:
                continue
            rows.append(
                Row(
                    clock=world.name,
                    summary=world.summary,
                    hours=hours,
                    bank_us=bank["rmse_ns"] / 1e3,
                    longterm_us=ours["rmse_ns"] / 1e3,
                    ratio=ours["ratio"]["value"],
                    interval=ours["ratio"]["interval"],
                    most=DIURNAL[hours]
                    if world.name.startswith("diurnal")
                    else ANYWHERE,
                )
            )
    return rows, document


def main() -> None:
    """Judge the cells that were asked for and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--cell", choices=[each.name for each in CELLS])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--skip-hours", type=float, help="don't score what came before")
    options = parser.parse_args()
    chosen = tuple(each for each in CELLS if options.cell in (None, each.name))
    begun = time.perf_counter()
    skip_s = None if options.skip_hours is None else 3600.0 * options.skip_hours
    rows, document = judge(chosen, options.seeds, options.jobs, skip_s=skip_s)
    if options.out:
        write_bench(options.out, document)
        print(markdown(document))
    print(f"{options.seeds} seeds, {time.perf_counter() - begun:.0f} s")
    print("\n| clock | ahead | RMSE µs: bank / long-term | ratio, 95 % | wanted | |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        within = (
            ""
            if row.interval is None
            else f" [{row.interval[0]:.2f}, {row.interval[1]:.2f}]"
        )
        print(
            f"| {row.clock}: {row.summary} | {row.hours} h "
            f"| {row.bank_us:.0f} / {row.longterm_us:.0f} "
            f"| {row.ratio:.3f}{within} | ≤ {row.most:.2f} "
            f"| {'yes' if row.ratio <= row.most else 'NO'} |"
        )


if __name__ == "__main__":
    main()
