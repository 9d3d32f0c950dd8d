"""Coordinator and workers as separate programs on a real host with a real daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from chronotick.eval.streaming.analyze import analyze
from system.peers import chronyd, free_port, running_daemon, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVAL = "from chronotick.cli.eval import command; command.main(prog_name='eval')"


def eval_command(*words: str) -> list[str]:
    """Return the command line of a verb of the evaluation."""
    return [sys.executable, "-c", EVAL, *words]


@contextmanager
def worker(
    folder: Path, name: str, port: int, *words: str
) -> Iterator[subprocess.Popen[str]]:
    """Run a worker program; end it on the way out."""
    process = subprocess.Popen(
        eval_command(
            "worker", "--node-id", name, "--listen", "127.0.0.1",
            "--listen-port", str(port), "--output", str(folder / f"worker_{name}.csv"),
            *words,
        ),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def rows(path: Path) -> int:
    """Return how many events are recorded in a file."""
    return len(path.read_text().splitlines()) - 1 if path.exists() else 0


@pytest.mark.timeout(180)
def test_a_worker_that_is_killed_is_a_named_failure_and_costs_nobody_else(
    tmp_path: Path,
) -> None:
    """One of two is killed mid-run: the other's events and the coordinator's are kept."""
    key = tmp_path / "key"
    key.write_bytes(os.urandom(24).hex().encode())
    out = tmp_path / "run"
    ports = [free_port(), free_port()]
    with (
        chronyd(tmp_path / "chrony") as ntp,
        running_daemon(tmp_path / "segment", "--server", f"127.0.0.1:{ntp}"),
    ):
        common = ["--segment", str(tmp_path / "segment"), "--key-file", str(key)]
        common += ["--ntp-server", f"127.0.0.1:{ntp}"]
        with (
            worker(out, "a", ports[0], *common) as a,
            worker(out, "b", ports[1], *common) as b,
        ):
            coordinator = subprocess.Popen(
                eval_command(
                    "coordinator", "--listen", "127.0.0.1", "--num-events", "80",
                    "--workers", f"a=127.0.0.1:{ports[0]},b=127.0.0.1:{ports[1]}",
                    "--pattern", "medium", "--output", str(out / "coordinator.csv"),
                    *common,
                ),
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            wait_until(lambda: rows(out / "coordinator.csv") >= 5, 60.0)
            b.kill()
            said, complaints = coordinator.communicate(timeout=60)
            assert a.wait(timeout=30) == 0
            counts = json.loads((a.stdout and a.stdout.read()) or "{}")

    assert coordinator.returncode == 1
    assert f"b at 127.0.0.1:{ports[1]}: did not acknowledge the end" in complaints
    assert "Traceback" not in complaints
    assert json.loads(said)["events"] == 80
    assert counts["event"] == 80
    assert rows(out / "worker_a.csv") == 80
    assert rows(out / "coordinator.csv") == 80
    statistics = analyze(out).statistics
    hard = statistics["causality"]["clocks"]["hard"]
    assert hard["judged"] >= 80
    assert hard["contradictions"] == 0
    assert statistics["ordering"]["clocks"]["ntp"]["judged"] >= 80
    claims = {claim["id"]: claim for claim in statistics["claims"]}
    # b acknowledged what it had no time to write, and the report does not hide it.
    assert claims["recorded"]["holds"] is False
    assert claims["recorded"]["nodes"].keys() == {"b"}
    assert statistics["verdict"] == "broken"
    assert claims["hard_coverage"]["holds"] is None
    assert claims["hard_coverage"]["why"] == "the true times are not known"
