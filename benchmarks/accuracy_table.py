"""The one table: each claim about accuracy and cost, measured, with its interval.

``python benchmarks/accuracy_table.py [--quick] [--jobs 2] [--json FILE]``

Runs the other accuracy benchmarks (each can be run alone, and says more) and judges:
`accuracy_ntpstats`, `models_chronyd`, `accuracy_bounds`, `accuracy_steps`,
`models_longterm`, `accuracy_cost`, `sim_day`. Seeded: all but the costs comes out the
same on any machine with the same versions. Four to fifteen minutes on two cores;
``--quick`` takes one seed of everything. A claim holds if the measured value meets the
target, whatever its interval. Progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from importlib.metadata import version
from math import exp, log
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from ntpstats.simulate import PRESETS

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks import (
    accuracy_bounds,
    accuracy_cost,
    accuracy_ntpstats,
    accuracy_steps,
    models_chronyd,
    models_longterm,
    sim_day,
)
from chronotick.eval.accuracy.bench_simulation import summarize
from chronotick.eval.accuracy.bench_world import Pace, Plan, run
from chronotick.models.arithmetic import BANK, WHY
from chronotick.sim.scenario import load_scenario, scenario_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.models_chronyd import Run
    from chronotick.sim.scenario import Scenario

MODELS, DAEMON = "dual", "product"
FAR_H = 24.0
"""Hours of each packaged scenario, at most."""
MICRO_S, MILLI_S, MEMORY_MB = 150.0, 1.0, 80.0
FROM, EACH = {0.99: 0.005, 0.999: 0.001}, {0.99: 0.98, 0.999: 0.995}
WIDEST = {0.99: 1.6, 0.999: 2.0}


class Claim(NamedTuple):
    """A line of the table."""

    claim: str
    measured: str
    interval: str
    target: str
    holds: str


class Task(NamedTuple):
    """A piece for one process."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Found(NamedTuple):
    """What the pieces found."""

    presets: dict[str, Any]
    product: list[Run]
    bank: list[Run]
    steps: list[accuracy_steps.Recovery]
    worlds: dict[str, dict[str, Any]]
    longterm: list[models_longterm.Row]
    longterm_later: list[models_longterm.Row]
    """The slowest to be learned, without the day in which nothing of a day is known."""


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="one seed of everything")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--json", type=Path, help="where the numbers go, for the figures"
    )
    options = parser.parse_args()
    seeds = 1 if options.quick else None
    # First, while nothing else of ours runs.
    costs = list(cost(1 if options.quick else 3))
    found = measure(seeds, options.jobs)
    claims = [
        *referee(found.presets),
        *against_chronyd(found.product),
        *holdover(found.product),
        false_jumps(found),
        *steps(found.steps),
        *longterm(found.longterm),
        *longterm(found.longterm_later),
        *bounds(found.product),
        *hard(found),
        *costs,
    ]
    print(about(seeds) + "\n")
    print(table(claims))
    if options.json:
        options.json.write_text(json.dumps(document(claims, found), indent=1) + "\n")


def about(seeds: int | None) -> str:
    """Say what was measured with."""
    packages = ("chronotick", "numpy", "ntpstats")
    named = ", ".join(f"{name} {version(name)}" for name in packages)
    much = "one seed of everything" if seeds else "all seeds"
    python = f"Python {platform.python_version()}"
    bank = "C" if BANK is not None else f"numpy ({WHY})"
    return f"{named}, {python}, the bank in {bank}; {much}; costs on {processor()}"


