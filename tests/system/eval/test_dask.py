"""A Dask cluster runs nodes and judges: LocalCluster, and a scheduler of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import distributed
import pytest

from chronotick.core.errors import ConfigError
from chronotick.core.records import Endpoint
from chronotick.eval.cluster import CallFailed, Cluster, Unreachable
from chronotick.eval.streaming.columns import COORDINATOR_COLUMNS, WORKER_COLUMNS
from chronotick.eval.streaming.judge import JudgeSettings, judge
from chronotick.eval.streaming.judge_cluster import judge_on
from chronotick.eval.streaming.launch_dask import DaskLauncher, DaskNode, dask_nodes
from chronotick.eval.streaming.node import NodeSettings
from chronotick.eval.streaming.run import RunSettings, run_nodes
from chronotick.eval.streaming.tables import read_run, to_parquet
from system.eval.dask_cluster import Running, dask_cluster
from system.peers import chronyd, free_port, running_daemon
from unit.eval.streaming.recordings import imagine, write_csv

if TYPE_CHECKING:
    from collections.abc import Iterator

EVAL = [sys.executable, "-m", "chronotick.cli.eval"]

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def local() -> Iterator[Cluster]:
    """Yield a LocalCluster of two processes."""
    started = distributed.LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2, threads_per_worker=2, dashboard_address=":0"
    )
    with started as running, Cluster(running.scheduler_address) as cluster:
        yield cluster


def record(
    folder: Path, worker: list[str], coordinator: list[str], seed: int = 1
) -> None:
    """Leave an imagined run in `folder`, a file for each node."""
    rows, sends = imagine(events=250, seed=seed)
    for node in sorted({row["node_id"] for row in rows}):
        mine = [row for row in rows if row["node_id"] == node]
        write_csv(folder / f"worker_{node}.csv", mine, worker)
    write_csv(folder / "coordinator.csv", sends, coordinator)


OURS = ([c.name for c in WORKER_COLUMNS], [c.name for c in COORDINATOR_COLUMNS])
ORIGINALS = (OURS[0][:15], OURS[1][:13])


@pytest.mark.parametrize("columns", [OURS, ORIGINALS], ids=["ours", "original"])
@pytest.mark.parametrize("as_parquet", [False, True], ids=["csv", "parquet"])
def test_the_statistics_are_those_of_one_machine(
    tmp_path: Path,
    local: Cluster,
    columns: tuple[list[str], list[str]],
    as_parquet: bool,
) -> None:
    """Byte for byte: the same numbers, the same reasons, in the same order."""
    record(tmp_path, *columns, seed=7)
    if as_parquet:
        for path in list(tmp_path.glob("*.csv")):
            worker = path.stem.startswith("worker")
            to_parquet(path, WORKER_COLUMNS if worker else COORDINATOR_COLUMNS)
            path.unlink()
    settings = JudgeSettings(windows_ms=(20.0, 50.0))
    alone = judge(read_run(tmp_path), settings)
    together = judge_on(local, tmp_path, settings)

    assert alone["run"]["rows"] == 750
    assert json.dumps(together) == json.dumps(alone)


def test_rows_that_one_clock_lacks_are_left_out_for_all(
    tmp_path: Path, local: Cluster
) -> None:
    """Each task finds the rows to compare by itself, and finds the same ones."""
    rows, sends = imagine(events=60)
    names = (
        "ntp_timestamp_ns",
        "ct_hard_lower_ns",
        "ct_lower_bound_ns",
        "true_time_ns",
        "commit_wait_ns",
    )
    for k, row in enumerate(rows):
        if k % 4 == 0:
            del row[names[k // 4 % 5]]
    write_csv(tmp_path / "worker_all.csv", rows, OURS[0])
    write_csv(tmp_path / "coordinator.csv", sends, OURS[1])
    alone = judge(read_run(tmp_path))

    assert alone["run"]["rows_compared"] < alone["run"]["rows"]
    # Not so for what is promised: every row that has the interval.
    hard = alone["bounds"]["clocks"]["hard"]["ordering"]
    assert hard["judged"] > alone["run"]["rows_compared"]
    assert hard["rows_with_truth"] < hard["judged"]
    assert json.dumps(judge_on(local, tmp_path, JudgeSettings())) == json.dumps(alone)


def test_what_cannot_be_judged_is_named_by_the_part(
    tmp_path: Path, local: Cluster
) -> None:
    """A folder that the workers do not see is one clear line."""
    with pytest.raises(CallFailed, match="holds no events"):
        judge_on(local, tmp_path / "nowhere", JudgeSettings())


def test_one_worker_of_each_host_is_a_node(local: Cluster) -> None:
    """Two Dask workers of this machine are one node, unless both are named."""
    assert [node.name for node in dask_nodes(local)] == ["127.0.0.1"]
    assert [node.host for node in dask_nodes(local, ["0", "1"])] == ["127.0.0.1"] * 2
    assert len({node.worker for node in dask_nodes(local, ["0", "1"])}) == 2
    with pytest.raises(ConfigError, match=r"has no worker c: it has .*127.0.0.1"):
        dask_nodes(local, ["0", "c"])


def test_a_call_has_a_deadline_and_names_the_worker(local: Cluster) -> None:
    """What takes too long, and what fails, is told of the worker that it was asked."""
    worker = next(iter(local.workers()))
    with pytest.raises(CallFailed, match=r"tcp://.*: no answer within 0.2 s"):
        local.call(worker, subprocess.call, ["sleep", "2"], limit_s=0.2)
    with pytest.raises(CallFailed, match=r"tcp://.*: FileNotFoundError"):
        local.call(worker, subprocess.call, ["/no/such/program"], limit_s=60.0)


def test_results_are_told_as_they_come(tmp_path: Path, local: Cluster) -> None:
    """The second is not done before the first has been heard of."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("1")
    os.mkfifo(second)
    found = local.map(Path.read_text, {"a": (first,), "b": (second,)}, limit_s=100.0)

    assert next(found) == ("a", "1")
    second.write_text("2")
    assert list(found) == [("b", "2")]


