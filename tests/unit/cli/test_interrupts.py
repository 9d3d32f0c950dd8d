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


AS_INIT = """\
import os, signal, sys
os.getpid = lambda: 1
from chronotick.cli import main, wait
wait.ticks = lambda *_: signal.raise_signal(signal.SIGTERM)
main()
"""


def test_process_1_of_a_container_ends_at_sigterm() -> None:
    """Without a handler the kernel would not even deliver it: ten seconds to a kill."""
    done = run(AS_INIT, "wait", "--segment", "/nonexistent/segment")

    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, "")


def test_who_started_us_without_an_end_gets_none() -> None:
    """`nohup`: a terminal that closes is no interrupt."""
    kept = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP)}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        interrupts.heed_all()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
