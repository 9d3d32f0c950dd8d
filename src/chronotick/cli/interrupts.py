"""Ctrl-C where no command runs: the process ends at once, without a word.

Decides when an interrupt is Python's exception, which a command can clean up after, and
when not: amid imports and at the interpreter's end nobody would catch it, or only half
of it. And which other signals mean the same to a command that cleans up. Imports next to
nothing, for it must be there before all else.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chronotick.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["heed", "heed_all", "ignore_all", "leave_at_once", "quiet"]

_INIT = 1
_ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def quiet() -> Iterator[None]:
    """Run a program in the block; after it, too, an interrupt ends the process.

    What has been started without interrupts, as by `nohup`, goes on without.
    """
    leave_at_once()
    if os.getpid() == _INIT:
        # A container's: the kernel keeps from it what it has not asked for.
        _swap(signal.SIG_DFL, _terminate, signal.SIGTERM)
    try:
        yield
    except KeyboardInterrupt:
        _leave()  # The second of two: the first one's ending was cut short.
    finally:
        _swap(signal.default_int_handler, _leave)


def heed() -> None:
    """Let an interrupt raise KeyboardInterrupt: there is something to clean up now."""
    _swap(_leave, signal.default_int_handler)


def leave_at_once() -> None:
    """Let an interrupt end the process: there is nothing to clean up, or nothing can."""
    _swap(signal.default_int_handler, _leave)


def heed_all() -> None:
    """Let SIGTERM, and the SIGHUP of a terminal that closes, be interrupts, too."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        _swap(signal.SIG_DFL, signal.default_int_handler, number)
        _swap(_terminate, signal.default_int_handler, number)


def ignore_all() -> None:
    """Let a second interrupt not cut the cleaning up short; it takes no time."""
    for number in _ALL:
        signal.signal(number, signal.SIG_IGN)


def _swap(old: object, new: object, number: int = signal.SIGINT) -> None:
    if signal.getsignal(number) is old:
        signal.signal(number, new)  # type: ignore[arg-type]


def _leave(*_: object) -> None:
    os._exit(ExitCode.INTERRUPTED)


def _terminate(*_: object) -> None:
    os._exit(128 + signal.SIGTERM)
