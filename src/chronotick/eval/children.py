"""Processes of ours: deaf until they can be quiet, and gone when this one is.

Decides how a process that `multiprocessing` spawns meets signals and the end of its
parent. What it does meanwhile is its caller's.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.process import BaseProcess

__all__ = ["end_with_us", "starting"]

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def starting() -> Iterator[None]:
    """Start processes in the block, each of which must call `end_with_us` first.

    An interrupt comes after the block: one amid a start would leave half a process. In
    the processes, which inherit the mask, it comes after their imports, of which each
    would print a traceback. For the main thread only.
    """
    # It starts with the first process otherwise, and lifts the mask when it has.
    resource_tracker.ensure_running()
    came: list[int] = []
    # The mask is this thread's, and Python has it answer for the others, too.
    # Those that are ignored, as under `nohup`, must be in the processes, too.
    heeded = [n for n in _INTERRUPTS if signal.getsignal(n) is not signal.SIG_IGN]
    kept = {n: signal.signal(n, lambda n, _: came.append(n)) for n in heeded}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, heeded)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in kept.items():
            signal.signal(number, handler)
        for late in came:
            signal.raise_signal(late)


def end_with_us(at_ctrl_c: signal.Handlers = signal.SIG_DFL) -> None:
    """Have this process end when its parent does, however that ends.

    Nobody waits for what it has begun, and it would wait for more for ever. Ctrl-C
    reaches all of a terminal's processes; a signal to the parent only that.

    Args:
        at_ctrl_c: What Ctrl-C does here: ends at once, or nothing (`SIG_IGN`). Nothing
            in any case where it does nothing to the parent.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, at_ctrl_c)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
