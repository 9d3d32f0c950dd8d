"""`chronotick benchmark` with processes of its own: a writer, and many readers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from chronotick.cli import cli
from chronotick.cli.companion import companion, hear
from chronotick.cli.crowd import read_at_once
from chronotick.cli.republish import _republish, republished
from chronotick.client.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from pathlib import Path


def test_readers_and_a_writer_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are reported, and the segment of the environment is neither read nor made."""
    named = tmp_path / "segment"
    monkeypatch.setenv("CHRONOTICK_SEGMENT", str(named))
    words = [
        "benchmark",
        "--iterations",
        "1000",
        "--readers",
        "2",
        "--writer-hz",
        "200",
    ]

    result = CliRunner().invoke(cli, [*words, "--json"])

    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["writer_hz"] == 200.0
    assert record["achieved_writer_hz"] > 0.0
    assert len(record["readers"]) == 2
    for reader in record["readers"]:
        assert list(reader) == ["now_ns_ns", "time_time_ns", "ratio_to_time_time"]
        assert min(reader.values()) > 0.0
    assert list(tmp_path.iterdir()) == []


def test_the_segment_is_alive_and_goes_away() -> None:
    """It is republished while the block lasts, and leaves no file."""
    with republished(500.0) as own, Clock(own.path) as clock:
        sequence = clock.publication().snapshot.sequence
        while clock.publication().snapshot.sequence == sequence:
            pass
        assert own.achieved_hz() > 0.0

    assert not os.path.exists(os.path.dirname(own.path))


def test_a_reader_that_cannot_read_is_told(tmp_path: Path) -> None:
    """Its reason comes back; nobody waits for it."""
    with pytest.raises(click.ClickException, match="a reader of many failed"):
        read_at_once(str(tmp_path / "nothing"), 2, 10)


def test_it_is_shown_how_many_readers_are_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hundreds take minutes; while they read nothing is drawn."""
    shown: list[object] = []

    @contextmanager
    def progress(label: str) -> Iterator[Callable[[float, float], None]]:
        shown.append(label)
        yield lambda done, of: shown.append((done, of))
        shown.append("ended")

    monkeypatch.setattr("chronotick.cli.crowd.progress", progress)
    with republished(100.0) as own:
        assert len(read_at_once(own.path, 2, 10)) == 2

    assert shown == ["starting readers", (1, 2), (2, 2), "ended"]


def test_why_a_process_failed_is_told_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the one line of this one, not in a traceback of its own."""
    with (
        companion(_republish, str(tmp_path / "none" / "segment"), 100.0) as line,
        pytest.raises(
            click.ClickException, match="failed: cannot write the segment at"
        ),
    ):
        hear(line)

    assert capfd.readouterr().err == ""


_FULL = """
mount -t tmpfs -o size=4k none /dev/shm || exit 77
head -c 4096 /dev/zero >/dev/shm/all || exit 77
exec "$@"
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare")
def test_it_runs_where_shared_memory_is_full() -> None:
    """Its segment lies in the usual temporary folder then."""
    words = [sys.executable, "-m", "chronotick", "benchmark", "--writer-hz", "100"]
    words += ["--iterations", "100"]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", _FULL, "sh", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no mounts of one's own")

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def _leave(line: Connection) -> None:
    line.close()


def test_a_process_that_ends_early_is_told() -> None:
    """Its silence is an error, not a wait."""
    with (
        companion(_leave) as line,
        pytest.raises(click.ClickException, match="ended early"),
    ):
        hear(line)
