"""Calls that may never return, each in a thread that nobody waits for at the end.

Decides only who waits: whoever asked, until it is cancelled. Neither the event loop nor
the interpreter does, as they do for the threads of `anyio.to_thread`: the daemon must
stop at once, whatever a resolver or a sensor is up to.
"""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

_Found = TypeVar("_Found")

__all__ = ["in_a_thread_of_its_own"]


async def in_a_thread_of_its_own(call: Callable[[], _Found], *, name: str) -> _Found:
    """Return what `call` returns, or raise what it raises.

    Cancelled, it leaves the thread behind with whatever hangs in it.

    Args:
        call: Done in the thread.
        name: What the thread is there for.

    Raises:
        OSError: there are as many threads or open files as the system allows, which is
            weather, as a lack of ports is; or `call` raised it.
    """
    outcome: list[_Found | Exception] = []
    ours, theirs = os.pipe()

    def run() -> None:
        try:
            outcome.append(call())
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            outcome.append(error)
        finally:
            os.close(theirs)  # Which we see.

    try:
        try:
            threading.Thread(target=run, name=name, daemon=True).start()
        except RuntimeError as error:
            os.close(theirs)
            raise OSError(errno.EAGAIN, f"no thread for the {name}") from error
        await anyio.wait_readable(ours)
    finally:
        os.close(ours)
    found = outcome[0]
    if isinstance(found, Exception):
        raise found
    return found
