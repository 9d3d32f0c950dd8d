"""A run on several nodes, by both launchers, with nodes that fail."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chronotick.core.records import Endpoint
from chronotick.eval.streaming.coordinator import PreflightFailed
from chronotick.eval.streaming.launchers import LaunchFailed, LocalLauncher, SshLauncher
from chronotick.eval.streaming.node import NodeSettings
from chronotick.eval.streaming.run import RunSettings, run_nodes
from system.eval.sshd import sshd
from system.peers import chronyd, free_port, running_daemon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chronotick.eval.streaming.launchers import Running


@contextmanager
def clocks(folder: Path) -> Iterator[NodeSettings]:
    """Run a server and a daemon; yield what a node needs of them."""
    segment = folder / "segment"
    with (
        chronyd(folder / "chrony") as ntp,
        running_daemon(segment, "--server", f"127.0.0.1:{ntp}"),
    ):
        yield NodeSettings(segment=str(segment), ntp_servers=(f"127.0.0.1:{ntp}",))


def settings(folder: Path, node: NodeSettings, *names: str) -> RunSettings:
    """Return a short run on nodes of these names, all of them this machine."""
    return RunSettings(
        nodes={name: Endpoint("127.0.0.1", free_port()) for name in names},
        node=node,
        output=folder / "run",
        remote_folder=str(folder / "on nodes"),
        pattern="fast",
        num_events=60,
        preflight_s=20.0,
        listen="127.0.0.1",
    )


@pytest.mark.timeout(120)
def test_local_nodes_end_in_a_report(tmp_path: Path) -> None:
    """Workers are started, events sent, files gathered, all judged."""
    lines: list[str] = []
    with clocks(tmp_path) as node:
        run = settings(tmp_path, node, "a", "b")
        launcher = LocalLauncher(tmp_path / "logs")
        result = run_nodes(run, launcher, lines.append)

    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert result.failures == ()
    assert result.analysis.statistics["run"]["rows"] == 120
    assert result.analysis.statistics["run"]["nodes"] == ["a", "b"]
    assert result.analysis.page.exists()
    assert about["kind"] == "real nodes: the true time is unknown"
    assert about["seed"] == "1"
    assert "gathering from 2 nodes" in lines
    # The run's key stays with its owner, and out of the list of processes.
    keys = list((tmp_path / "on nodes").glob("*.key"))
    assert len(keys) == 2
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}


class Killing(LocalLauncher):
    """A launcher whose node b disappears, with its file, at the end of the run."""

    def fetch(self, node: str, source: str, target: Path, limit_s: float) -> None:
        """Lose what node b recorded."""
        if node == "b":
            Path(source).unlink()
        super().fetch(node, source, target, limit_s)


@pytest.mark.timeout(120)
def test_a_node_that_disappears_is_named_and_the_other_is_judged(
    tmp_path: Path,
) -> None:
    """Its file cannot be gathered; the report is of those that could."""
    with clocks(tmp_path) as node:
        run = settings(tmp_path, node, "a", "b")
        result = run_nodes(run, Killing(tmp_path / "logs"), lambda _: None)

    assert len(result.failures) == 1
    assert "b: cannot fetch" in result.failures[0]
    assert result.analysis.statistics["run"]["nodes"] == ["a"]


@pytest.mark.timeout(120)
def test_nodes_are_reached_by_ssh(tmp_path: Path) -> None:
    """A real sshd, a key, standard input closed, a folder with a space in its name."""
    with sshd(tmp_path / "ssh") as options, clocks(tmp_path) as node:
        launcher = SshLauncher(
            tmp_path / "logs",
            remote=(sys.executable, "-m", "chronotick.cli.eval"),
            options=options,
        )
        run = settings(tmp_path, node, "127.0.0.1", "localhost")
        result = run_nodes(run, launcher, lambda _: None)

    assert result.failures == ()
    assert result.analysis.statistics["run"]["rows"] == 120


@pytest.mark.timeout(120)
def test_a_node_that_refuses_is_named_with_the_cause(tmp_path: Path) -> None:
    """Without a key there is no run, and what ssh said is in the line."""
    with sshd(tmp_path / "ssh") as options, clocks(tmp_path) as node:
        (tmp_path / "ssh" / "user.pub").write_text("")
        launcher = SshLauncher(tmp_path / "logs", options=options)
        run = settings(tmp_path, node, "127.0.0.1")
        with pytest.raises(LaunchFailed, match=r"127\.0\.0\.1: .*Permission denied"):
            run_nodes(run, launcher, lambda _: None)


@pytest.mark.timeout(120)
def test_a_command_that_is_not_there_is_named_with_the_cause(tmp_path: Path) -> None:
    """A node where nothing is installed: what its shell said last is in the line."""
    with sshd(tmp_path / "ssh") as options, clocks(tmp_path) as node:
        launcher = SshLauncher(
            tmp_path / "logs", remote=("/no/chronotick",), options=options
        )
        run = replace(settings(tmp_path, node, "127.0.0.1"), preflight_s=4.0)
        with pytest.raises(PreflightFailed) as failed:
            run_nodes(run, launcher, lambda _: None)

    assert "127.0.0.1 at 127.0.0.1:" in str(failed.value)
    assert "127.0.0.1 ended with 127" in str(failed.value)
    assert "/no/chronotick" in str(failed.value)


@pytest.mark.timeout(60)
def test_a_file_is_put_for_its_owner_alone_and_never_over_another(
    tmp_path: Path,
) -> None:
    """By SSH as here; the name is whatever it is, and no shell makes more of it."""
    target = tmp_path / "it's $HOME" / "the key"
    with sshd(tmp_path / "ssh") as options:
        for launcher in (
            SshLauncher(tmp_path, options=options),
            LocalLauncher(tmp_path),
        ):
            launcher.put("127.0.0.1", b"secret", str(target), 30.0)
            assert target.read_bytes() == b"secret"
            assert target.stat().st_mode & 0o777 == 0o600
            with pytest.raises(LaunchFailed, match=r"127\.0\.0\.1: cannot write"):
                launcher.put("127.0.0.1", b"other", str(target), 30.0)
            assert target.read_bytes() == b"secret"
            target.unlink()


@pytest.mark.timeout(60)
def test_a_node_is_never_an_option_of_ssh(tmp_path: Path) -> None:
    """A name such as -oProxyCommand=… would run a command here."""
    launcher = SshLauncher(tmp_path)

    with pytest.raises(LaunchFailed, match="is an option of ssh"):
        launcher.start("-oProxyCommand=x", ["worker"])


@pytest.mark.timeout(60)
def test_words_are_quoted_for_one_shell(tmp_path: Path) -> None:
    """What the node's shell sees are the words, whatever is in them."""
    with sshd(tmp_path / "ssh") as options:
        launcher = SshLauncher(
            tmp_path / "logs", remote=("printf", "%s|"), options=options
        )
        running: Running = launcher.start("127.0.0.1", ["a b", "$HOME", "'; exit 3"])
        assert running.ended(30.0) == 0

    assert running.last_words() == "a b|$HOME|'; exit 3|"
