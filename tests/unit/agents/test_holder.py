"""Who has a silent segment: gone, stopped and hung are mended differently."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from chronotick.agents import holder
from chronotick.agents.availability import trouble_of
from chronotick.agents.context import context_line, context_record
from chronotick.agents.health import look
from chronotick.agents.holder import holder_of
from chronotick.core.errors import ClockDisrupted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from unit.agents.lab import Lab

_PUBLISHER = """
import sys, time
from chronotick.shm.writer import SegmentWriter
with SegmentWriter(sys.argv[1]):
    print("here", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has the segment `tmp_path / "held"`."""
    with subprocess.Popen(
        [sys.executable, "-c", _PUBLISHER, tmp_path / "held"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "here\n"
            yield process
        finally:
            process.kill()


def test_nobody_has_what_is_not_there(tmp_path: Path) -> None:
    """A daemon may start, then and after one has ended."""
    assert holder_of(str(tmp_path / "none")) is None


def test_a_daemon_that_ended_has_nothing(lab: Lab) -> None:
    """Nor has a reader, who can lock the file for reading."""
    assert holder_of(lab.path) is not None
    lab.writer.close()
    assert holder_of(lab.path) is None


def test_a_stopped_process_is_to_be_continued(
    publisher: subprocess.Popen[str], tmp_path: Path
) -> None:
    """Another daemon would refuse to start; one that was killed holds nothing."""
    path = str(tmp_path / "held")
    publisher.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, publisher.pid, os.WSTOPPED | os.WNOWAIT)
    found = holder_of(path)
    assert found == (
        f"process {publisher.pid} is stopped",
        f"kill -CONT {publisher.pid}",
    )
    publisher.kill()
    publisher.wait()
    assert holder_of(path) is None


@pytest.mark.parametrize("silence_s", [100, 2_000])
def test_a_hung_daemon_is_not_to_be_started_again(lab: Lab, silence_s: float) -> None:
    """The command that starts one would fail; it is named with its process instead."""
    lab.pass_s(silence_s)
    hung, mend = (
        f"process {os.getpid()} hangs",
        f"chronotick status --segment {lab.path}",
    )
    assert hung in context_line(lab.service)
    assert context_record(lab.service)["mend"] == mend
    seen = look(lab.service)
    assert seen.doubt is not None
    assert hung in seen.doubt[0]
    assert seen.doubt[1] == mend


def test_a_process_of_another_container_is_not_named(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pid is another one's here, or none."""
    monkeypatch.setattr(holder, "_state_of", lambda _: "")
    found = holder_of(lab.path)
    assert found is not None
    assert str(os.getpid()) not in found.what
    assert "restart it" in found.what


def test_while_the_host_wakes_up_nothing_hangs(lab: Lab) -> None:
    """A running daemon mends that with its next measurement."""
    trouble = trouble_of(ClockDisrupted(lab.path, "the host slept"), lab.path)
    assert trouble.holder is None
    assert "hangs" not in trouble.cause
