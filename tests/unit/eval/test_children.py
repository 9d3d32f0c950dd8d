"""Processes of ours are quiet about Ctrl-C, even before they can say so."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import TYPE_CHECKING

from chronotick.eval.children import starting
from unit.eval import interrupting

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def test_an_interrupt_amid_the_imports_ends_without_a_word(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Python's own answer would be a traceback for every process."""
    process = multiprocessing.get_context("spawn").Process(target=interrupting.play)
    with starting():
        process.start()
    process.join()

    assert process.exitcode == -signal.SIGINT
    assert capfd.readouterr().err == ""


def test_who_was_started_without_interrupts_has_processes_without() -> None:
    """As in a script's background: Ctrl-C would end them, and leave us without."""
    process = multiprocessing.get_context("spawn").Process(target=interrupting.insist)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with starting():
            process.start()
    finally:
        signal.signal(signal.SIGINT, before)
    process.join()

    assert process.exitcode == 0


def test_an_interrupt_amid_a_start_comes_after_it() -> None:
    """Half a start would leave a process that nobody knows of."""
    done = False

    def start() -> None:
        nonlocal done
        with starting():
            os.kill(os.getpid(), signal.SIGINT)
            done = True

    assert interrupted(start)
    assert done


def interrupted(work: Callable[[], None]) -> bool:
    """Whether `work` is interrupted."""
    try:
        work()
    except KeyboardInterrupt:
        return True
    return False
