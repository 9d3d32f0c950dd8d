"""Ctrl-C where no command runs: the process ends at once, without a word.

Decides when an interrupt is Python's exception, which a command can clean up after, and
when not: amid imports and at the interpreter's end nobody would catch it, or only half
of it. Imports next to nothing, for it must be there before all else.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chronotick.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["heed", "quiet"]


@contextmanager
def quiet() -> Iterator[None]:
    """Run a program in the block; after it, too, an interrupt ends the process.

    What has been started without interrupts, as by `nohup`, goes on without.
    """
    _swap(signal.default_int_handler, _leave)
    try:
        yield
    except KeyboardInterrupt:
        _leave()  # The second of two: the first one's ending was cut short.
    finally:
        _swap(signal.default_int_handler, _leave)


def heed() -> None:
    """Let an interrupt raise KeyboardInterrupt: there is something to clean up now."""
    _swap(_leave, signal.default_int_handler)


def _swap(old: object, new: object) -> None:
    if signal.getsignal(signal.SIGINT) is old:
        signal.signal(signal.SIGINT, new)  # type: ignore[arg-type]


def _leave(*_: object) -> None:
    os._exit(ExitCode.INTERRUPTED)
