"""A bench that is killed leaves nobody behind."""

from __future__ import annotations

import subprocess
import sys

import psutil

from system.peers import wait_until

JOBS = 2


def test_a_killed_bench_leaves_no_process() -> None:
    """Also by a signal that nobody can catch: its processes see that it is gone."""
    words = ["bench", "--jobs", str(JOBS), "--scenario", "internet", "--seeds", "4"]
    bench = subprocess.Popen(
        [sys.executable, "-m", "chronotick", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        # A resource tracker of the standard library is the third.
        wait_until(lambda: len(psutil.Process(bench.pid).children()) > JOBS)
        ours = psutil.Process(bench.pid).children()
    finally:
        bench.kill()
        bench.wait()
    wait_until(lambda: not any(is_at_work(each) for each in ours))


def is_at_work(process: psutil.Process) -> bool:
    """Whether it is there, and not only waiting to be counted out."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
