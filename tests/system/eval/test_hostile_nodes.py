"""Nodes that hang, end, cannot write or have strange names: named, and nobody else's loss."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from chronotick.core.errors import ConfigError
from chronotick.core.records import Endpoint
from chronotick.eval.streaming.launchers import LocalLauncher
from chronotick.eval.streaming.node import NodeSettings
from chronotick.eval.streaming.run import FolderInUse, RunSettings, run_nodes
from chronotick.eval.streaming.tables import NULL, read_run
from ipv6 import needs_ipv6
from system.agents.servers import http_server
from system.peers import chronyd, free_port, running_daemon, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from chronotick.eval.streaming.launchers import Running

pytestmark = pytest.mark.timeout(180)

EVAL = [sys.executable, "-m", "chronotick.cli.eval"]


@contextmanager
def clocks(folder: Path) -> Iterator[NodeSettings]:
    """Run a server and a daemon; yield what a node needs of them."""
    segment = folder / "segment"
    with (
        chronyd(folder / "chrony") as ntp,
        running_daemon(segment, "--server", f"127.0.0.1:{ntp}"),
    ):
        yield NodeSettings(segment=str(segment))


def settings(folder: Path, node: NodeSettings, *names: str) -> RunSettings:
    """Return a run of two seconds on nodes of these names, all of them this machine."""
    return RunSettings(
        nodes={name: Endpoint("127.0.0.1", free_port()) for name in names},
        node=node,
        output=folder / "run",
        remote_folder=str(folder / "on nodes"),
        pattern="fast",
        num_events=200,
        preflight_s=60.0,
        end_s=2.0,
        listen="127.0.0.1",
    )


class Signaling(LocalLauncher):
    """A launcher that can send node b a signal."""

    def __init__(self, logs: Path) -> None:
        super().__init__(logs)
        self._pid = 0

    def start(self, node: str, words: Sequence[str]) -> Running:
        """Start, and remember b's process."""
        running = super().start(node, words)
        if node == "b":
            self._pid = running._process.pid  # type: ignore[attr-defined]
        return running

    def signal_at(self, line: str, number: signal.Signals) -> list[str]:
        """Return a list that sends the signal when `line` is appended to it."""
        outer = self

        class Lines(list[str]):
            def append(self, said: str) -> None:
                super().append(said)
                if said == line:
                    os.kill(outer._pid, number)

        return Lines()


def test_a_node_that_hangs_is_named_and_its_recording_is_kept(tmp_path: Path) -> None:
    """Stopped in the middle, it acknowledges nothing more, and is ended by force."""
    with clocks(tmp_path) as node:
        launcher = Signaling(tmp_path / "logs")
        lines = launcher.signal_at("all workers are ready", signal.SIGSTOP)
        run = settings(tmp_path, node, "a", "b")
        result = run_nodes(run, launcher, lines.append)

    said = "; ".join(result.failures)
    assert f"b at {run.nodes['b']}: did not acknowledge the end" in said
    assert "b: did not end within 2 s" in said
    assert not [failure for failure in result.failures if failure.startswith("a")]
    assert result.analysis.statistics["run"]["nodes"] == ["a"]
    assert result.analysis.statistics["run"]["rows"] == 200


def test_a_node_that_is_told_to_end_keeps_what_it_has(tmp_path: Path) -> None:
    """Its rows are open for a minute, and are written all the same."""
    out = tmp_path / "worker_b.csv"
    with clocks(tmp_path) as node:
        port = free_port()
        words = ["--segment", str(node.segment), "--listen", "127.0.0.1"]
        with subprocess.Popen(
            [*EVAL, "worker", "--node-id", "b", "--listen-port", str(port),
             "--output", str(out), *words],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        ) as worker, subprocess.Popen(
            [*EVAL, "coordinator", "--workers", f"b=127.0.0.1:{port}",
             "--num-events", "100", "--pattern", "medium",
             "--output", str(tmp_path / "coordinator.csv"), *words],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        ) as coordinator:  # fmt: skip
            recorded = tmp_path / "coordinator.csv"
            wait_until(
                lambda: recorded.exists() and recorded.read_text().count("\n") > 9, 60.0
            )
            worker.send_signal(signal.SIGTERM)
            _, complaint = worker.communicate(timeout=30)
            coordinator.send_signal(signal.SIGINT)
            coordinator.communicate(timeout=30)

    assert worker.returncode == 1
    assert "worker b: told to end before the run was over" in complaint
    assert "Traceback" not in complaint
    assert out.read_text().count("\n") >= 10


