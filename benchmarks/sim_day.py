"""What a day costs: 24 h of four servers through the production pipeline, one core.

``python benchmarks/sim_day.py [--scenario internet] [--hours 24]``

Prints CPU seconds with the usual pace (few heartbeats and looks at the clocks, since
nobody watches) and with that of a real daemon, and where they go.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections import defaultdict
from pathlib import Path

from chronotick.eval.accuracy.bench_world import Pace, Plan, run
from chronotick.sim.scenario import load_scenario

TARGET_S = 20.0
SOURCE = str(Path(__file__).parents[1] / "src")
REAL = Pace(watch_s=1.0, refresh_s=0.0, report_s=1.0)


def measure(
    scenario: str, hours: float, pace: Pace, seed: int = 1
) -> tuple[float, int]:
    """Return CPU seconds and the number of publications."""
    plan = Plan(seed=seed, length_s=hours * 3600.0, keep_every_s=60.0, pace=pace)
    begun = time.process_time()
    done = run(load_scenario(scenario), plan)
    return time.process_time() - begun, done.recorder.count


def split(scenario: str, hours: float) -> dict[str, float]:
    """Return the share of each room, by a profile of its own functions."""
    profile = cProfile.Profile()
    profile.enable()
    measure(scenario, hours, Pace())
    profile.disable()
    spent: dict[str, float] = defaultdict(float)
    for (file, _, _), (_, _, own_s, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        spent[room(file)] += own_s
    total = sum(spent.values())
    return {name: own_s / total for name, own_s in sorted(spent.items())}


def room(file: str) -> str:
    """Return the package and room that a file belongs to."""
    if not file.startswith(SOURCE):
        return "event loop, numpy, Python"
    package, *rest = Path(file).relative_to(SOURCE).parts
    return f"{package}.{rest[0]}" if len(rest) > 1 else package


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="internet")
    parser.add_argument("--hours", type=float, default=24.0)
    options = parser.parse_args()
    servers = len(load_scenario(options.scenario).servers)
    print(f"{options.hours:g} h of {options.scenario}, {servers} server(s)\n")
    print("| pace | CPU s | publications | target |")
    print("|---|---|---|---|")
    for name, pace in (("usual", Pace()), ("a real daemon's, 1 Hz", REAL)):
        cpu_s, count = measure(options.scenario, options.hours, pace)
        limit_s = TARGET_S * options.hours / 24.0
        target = f"< {limit_s:g}" if name == "usual" else ""
        print(f"| {name} | {cpu_s:.1f} | {count:,} | {target} |", flush=True)
    print("\n| where (usual pace) | share |\n|---|---|")
    shares = split(options.scenario, options.hours / 4.0)
    for name, share in sorted(shares.items(), key=lambda item: -item[1]):
        if share >= 0.005:
            print(f"| {name} | {100 * share:.0f} % |")


if __name__ == "__main__":
    main()