def processor() -> str:
    """Return the processor's name for itself."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def table(claims: Sequence[Claim]) -> str:
    """Return the claims as Markdown."""
    lines = [
        "| claim | measured | 95 % interval | target | holds |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {' | '.join(each)} |" for each in claims]
    return "\n".join(lines)


def document(claims: Sequence[Claim], found: Found) -> dict[str, Any]:
    """Return the numbers, as JSON's own types."""
    return {
        "claims": [each._asdict() for each in claims],
        "chronyd": [
            asdict(models_chronyd.summarize(each))
            for each in models_chronyd.grouped(found.product)
        ],
        "longterm": [each._asdict() for each in found.longterm],
        "steps": [each._asdict() for each in found.steps],
        "worlds": found.worlds,
        "presets": {
            name: [asdict(each) for part in parts for each in part]
            for name, parts in found.presets.items()
        },
    }


# ── Measuring ────────────────────────────────────────────────────────────────


def measure(seeds: int | None, jobs: int) -> Found:
    """Compute all pieces, the longest ones first."""
    names = models_chronyd.recordings(seeds)
    names.sort(key=lambda name: -(models_chronyd.DATA / f"{name}.exchanges.csv.gz").stat().st_size)  # fmt: skip
    referees = tuple(range(1, 1 + (seeds or 5)))
    tasks = [
        *(Task(f"product {n}", models_chronyd.replay, (n, "product")) for n in names),
        *(Task(f"bank {n}", models_chronyd.replay, (n, "bank")) for n in names),
        *(
            Task(f"ntpstats {preset}", accuracy_ntpstats.judge, (preset, referees))
            for preset in accuracy_ntpstats.NAMES
        ),
        *(
            Task(
                f"step {step} {mode} {model}",
                accuracy_steps.recovery,
                (step, mode, seeds or 10, model),
            )
            for mode in accuracy_steps.MODES
            for step in accuracy_steps.STEPS
            for model in (MODELS, DAEMON)
        ),
        *(Task(f"world {name}", in_world, (name,)) for name in scenario_names()),
    ]
    done = performed(tasks, jobs)

    def of(kind: str) -> dict[str, Any]:
        return {
            task.name.partition(" ")[2]: done[task.name]
            for task in tasks
            if task.name.startswith(f"{kind} ")
        }

    return Found(
        presets=of("ntpstats"),
        product=[value for _, value in sorted(of("product").items())],
        bank=[value for _, value in sorted(of("bank").items())],
        steps=list(of("step").values()),
        worlds=of("world"),
        longterm=ahead(models_longterm.CELLS, seeds, jobs),
        longterm_later=[
            row._replace(summary=f"{row.summary}, from the second day on")
            for row in ahead([models_longterm.OFFICE], seeds, jobs, skip_s=86_400.0)
        ],
    )


def ahead(
    worlds: Sequence[Scenario],
    seeds: int | None,
    jobs: int,
    skip_s: float | None = None,
) -> list[models_longterm.Row]:
    """Return how the long-term ensemble does on these clocks."""

    def tell(done: float, of: float) -> None:
        say(f"long-term {done:g}/{of:g}")

    rows, _ = models_longterm.judge(worlds, seeds or 4, jobs, tell, skip_s)
    return rows


def performed(tasks: Sequence[Task], jobs: int) -> dict[str, Any]:
    """Return what comes of each task, by name."""
    # A fork would copy whatever threads this process has.
    context = multiprocessing.get_context("spawn")
    done: dict[str, Any] = {}
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        pending = {pool.submit(each.function, *each.arguments): each for each in tasks}
        for future in as_completed(pending):
            done[pending[future].name] = future.result()
            say(f"{len(done)}/{len(tasks)} {pending[future].name}")
    return done


def in_world(name: str) -> dict[str, Any]:
    """Return what a whole daemon's hard intervals did in a packaged scenario."""
    scenario = load_scenario(name)
    length_s = min(scenario.duration_s, FAR_H * 3600.0)
    simulated = run(scenario, Plan(seed=1, length_s=length_s, keep_every_s=3600.0))
    summary = summarize(simulated)
    kept = ("hard_intervals_checked", "hard_violations", "hard_unknowable", "hours")
    return {key: summary[key] for key in kept}