def test_a_coordinator_that_is_interrupted_releases_the_workers(tmp_path: Path) -> None:
    """They end with what they have, and do not wait for an hour."""
    out = tmp_path / "worker_a.csv"
    with clocks(tmp_path) as node:
        port = free_port()
        words = ["--segment", str(node.segment), "--listen", "127.0.0.1"]
        with subprocess.Popen(
            [*EVAL, "worker", "--node-id", "a", "--listen-port", str(port),
             "--output", str(out), *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as worker, subprocess.Popen(
            [*EVAL, "coordinator", "--workers", f"a=127.0.0.1:{port}",
             "--target-duration", "100s", "--pattern", "medium",
             "--output", str(tmp_path / "coordinator.csv"), *words],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as coordinator:  # fmt: skip
            recorded = tmp_path / "coordinator.csv"
            wait_until(
                lambda: recorded.exists() and recorded.read_text().count("\n") > 3, 60.0
            )
            coordinator.send_signal(signal.SIGINT)
            coordinator.wait(timeout=30)
            told, said = worker.communicate(timeout=30)

    assert worker.returncode == 0
    assert "the coordinator has given the run up" in said
    assert json.loads(told)["given_up"] >= 1
    assert len(read_run(tmp_path).workers) >= 3


def test_a_second_worker_costs_the_first_one_nothing(tmp_path: Path) -> None:
    """The same command by mistake: refused for the port, and on another for the file."""
    out, ports = tmp_path / "worker_a.csv", [free_port(), free_port()]
    words = ["worker", "--node-id", "a", "--listen", "127.0.0.1", "--output", str(out)]
    words += ["--segment", str(tmp_path / "none"), "--deadline", "100s"]
    command = [[*EVAL, *words, "--listen-port", str(port)] for port in ports]
    with subprocess.Popen(command[0], stderr=subprocess.DEVNULL) as first:
        try:
            wait_until(lambda: out.exists() and out.read_text().endswith("\n"), 60.0)
            with out.open("a") as file:
                file.write("1,a\n")
            ended = [
                subprocess.run(
                    each, capture_output=True, text=True, timeout=60, check=False
                )
                for each in command
            ]
            kept = out.read_text()
        finally:
            first.terminate()

    assert [each.returncode for each in ended] == [1, 1]
    assert f"cannot listen on 127.0.0.1 port {ports[0]}" in ended[0].stderr
    assert f"another process is recording to {out}" in ended[1].stderr
    assert [each.stderr.count("\n") for each in ended] == [1, 1]
    assert kept.endswith("\n1,a\n")


class Cramped(LocalLauncher):
    """A launcher whose node b may write 4000 octets to a file and no more."""

    def start(self, node: str, words: Sequence[str]) -> Running:
        """Start, and limit b."""
        running = super().start(node, words)
        if node == "b":
            pid = running._process.pid  # type: ignore[attr-defined]
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (4000, 4000))
        return running


def test_a_disk_that_fills_up_is_named_and_costs_no_other_node(tmp_path: Path) -> None:
    """The rows that fitted are judged, the one that was cut off is left out and counted."""
    with clocks(tmp_path) as node:
        run = settings(tmp_path, node, "a", "b")
        result = run_nodes(run, Cramped(tmp_path / "logs"), lambda _: None)

    log = (tmp_path / "logs" / "b.log").read_text()
    assert any("worker_b.csv: File too large" in failure for failure in result.failures)
    assert "Traceback" not in log
    statistics = result.analysis.statistics
    assert statistics["run"]["nodes"] == ["a", "b"]
    assert 200 < statistics["run"]["rows"] < 400
    assert statistics["run"]["damaged_lines"] <= 1


def test_names_in_any_script_and_with_any_signs(tmp_path: Path) -> None:
    """Two names that differ in a slash only are two nodes with two files."""
    names = ["nœud/é 日本", "nœud_é 日本", "$HOME; exit", "a|b"]
    with clocks(tmp_path) as node:
        run = settings(tmp_path, node, *names)
        result = run_nodes(run, LocalLauncher(tmp_path / "logs"), lambda _: None)

    assert result.failures == ()
    assert result.analysis.statistics["run"]["nodes"] == sorted(names)
    assert result.analysis.statistics["run"]["rows"] == 800


def test_nothing_is_started_where_another_run_would_be_judged_too(
    tmp_path: Path,
) -> None:
    """Node c recorded the last run here; node names are checked first of all."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "worker_c.csv").write_text("event_id\n1\n")
    launcher = LocalLauncher(tmp_path / "logs")
    with pytest.raises(FolderInUse, match=r"worker_c.csv.*choose another folder"):
        run_nodes(settings(tmp_path, NodeSettings(), "a"), launcher, lambda _: None)
    with pytest.raises(ConfigError, match="node name"):
        run_nodes(settings(tmp_path, NodeSettings(), "a\n"), launcher, lambda _: None)

    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("listen", "host"),
    [("127.0.0.1", "localhost"), pytest.param("::", "[::1]", marks=needs_ipv6)],
)
def test_time_can_be_read_over_http(tmp_path: Path, listen: str, host: str) -> None:
    """Worker and coordinator without a segment: bounded stamps, and nothing made up."""
    out, port, secret = tmp_path / "run", free_port(), "0123456789abcdef"
    token = tmp_path / "token"
    token.write_text(f"{secret}\n")
    with (
        clocks(tmp_path) as node,
        http_server("--segment", str(node.segment), CHRONOTICK_TOKEN=secret) as http,
    ):
        words = ["--chronotick-server", f"http://127.0.0.1:{http}"]
        words += ["--listen", listen]
        worker = subprocess.Popen(
            [*EVAL, "worker", "--node-id", "a", "--listen-port", str(port),
             "--output", str(out / "worker_a.csv"), *words],
            stdout=subprocess.DEVNULL, env=os.environ | {"CHRONOTICK_TOKEN": secret},
        )  # fmt: skip
        try:
            ended = subprocess.run(
                [*EVAL, "coordinator", "--workers", f"a={host}:{port}",
                 "--num-events", "40", "--output", str(out / "coordinator.csv"),
                 "--token-file", str(token), *words],
                capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            assert worker.wait(timeout=30) == 0, ended.stderr
        finally:
            worker.kill()
            worker.wait()

    assert ended.returncode == 0, ended.stderr
    ints = read_run(out).workers.ints
    assert len(ints["event_id"]) == 40
    # The server is on the same clock, so the system's own stamp is the truth here.
    width = ints["ct_hard_upper_ns"] - ints["ct_hard_lower_ns"]
    assert (ints["ct_hard_lower_ns"] <= ints["receive_time_ns"]).all()
    assert (ints["receive_time_ns"] <= ints["ct_hard_upper_ns"]).all()
    assert (width > 0).all()
    assert (ints["commit_wait_ns"] != NULL).all()
    assert (ints["ct_lower_bound_ns"] == NULL).all()
