"""A module whose import is interrupted, in every process but the one of the tests."""

from __future__ import annotations

import multiprocessing
import os
import signal

from chronotick.eval.children import end_with_us

if multiprocessing.current_process().name != "MainProcess":
    os.kill(os.getpid(), signal.SIGINT)


def play() -> None:
    """Be what a process of ours is for."""
    end_with_us()


def insist() -> None:
    """Be interrupted once more, later."""
    end_with_us()
    os.kill(os.getpid(), signal.SIGINT)
