"""Ctrl-C where no command runs yet, or none any more: the documented code, no word."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from chronotick.cli import cli, interrupts
from chronotick.cli.exit_codes import ExitCode

# Interrupted where `module` is about to be imported.
AMID_IMPORTS = """\
import signal, sys
from importlib.abc import MetaPathFinder

class Finder(MetaPathFinder):
    def find_spec(self, name, *_):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Finder())
from chronotick.cli import {program}
{program}()
"""
AT_THE_END = """\
import atexit, signal
from chronotick.cli import main
atexit.register(signal.raise_signal, signal.SIGINT)
main()
"""


def run(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python on `code`."""
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("module", "program", "words"),
    [
        ("click", "main", "monitor"),
        ("click", "client_main", "monitor"),
        ("click", "daemon_main", ""),
        ("chronotick.cli.edge", "main", "demo"),
        ("chronotick.cli.monitor", "main", "monitor"),
        ("chronotick.daemon.udp", "main", "demo"),
        ("anyio", "daemon_main", ""),
    ],
)
def test_an_interrupt_amid_imports_is_quiet(
    module: str, program: str, words: str
) -> None:
    """They take longer than a person who has mistyped the command."""
    done = run(AMID_IMPORTS.format(module=module, program=program), *words.split())

    assert (done.returncode, done.stderr) == (ExitCode.INTERRUPTED, "")


def test_an_interrupt_of_the_interpreter_s_end_is_quiet() -> None:
    """The command is over; what is left of the process has nothing to say."""
    done = run(AT_THE_END, "--version")

    assert (done.returncode, done.stderr) == (ExitCode.INTERRUPTED, "")


def test_a_command_is_interrupted_by_an_exception() -> None:
    """So that it can clean up."""
    kept = signal.getsignal(signal.SIGINT)
    try:
        with interrupts.quiet():
            assert signal.getsignal(signal.SIGINT) is not kept
            CliRunner().invoke(cli, ["monitor", "--for", "0s"])
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, kept)


def test_who_started_us_without_interrupts_gets_none() -> None:
    """`nohup`, and shells that start jobs in the background."""
    kept = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.quiet():
            interrupts.heed()
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, kept)