def say(text: str) -> None:
    """Tell whoever waits."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


# ── Judging ──────────────────────────────────────────────────────────────────


def verdict(holds: bool) -> str:
    """Return the last column."""
    return "yes" if holds else "**no**"


def rounded(value: float) -> str:
    """Return three digits, and all of those before the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def span(low: float, high: float, digits: int = 2) -> str:
    """Return an interval."""
    return f"{low:,.{digits}f} to {high:,.{digits}f}"


def referee(presets: dict[str, Any]) -> Iterator[Claim]:
    """Judge what ntpstats' bench says."""
    judge = accuracy_ntpstats
    for preset, (rows, checks) in presets.items():
        single = not PRESETS[preset].servers
        rivals = [judge.best_rival(rows, sees_all=each) for each in (False, True)]
        real = [each for each in rivals if each is not None]
        # With one server all estimators have seen the same.
        for rival in [min(real, key=lambda each: each.rms_us)] if single else real:
            seen = "" if single else ", 4 servers" if rival.sees_all else ", its first"
            yield Claim(
                f"ntpstats `{preset}`{seen}: RMS over the best causal rival's ({rival.estimator})",
                f"{rival.ratio:.2f}",
                span(*rival.interval),
                f"≤ {judge.WANTED_RATIO:.2f}",
                verdict(rival.ratio <= judge.WANTED_RATIO),
            )
        for one in checks:
            if one.bound in {"hard", "calibrated_99"}:
                yield held_by(preset, one)


def held_by(preset: str, one: accuracy_ntpstats.BoundRow) -> Claim:
    """Judge a bound in one of ntpstats' presets."""
    wanted = accuracy_ntpstats.WANTED[one.bound]
    claim = f"ntpstats `{preset}`: {one.bound.replace('_', ' ')} holds"
    if one.coverage is None:
        return Claim(claim, "nothing claimed", "–", "", "not judged: never claimed")
    return Claim(
        claim,
        f"{100 * one.coverage:.2f} % of {one.compared:,}",
        "no miss" if not one.missed else f"{one.missed} missed",
        f"≥ {100 * wanted:g} %",
        verdict(one.coverage >= wanted),
    )


def against_chronyd(runs: list[Run]) -> Iterator[Claim]:
    """Judge the ratios to chronyd's clock."""
    for group in models_chronyd.grouped(runs):
        row = models_chronyd.summarize(group)
        if row.target is None:
            continue
        whose = "default polling, over chronyd's"
        if row.mode == "fast":
            whose = "4 s polling, over the tuned chronyd's"
        yield Claim(
            f"`{row.scenario}`, {whose}",
            f"{row.ratio:.3f} ({rounded(row.rms_us)} / {rounded(row.chronyd_us)} µs)",
            span(*row.interval),
            f"≤ {row.target:.2f}",
            verdict(row.ratio <= row.target),
        )


def holdover(runs: list[Run]) -> Iterator[Claim]:
    """Judge the hours without a server, default polling."""
    for group in models_chronyd.grouped(runs):
        row = models_chronyd.summarize(group)
        if row.mode != "def":
            continue
        for hours, (ours, theirs) in row.holdover_us.items():
            most = models_chronyd.HOLDOVER_TARGETS[row.scenario][hours]
            count = len(group) * len(models_chronyd.OUTAGES[hours])
            yield Claim(
                f"`{row.scenario}`: {hours} h without a server, over chronyd's",
                f"{ours / theirs:.2f} ({ours:,.0f} / {theirs:,.0f} µs)",
                f"– ({count} outages)",
                f"≤ {most:.2f}",
                verdict(ours <= most * theirs),
            )


def false_jumps(found: Found) -> Claim:
    """Judge whether anything was ever taken for a step where there was none."""
    jumps = sum(run.jumps for run in (*found.product, *found.bank))
    hours = sum(run.t_s[-1] - run.t_s[0] for run in found.product) / 3600.0
    return Claim(
        f"false steps in {len(found.product)} replays, {hours:,.0f} h",
        f"{jumps}",
        "no miss" if not jumps else "–",
        "0",
        verdict(not jumps),
    )