def test_what_is_done_is_told_before_what_was_asked_first(
    tmp_path: Path, local: Cluster
) -> None:
    """Whoever keeps it loses nothing, however long the other one takes."""
    first, second = tmp_path / "first", tmp_path / "second"
    os.mkfifo(first)
    second.write_text("2")
    found = local.map(Path.read_text, {"a": (first,), "b": (second,)}, limit_s=100.0)

    assert next(found) == ("b", "2")
    first.write_text("1")
    assert list(found) == [("a", "1")]


def test_all_of_it_has_one_deadline(tmp_path: Path, local: Cluster) -> None:
    """And what has not been done by then is named."""
    never = tmp_path / "never"
    os.mkfifo(never)
    found = local.map(Path.read_text, {"a": (never,)}, limit_s=0.2)
    try:
        with pytest.raises(CallFailed, match=r"a: no answer within 0\.2 s"):
            list(found)
    finally:
        never.write_text("")


def test_another_version_on_a_worker_is_named(tmp_path: Path) -> None:
    """Before anything is called there that it may not have."""
    fake = tmp_path / "path" / "chronotick-99.0.dist-info"
    fake.mkdir(parents=True)
    (fake / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: chronotick\nVersion: 99.0\n"
    )
    with (
        dask_cluster(tmp_path / "dask", "a", path=fake.parent) as running,
        Cluster(running.scheduler) as cluster,
        pytest.raises(CallFailed, match=r"tcp://.* has chronotick 99.0, and this host"),
    ):
        DaskLauncher(cluster, dask_nodes(cluster))


