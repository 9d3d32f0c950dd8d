"""A process that is forked into another time namespace: its clocks are others then.

Decides who is told. CLOCK_MONOTONIC_RAW of two time namespaces differ by a constant, and
the suspend time may be the same: nothing that a child has from its parent looks wrong.
So a child is moved at its fork, after `unshare(CLONE_NEWTIME)`; what is executed starts
anew. Not noticed are forks without Python, and `setns(2)`, which moves the caller itself.
"""

from __future__ import annotations

import os
from _weakref import ref
from typing import TYPE_CHECKING, Protocol

from chronotick.shm.host import time_namespace

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Movable", "tell_of_moves"]


class Movable(Protocol):
    """Something that remembers what this process's clocks said."""

    def on_moved(self) -> None:
        """Forget it: the clocks are others now."""
        ...


# Not `weakref.WeakSet`: importing it takes longer than all of this room.
_ALL: set[ref[Movable]] = set()
_namespace = time_namespace()


def tell_of_moves(who: Movable) -> None:
    """Call `who.on_moved()` in each child in which the clocks are others."""
    forget: Callable[[ref[Movable]], None] = _ALL.discard
    _ALL.add(ref(who, forget))


def _look_again() -> None:
    global _namespace
    before, _namespace = _namespace, time_namespace()
    if _namespace == before:
        return
    for each in _ALL.copy():
        who = each()
        if who is not None:
            who.on_moved()


os.register_at_fork(after_in_child=_look_again)
