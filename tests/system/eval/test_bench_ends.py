"""A bench that is killed leaves nobody behind, and what is done is not lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest

from system.eval.dask_cluster import dask_cluster
from system.peers import wait_until

if TYPE_CHECKING:
    from pathlib import Path

JOBS = 2
BENCH = [
    sys.executable, "-m", "chronotick", "bench", "--scenario", "lan",
    "--model", "hold", "--horizons", "60s", "--targets", "50",
]  # fmt: skip


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


def kept(folder: Path) -> set[Path]:
    """Return the cells that lie there, those that are still written left out."""
    return set((folder / "cells").glob("*.cell"))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_same_command_goes_on_where_a_killed_one_ended(
    how: signal.Signals, tmp_path: Path
) -> None:
    """Its processes write nothing half, and the numbers are those of one bench."""
    words = [*BENCH, "--seeds", "8", "--hours", "12", "--jobs", str(JOBS), "--out"]
    killed = subprocess.Popen(
        [*words, str(tmp_path / "out")], stdout=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: len(kept(tmp_path / "out")) >= 1)
    finally:
        killed.send_signal(how)
        killed.wait()
    before = len(kept(tmp_path / "out"))

    ended = subprocess.run(
        [*words, str(tmp_path / "out")], capture_output=True, text=True, check=True
    )
    subprocess.run(
        [*words, str(tmp_path / "whole")], stdout=subprocess.DEVNULL, check=True
    )

    assert f"done before: {before} of 8 cells" in ended.stderr
    one, other = (
        (tmp_path / folder / "bench.json").read_bytes() for folder in ("out", "whole")
    )
    assert one == other


def test_a_scheduler_that_dies_is_one_line_and_nothing_done_is_lost(
    tmp_path: Path,
) -> None:
    """Dask's client tells of it too, with tracebacks: not here."""
    out = tmp_path / "out"
    words = [*BENCH, "--seeds", "200", "--hours", "12", "--out", str(out)]
    with dask_cluster(tmp_path / "dask", "a") as running:
        bench = subprocess.Popen(
            [*words, "--scheduler", running.scheduler],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            wait_until(lambda: len(kept(out)) >= 2)
            running.head.kill()
            _, said = bench.communicate(timeout=100)
        finally:
            with suppress(ProcessLookupError):
                bench.kill()

    assert bench.returncode == 1
    assert said.count("\n") == 1, said
    assert f"the Dask scheduler at {running.scheduler} is gone; kept: " in said
    assert f"kept: {len(kept(out))} of 200 cells" in said