def steps(found: Sequence[accuracy_steps.Recovery]) -> Iterator[Claim]:
    """Judge how soon true steps are recovered from."""
    names = {"def": "1024 s polls", "fast": "4 s polls", "usual": "64 s polls"}
    daemon = {
        (each.step, each.mode): accuracy_steps.median(each.stays_s)[0]
        for each in found
        if each.model == DAEMON
    }
    for each in found:
        if each.model == DAEMON:
            continue
        target = accuracy_steps.MODES[each.mode].target_s.get(each.step)
        middle, low, high = accuracy_steps.median(each.stays_s)
        yield Claim(
            f"step of {each.step.replace('both', '5 ppm and 20 ms')}, "
            f"{names[each.mode]}: s until the models err by < 1 ms (the daemon)",
            f"{middle:,.0f} ({daemon[each.step, each.mode]:,.0f})",
            span(low, high, 0),
            "" if target is None else f"≤ {target:,.0f}",
            recovered(middle, daemon[each.step, each.mode], target),
        )


def recovered(models_s: float, daemon_s: float, target_s: float | None) -> str:
    """Say whether models and daemon are as fast as wanted."""
    if target_s is None:
        return "not judged: no figure to compare"
    if models_s <= target_s < daemon_s:
        return "models yes, daemon **no**"
    return verdict(models_s <= target_s)


def longterm(rows: Sequence[models_longterm.Row]) -> Iterator[Claim]:
    """Judge the long-term ensemble against the bank, a line for each clock."""
    for clock in dict.fromkeys(row.clock for row in rows):
        mine = [row for row in rows if row.clock == clock]
        hours = "/".join(str(row.hours) for row in mine)
        yield Claim(
            f"long-term over short-term, {mine[0].summary} (`{clock}`), {hours} h",
            " / ".join(f"{row.ratio:.2f}" for row in mine),
            " / ".join(span(*row.interval) if row.interval else "–" for row in mine),
            "≤ " + " / ".join(f"{row.most:.2f}" for row in mine),
            " / ".join(verdict(row.ratio <= row.most) for row in mine),
        )


def bounds(runs: list[Run]) -> Iterator[Claim]:
    """Judge coverage and width of the calibrated intervals on chronyd's exchanges."""
    for level in accuracy_bounds.LEVELS:
        name = f"calibrated {100 * level:g} %"
        pooled = accuracy_bounds.held(runs, level, "all")
        cells = accuracy_bounds.by_cell(runs, level)
        worst = min(cells, key=lambda each: each.coverage)
        yield Claim(
            f"{name} interval holds, {len(cells)} cells pooled, "
            f"{pooled.error_us.size:,} instants",
            f"{100 * pooled.coverage:.3f} %",
            percent(pooled.interval),
            f"{100 * level:g} ± {100 * FROM[level]:g} %",
            verdict(abs(pooled.coverage - level) <= FROM[level])
            + (" (holds too often)" if pooled.coverage > level + FROM[level] else ""),
        )
        yield Claim(
            f"{name} interval holds, worst cell (`{worst.cell}`)",
            f"{100 * worst.coverage:.3f} %",
            percent(worst.interval),
            f"≥ {100 * EACH[level]:g} %",
            verdict(worst.coverage >= EACH[level]),
        )
        yield width(name, level, cells)


def width(name: str, level: float, cells: list[accuracy_bounds.Held]) -> Claim:
    """Judge how wide the intervals are."""
    steady = [
        each
        for each in cells
        if each.cell.partition(" ")[0] not in accuracy_bounds.OUTAGES
    ]
    middle, interval = accuracy_bounds.mean_width(steady, level)
    widths = {each.cell: each.width(level) for each in steady}
    thin, wide = (
        min(widths, key=widths.__getitem__),
        max(widths, key=widths.__getitem__),
    )
    return Claim(
        f"{name}: median half width over the oracle's, geometric mean of {len(steady)} cells "
        f"(least `{thin}`, most `{wide}`)",
        f"{middle:.2f} ({widths[thin]:.2f} to {widths[wide]:.2f})",
        span(*interval),
        f"≤ {WIDEST[level]:.1f}",
        verdict(middle <= WIDEST[level]),
    )


