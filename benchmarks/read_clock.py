"""What a reading costs, as a ratio to `time.time()`, on one pinned core.

    python benchmarks/read_clock.py [--iterations N] [--writer-hz HZ] [--readers N] [--json]

A writer process publishes this host's own clock at --writer-hz. Each kind of reading is
timed in short uninterrupted loops, in turns with the others; the least loop of each is
what it costs when nobody disturbs. Percentiles are of single calls and include the
price of timing them. A cold call is the first after another 8 MB of memory were read.
With --readers, that many processes read at once, and the slowest is shown.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from chronotick.cli.crowd import read_at_once
from chronotick.cli.latency import summarize
from chronotick.cli.readings import (
    SYSTEM,
    Reading,
    attach_ns,
    batches_ns,
    both_ends,
    cold_ns,
    pinned,
    single_calls_s,
)
from chronotick.cli.republish import republished
from chronotick.client.clock import Clock, PythonClock
from chronotick.shm.__main__ import include_dir
from chronotick.shm.native import HOT, WHY

# What is asked for, as ratios to time.time(); the rest is for comparison.
_LIMITS = {
    "now": 1.1,
    "now_ns": 1.4,
    "interval, both ends": 2.2,
    "now_ns, pure Python": 7.0,
    "C loop, now_ns": 0.8,
}
_C_LOOP = r"""
#include <chronotick.h>
int main(int argc, char **argv) {
    struct chronotick_reader r;
    struct chronotick_interval v;
    int64_t n, sum = 0, best[2] = {INT64_MAX, INT64_MAX};
    int error = chronotick_open(&r, argc > 1 ? argv[1] : NULL);
    for (int turn = 0; !error && turn < 3000; turn++) {
        int64_t a = chronotick__clock(CLOCK_MONOTONIC_RAW);
        for (int i = 0; i < 1000; i++) error |= chronotick_now_ns(&r, &n), sum += n;
        int64_t b = chronotick__clock(CLOCK_MONOTONIC_RAW);
        for (int i = 0; i < 1000; i++)
            if (!(error |= chronotick_interval_now(&r, &v))) sum += v.earliest_ns;
        int64_t c = chronotick__clock(CLOCK_MONOTONIC_RAW);
        if (b - a < best[0]) best[0] = b - a;
        if (c - b < best[1]) best[1] = c - b;
    }
    printf("%f %f %d\n", (double)best[0] / 1000, (double)best[1] / 1000, (int)(sum & 1));
    return error;
}
"""


def readings(path: str) -> list[Reading]:
    """Return what is timed."""
    quick, plain = Clock(path), PythonClock(path)
    native = [
        Reading("now", quick.now),
        Reading("now_ns", quick.now_ns),
        Reading("interval", quick.interval),
        both_ends("interval, both ends", quick),
    ]
    return [
        SYSTEM,
        *(native if HOT is not None else []),
        Reading("now, pure Python", plain.now),
        Reading("now_ns, pure Python", plain.now_ns),
        both_ends("interval, pure Python, both ends", plain),
    ]


def least_ns(path: str, iterations: int) -> dict[str, float]:
    """Return the least loop of each kind, taken in turns."""
    kinds = readings(path)
    found = batches_ns(kinds, iterations)
    return {kind.name: min(batches) for kind, batches in zip(kinds, found, strict=True)}


def c_loop_ns(path: str) -> dict[str, float]:
    """Return the header's loops; nothing where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return {}
    with tempfile.TemporaryDirectory() as directory:
        source, program = Path(directory, "loop.c"), Path(directory, "loop")
        source.write_text(_C_LOOP)
        flags = ["-O2", "-w", f"-I{include_dir()}"]
        subprocess.run([compiler, *flags, str(source), "-o", str(program)], check=True)
        out = subprocess.run(
            [str(program), path], check=True, capture_output=True, text=True
        ).stdout.split()
    return {"C loop, now_ns": float(out[0]), "C loop, interval": float(out[1])}


def report(found: dict[str, float]) -> bool:
    """Print each kind beside time.time(); say whether all limits are met."""
    base, good = found[SYSTEM.name], True
    for name, cost_ns in found.items():
        limit = _LIMITS.get(name)
        ratio = cost_ns / base
        verdict = "" if limit is None else f"  (at most {limit})"
        if limit is not None and ratio > limit:
            verdict, good = verdict + "  MISSED", False
        print(f"{name:34} {cost_ns:9.1f} ns {ratio:7.2f}{verdict}")
    return good


def main() -> int:
    """Run the benchmark; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=200_000)
    parser.add_argument("--writer-hz", type=float, default=100.0)
    parser.add_argument("--readers", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with republished(given.writer_hz) as own:
        path = own.path
        with pinned() as core, Clock(path) as clock:
            found = least_ns(path, given.iterations) | c_loop_ns(path)
            reading = Reading("now_ns", clock.now_ns)
            single = summarize(single_calls_s(reading, given.iterations))
            cold, attach = cold_ns(reading), attach_ns(path)
        crowd = (
            read_at_once(path, given.readers, given.iterations) if given.readers else []
        )
        achieved_hz = own.achieved_hz()
    if given.json:
        print(
            json.dumps(
                {
                    "reader": WHY,
                    "least_ns": found,
                    "ratios": {k: v / found[SYSTEM.name] for k, v in found.items()},
                    "single_now_ns": single.percentiles_ns | {"max": single.max_ns},
                    "cold_now_ns": cold,
                    "attach_ns": attach,
                    "readers_at_once_ns": [reader.now_ns_ns for reader in crowd],
                }
            )
        )
        return 0
    print(f"reader: {WHY}; writer at {achieved_hz:.1f} Hz; core {core}")
    good = report(found)
    told = ", ".join(f"p{p:g} {ns:.0f}" for p, ns in single.percentiles_ns.items())
    print(f"single calls of now_ns, timing included, in ns: {told}")
    print(
        f"cold call of now_ns: {cold:.0f} ns; attach and first reading: {attach:.0f} ns"
    )
    if crowd:
        slowest_ns = max(reader.now_ns_ns for reader in crowd)
        print(
            f"{len(crowd)} processes at once: now_ns {slowest_ns:.1f} ns in the slowest"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