def test_a_scheduler_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """Within its time, and without a traceback, by the API and by both verbs."""
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable, match=f"no Dask scheduler answers at {address}"):
        Cluster(address, connect_s=0.5)
    record(tmp_path, *OURS)
    ended = subprocess.run(
        [*EVAL, "analyze", "--experiment", str(tmp_path), "--scheduler", address],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip

    assert ended.returncode == 1
    assert "no Dask scheduler answers" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_the_extra_its_name_is_told(tmp_path: Path) -> None:
    """One line that says what to install; nothing else of the evaluation needs it."""
    blocked = (
        "import sys; sys.modules['distributed'] = None\n"
        "from chronotick.cli.eval import command; command.main(prog_name='eval')"
    )
    record(tmp_path, *OURS)
    words = ["analyze", "--experiment", str(tmp_path)]
    for more, code in (([], 0), (["--scheduler", "tcp://127.0.0.1:1"], 1)):
        ended = subprocess.run(
            [sys.executable, "-c", blocked, *words, *more],
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert ended.returncode == code, ended.stderr
    assert "pip install 'chronotick[dask]'" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Running]:
    """Yield a scheduler and two workers that are programs of their own."""
    with dask_cluster(tmp_path / "dask", "a", "b") as running:
        yield running


def test_a_run_on_a_cluster_that_runs_already(tmp_path: Path, cluster: Running) -> None:
    """By the command: nodes are started, gathered, judged; then judged by the cluster."""
    out = tmp_path / "run"
    with (
        chronyd(tmp_path / "chrony") as ntp,
        running_daemon(tmp_path / "segment", "--server", f"127.0.0.1:{ntp}"),
    ):
        ended = subprocess.run(
            [
                *EVAL, "run", "--launcher", "dask", "--scheduler", cluster.scheduler,
                "--nodes", "a,b", "--base-port", str(free_port()), "--num-events", "60",
                "--pattern", "fast", "--ntp-server", f"127.0.0.1:{ntp}",
                "--segment", str(tmp_path / "segment"), "--output", str(out),
                "--seed", "3",
            ],
            capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
    judged = subprocess.run(
        [
            *EVAL, "analyze", "--experiment", str(out), "--scheduler",
            cluster.scheduler, "--output", str(tmp_path / "by cluster"),
        ],
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    statistics = json.loads((out / "report" / "statistics.json").read_text())
    assert statistics["run"]["nodes"] == ["a", "b"]
    assert statistics["run"]["rows"] == 120
    assert statistics["about"]["seed"] == "3"
    assert judged.returncode == 0, judged.stderr
    groups = sorted((tmp_path / "by cluster").glob("*.json"))
    assert len(groups) == 8
    for path in groups:
        if path.name != "statistics.json":  # That of `run` names no stated coverage.
            assert path.read_bytes() == (out / "report" / path.name).read_bytes()


def test_a_dask_worker_that_dies_is_named_and_the_other_is_judged(
    tmp_path: Path, cluster: Running
) -> None:
    """Its recording cannot be had any more; nobody waits for it for ever."""

    def say(line: str) -> None:
        if line == "all workers are ready":
            cluster.workers["b"].kill()

    with (
        chronyd(tmp_path / "chrony") as ntp,
        running_daemon(tmp_path / "segment", "--server", f"127.0.0.1:{ntp}"),
        Cluster(cluster.scheduler) as connected,
    ):
        nodes = dask_nodes(connected, ["a", "b"])
        result = run_nodes(
            _settings(tmp_path, nodes), DaskLauncher(connected, nodes), say
        )

    assert result.analysis.statistics["run"]["nodes"] == ["a"]
    assert len(result.failures) == 2
    assert all(failure.startswith("b: ") for failure in result.failures)
    assert "has left the cluster" in result.failures[1]


def _settings(folder: Path, nodes: list[DaskNode]) -> RunSettings:
    return RunSettings(
        nodes={node.name: Endpoint(node.host, free_port()) for node in nodes},
        node=NodeSettings(segment=str(folder / "segment")),
        output=folder / "run",
        remote_folder=str(folder / "on nodes"),
        pattern="fast",
        num_events=100,
        preflight_s=60.0,
        listen="127.0.0.1",
    )