def percent(interval: tuple[float, float] | None) -> str:
    """Return an interval of a share."""
    if interval is None:
        return "no miss"
    return span(100 * interval[0], 100 * interval[1], 3)


def hard(found: Found) -> Iterator[Claim]:
    """Judge the hard bound."""
    missed, of = accuracy_bounds.hard_misses(found.product)
    yield Claim(
        f"hard bound, chronyd's exchanges: misses of {of:,} instants",
        f"{missed}", "no miss" if not missed else "–", "0", verdict(not missed),
    )  # fmt: skip
    worlds = found.worlds.values()
    missed = sum(each["hard_violations"] for each in worlds)
    excused = sum(each["hard_unknowable"] for each in worlds)
    of = sum(each["hard_intervals_checked"] for each in worlds)
    hours = sum(each["hours"] for each in worlds)
    yield Claim(
        f"hard bound, whole daemon in the {len(found.worlds)} packaged scenarios, "
        f"{hours:,.0f} h: misses of {of:,} intervals",
        f"{missed} (and {excused} right after RAW leapt or stood still unseen)",
        "no miss" if not missed else "–", "0", verdict(not missed),
    )  # fmt: skip


def cost(times: int) -> Iterator[Claim]:
    """Measure and judge what it costs."""
    say("cost")
    bank, update = accuracy_cost.of_models()
    whole, slow = accuracy_cost.of_estimator(), accuracy_cost.without_c()
    yield priced("CPU of the short-term model a measurement", "µs", bank, MICRO_S)
    yield priced("CPU of the whole estimator a measurement", "µs", whole, MICRO_S)
    yield priced("CPU of the whole estimator without the C module", "µs", slow, MICRO_S)
    yield priced("CPU of a long-term update, 72 h of history", "ms", update, MILLI_S)
    memory = [accuracy_cost.resident_mb() for _ in range(times)]
    yield Claim(
        "memory of the daemon, default models",
        f"{max(memory):.0f} MB",
        ranged(memory, 0),
        f"< {MEMORY_MB:g} MB",
        verdict(max(memory) < MEMORY_MB),
    )
    torch = accuracy_cost.needs_torch()
    yield Claim("torch in the default install", "yes" if torch else "no", "–", "no", verdict(not torch))  # fmt: skip
    say("24 h of four servers")
    days = [
        sim_day.measure("internet", 24.0, Pace(), k)[0] for k in range(1, times + 1)
    ]
    yield Claim(
        "24 h of four servers, simulated: CPU s, geometric mean",
        f"{exp(sum(map(log, days)) / len(days)):.1f}",
        ranged(days, 1),
        f"< {sim_day.TARGET_S:g}",
        verdict(float(np.max(days)) < sim_day.TARGET_S),
    )


def priced(name: str, unit: str, each: accuracy_cost.Cost, most: float) -> Claim:
    """Judge a cost."""
    return Claim(
        f"{name}, undisturbed quarter of {each.calls:,}",
        f"{each.median:.3g} {unit} at a `time.time()` of {each.pace_ns:.0f} ns (all: "
        f"{each.everything:.3g} {unit} at {each.everything_pace_ns:.0f} ns)",
        f"{each.low:.3g} to {each.high:.3g}",
        f"≤ {most:g} {unit}",
        verdict(each.median <= most),
    )


def ranged(values: Sequence[float], digits: int) -> str:
    """Return the range of a few runs, which is no interval."""
    if len(values) == 1:
        return "– (one run)"
    return f"range {span(min(values), max(values), digits)}"


if __name__ == "__main__":
    main()
