"""How the demo ends: with advice that can be typed, or at once."""

from __future__ import annotations

import errno
import re
import signal
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from chronotick.cli import cli, demo
from chronotick.cli.demo_servers import Stage
from chronotick.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator


class Empty(Stage):
    """A stage without servers, and so without sockets."""

    def __init__(self) -> None:
        self.services = []
        self.actors = {}

    @contextmanager
    def playing(self) -> Iterator[None]:
        """Let nobody play."""
        yield


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """The verb sets the process's own."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    kept = {n: signal.getsignal(n) for n in numbers}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def interrupted(*_: object) -> None:
    """Be where somebody presses Ctrl-C."""
    raise KeyboardInterrupt


def test_an_early_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first reading there is nothing to sum up and nothing to advise."""
    monkeypatch.setattr(demo, "Stage", Empty)
    monkeypatch.setattr(demo, "_daemon", lambda *_: nullcontext())
    monkeypatch.setattr(demo._Show, "run", interrupted)

    result = CliRunner().invoke(cli, ["demo"])

    assert result.exit_code == ExitCode.INTERRUPTED
    assert result.stderr == ""
    assert "what to type next" not in result.stdout


def test_an_end_before_the_first_reading_is_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It proves nothing, so it fails; in a line that says what to do."""

    def too_short(show: demo._Show, _: object) -> None:
        show._why = "the daemon is starting"

    monkeypatch.setattr(demo, "Stage", Empty)
    monkeypatch.setattr(demo, "_daemon", lambda *_: nullcontext())
    monkeypatch.setattr(demo._Show, "run", too_short)

    result = CliRunner().invoke(cli, ["demo", "--for", "1s"])

    assert result.exit_code == ExitCode.FAILURE
    assert result.stderr == (
        "chronotick: error: no reading within 1s: the daemon is starting; "
        "try `--for 30s`\n"
    )


def test_the_advice_can_be_typed_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each verb by the program that runs; what is Python stays as it is."""
    monkeypatch.setattr(demo, "program", lambda: ".venv/bin/chronotick")

    demo._Show(Empty(), "/nowhere", None).conclude()

    told = capsys.readouterr().out
    assert "  .venv/bin/chronotick daemon   measure real servers" in told
    assert "  import chronotick             use it" in told


AMID_FORK = """\
import os, signal
from chronotick.cli import main
os.register_at_fork(after_in_parent=lambda: signal.raise_signal(signal.{number}))
main()
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupt_amid_a_fork_is_not_lost(number: str) -> None:
    """Python swallows what is raised in a fork's hooks, of which logging has some."""
    done = subprocess.run(
        [sys.executable, "-c", AMID_FORK.format(number=number), "demo", "--for", "1s"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (ExitCode.INTERRUPTED, "")


def test_a_folder_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The operating system says only what is wrong, as where a disk is full."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(demo, "Stage", Empty)
    monkeypatch.setattr(Path, "write_text", full)

    result = CliRunner().invoke(cli, ["demo"])

    assert result.exit_code == ExitCode.FAILURE
    assert re.fullmatch(
        r"chronotick: error: cannot write to \S+/chronotick_demo_\w+: "
        r"No space left on device; make room there\n",
        result.stderr,
    )
