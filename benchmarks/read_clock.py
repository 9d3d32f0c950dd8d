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
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

from chronotick.client.clock import Clock, PythonClock
from chronotick.core.records import Correction, Frame, Variance
from chronotick.core.status import Reason, Source, Status
from chronotick.daemon.clocks import HostClock
from chronotick.shm.__main__ import include_dir
from chronotick.shm.native import HOT, WHY
from chronotick.shm.writer import SegmentWriter

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOP = 500
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


def frame_now(host: HostClock) -> Frame:
    """Return a frame that says that UTC is CLOCK_REALTIME."""
    clocks = host.pair()
    return Frame(
        correction=Correction(
            raw_ns=clocks.raw_ns,
            utc_ns=clocks.realtime_ns,
            rate_ppb=1234.5,
            bound_ns=100_000,
            bound_growth_ppb=15_000,
            variance=Variance(1e8, 1.0, 100.0, 1.0),
            status=Status.SYNCHRONIZED,
            reasons=Reason.NONE,
            source=Source.FUSION,
            confidence=1.0,
            last_sync_raw_ns=clocks.raw_ns,
            measurement_count=1,
            delay_ns=250_000,
        ),
        clocks=clocks,
        void_after_raw_ns=clocks.raw_ns + 10**13,
        heartbeat_ns=10_000_000,
        correction_count=1,
        started_raw_ns=clocks.raw_ns,
    )


def publish(path: str, hertz: float) -> None:
    """Publish until killed."""
    host = HostClock()
    with SegmentWriter(path) as writer:
        while True:
            writer.publish(frame_now(host))
            time.sleep(1 / hertz)


def loop_ns(call: Callable[[], object]) -> float:
    """Return ns a call, of one loop."""
    turns = repeat(None, _LOOP)
    start = time.perf_counter_ns()
    for _ in turns:
        call()
    return (time.perf_counter_ns() - start) / _LOOP


def ends_ns(clock: PythonClock) -> float:
    """Return ns for an interval of which both ends are read."""
    call, turns = clock.interval, repeat(None, _LOOP)
    start = time.perf_counter_ns()
    for _ in turns:
        now = call()
        now.earliest_ns  # noqa: B018 - reading it is what is timed
        now.latest_ns  # noqa: B018
    return (time.perf_counter_ns() - start) / _LOOP


def readings(path: str) -> dict[str, Callable[[], float]]:
    """Return how to time one loop of each kind."""
    quick, plain = Clock(path), PythonClock(path)
    found: dict[str, Callable[[], float]] = {"time.time": lambda: loop_ns(time.time)}
    if HOT is not None:
        found["now"] = lambda: loop_ns(quick.now)
        found["now_ns"] = lambda: loop_ns(quick.now_ns)
        found["interval"] = lambda: loop_ns(quick.interval)
        found["interval, both ends"] = lambda: ends_ns(quick)
    found["now, pure Python"] = lambda: loop_ns(plain.now)
    found["now_ns, pure Python"] = lambda: loop_ns(plain.now_ns)
    found["interval, pure Python, both ends"] = lambda: ends_ns(plain)
    return found


def least_ns(path: str, iterations: int) -> dict[str, float]:
    """Return the least loop of each kind, taken in turns."""
    kinds = readings(path)
    best = dict.fromkeys(kinds, float("inf"))
    for _ in range(max(iterations // _LOOP, 1)):
        for name, measure in kinds.items():
            best[name] = min(best[name], measure())
    return best


def percentiles_ns(call: Callable[[], object], count: int) -> dict[str, int]:
    """Return percentiles of single calls."""
    clock = time.perf_counter_ns
    taken = []
    for _ in range(count):
        start = clock()
        call()
        taken.append(clock() - start)
    taken.sort()
    found = {f"p{p:g}": taken[int(count * p / 100)] for p in (50, 90, 99, 99.9)}
    return found | {"max": taken[-1]}


def cold_ns(call: Callable[[], object], count: int = 50) -> int:
    """Return the median of calls whose code and data left the caches."""
    memory = bytearray(8 << 20)
    taken = []
    for _ in range(count):
        sum(memory[::64])
        start = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - start)
    return sorted(taken)[count // 2]


def attach_ns(path: str, count: int = 200) -> int:
    """Return the median of attaching and reading once."""
    taken = []
    for _ in range(count):
        start = time.perf_counter_ns()
        with Clock(path) as clock:
            clock.now()
        taken.append(time.perf_counter_ns() - start)
    return sorted(taken)[count // 2]


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


def read_at_once(path: str, readers: int, iterations: int) -> list[float]:
    """Return now_ns of so many processes at once, each in ns a call."""
    with multiprocessing.get_context("spawn").Pool(readers) as pool:
        return pool.starmap(_read_alone, [(path, iterations)] * readers)


def _read_alone(path: str, iterations: int) -> float:
    call = Clock(path).now_ns
    return min(loop_ns(call) for _ in range(max(iterations // _LOOP, 1)))


def report(found: dict[str, float]) -> bool:
    """Print each kind beside time.time(); say whether all limits are met."""
    base, good = found["time.time"], True
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
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        path = os.path.join(directory, "segment")
        with SegmentWriter(path) as writer:
            writer.publish(frame_now(HostClock()))
        context = multiprocessing.get_context("spawn")
        process = context.Process(
            target=publish, args=(path, given.writer_hz), daemon=True
        )
        process.start()
        os.sched_setaffinity(0, {cores[-1]})
        found = least_ns(path, given.iterations) | c_loop_ns(path)
        with Clock(path) as clock:
            single = percentiles_ns(clock.now_ns, given.iterations)
            cold = cold_ns(clock.now_ns)
        attach = attach_ns(path)
        os.sched_setaffinity(0, cores)
        crowd = (
            read_at_once(path, given.readers, given.iterations) if given.readers else []
        )
        process.kill()
        process.join()
    if given.json:
        print(
            json.dumps(
                {
                    "reader": WHY,
                    "least_ns": found,
                    "ratios": {k: v / found["time.time"] for k, v in found.items()},
                    "single_now_ns": single,
                    "cold_now_ns": cold,
                    "attach_ns": attach,
                    "readers_at_once_ns": crowd,
                }
            )
        )
        return 0
    print(f"reader: {WHY}; writer at {given.writer_hz:g} Hz; core {cores[-1]}")
    good = report(found)
    told = ", ".join(f"{name} {ns}" for name, ns in single.items())
    print(f"single calls of now_ns, timing included, in ns: {told}")
    print(f"cold call of now_ns: {cold} ns; attach and first reading: {attach} ns")
    if crowd:
        print(
            f"{given.readers} processes at once: now_ns {max(crowd):.1f} ns in the slowest"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
