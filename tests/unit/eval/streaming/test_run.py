"""`eval.streaming.run`: whether there is anything to judge, whatever nodes say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chronotick.core.records import Endpoint
from chronotick.eval.streaming import run
from chronotick.eval.streaming.launchers import LaunchFailed
from chronotick.eval.streaming.node import NodeSettings
from chronotick.eval.streaming.run import NoData, RunSettings, run_nodes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAMES = ("a", "b")


class Ended:
    """A worker that ended with an error."""

    def ended(self, limit_s: float = 0.0) -> int | None:
        """Return the exit status."""
        return 1

    def last_words(self) -> str:
        """Return what could be said of a file as well."""
        return "ConfigError: cannot fetch the key"

    def end(self) -> None:
        """Do nothing."""


class Nodes:
    """Nodes that have recordings, or none."""

    def __init__(self, *, have_files: bool) -> None:
        self._have_files = have_files

    def put(self, node: str, data: bytes, target: str, limit_s: float) -> None:
        """Take it."""

    def start(self, node: str, words: Sequence[str]) -> Ended:
        """Start what ends badly."""
        return Ended()

    def fetch(self, node: str, source: str, target: Path, limit_s: float) -> None:
        """Give the file, if there is one."""
        if not self._have_files:
            raise LaunchFailed(f"{node}: no such file")
        target.write_text("event_id,receive_time_ns\n1,5\n")


def settings(folder: Path) -> RunSettings:
    """Return a run on two nodes."""
    (folder / "run").mkdir()
    return RunSettings(
        nodes={name: Endpoint("127.0.0.1", 9000) for name in NAMES},
        node=NodeSettings(),
        output=folder / "run",
        remote_folder="/tmp/nowhere",  # noqa: S108 - nothing is written there
        num_events=1,
    )


def test_without_any_file_there_is_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the launcher puts it, and whatever else went wrong."""
    monkeypatch.setattr(run, "_send", lambda *_: ["a at 127.0.0.1: cannot fetch it"])
    with pytest.raises(NoData, match="b: no such file"):
        run_nodes(settings(tmp_path), Nodes(have_files=False), lambda _: None)


def test_what_nodes_say_is_no_reason_to_judge_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their words may be anything; their files are there."""
    monkeypatch.setattr(run, "_send", lambda *_: [])
    result = run_nodes(settings(tmp_path), Nodes(have_files=True), lambda _: None)

    assert len(result.failures) == 2
    assert result.analysis.statistics["run"]["rows"] == 2
