"""Which error did a group of tasks die of? Decides that one line names one cause."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from chronotick.core.errors import ChronotickError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["one_cause"]


@contextmanager
def one_cause() -> Iterator[None]:
    """Raise what was raised on purpose in place of the group that it arrived in.

    A disk that is full fails in many tasks at once: the first says what there is to
    say. A group without such an error is a bug, and stays as it is.

    Raises:
        ChronotickError: the first of a group's.
        OSError: the first, where there is no error of ours.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        leaves = list(_leaves(group))
        for kind in (ChronotickError, OSError):
            for leaf in leaves:
                if isinstance(leaf, kind):
                    raise leaf from group
        raise


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
