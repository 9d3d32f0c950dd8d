"""A process of ours for as long as a block lasts, with a line to it.

Decides that it never outlives the block: it is killed at the end, and ends when this
process dies; and that an error there is told here, in one line. What else is said on the
line is the callers'.
"""

from __future__ import annotations

import multiprocessing
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVarTuple, Unpack

import click

from chronotick.core.errors import ChronotickError
from chronotick.eval.children import end_with_us, starting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

__all__ = ["companion", "hear"]

_Args = TypeVarTuple("_Args")


class _Failure(NamedTuple):
    """An error that is none of ours: what the other process says last."""

    why: str


@contextmanager
def companion(
    target: Callable[[Connection, Unpack[_Args]], None], *args: *_Args
) -> Iterator[Connection]:
    """Run `target(line, *args)` in a fresh interpreter; yield our end of its line.

    Args:
        target: A function of a module; Ctrl-C doesn't reach it.
        *args: What can be pickled.
    """
    context = multiprocessing.get_context("spawn")
    ours, its = context.Pipe()
    process = context.Process(target=_run, args=(target, its, args), daemon=True)
    try:
        with starting():
            process.start()
        its.close()  # Or its end of the line would never be seen to close.
        yield ours
    finally:
        if process.pid is not None:
            process.kill()
            process.join()
        process.close()
        ours.close()


def hear(line: Connection) -> Any:  # noqa: ANN401 - whatever was sent
    """Return what the other process says next.

    Raises:
        click.ClickException: it failed, or ended without a word.
    """
    try:
        said = line.recv()
    except (EOFError, ConnectionResetError):
        raise click.ClickException("a process of the benchmark ended early") from None
    if isinstance(said, _Failure):
        raise click.ClickException(f"a process of the benchmark failed: {said.why}")
    return said


def _run(
    target: Callable[..., None], line: Connection, args: tuple[object, ...]
) -> None:
    end_with_us(at_ctrl_c=signal.SIG_IGN)  # We are killed instead.
    try:
        target(line, *args)
    except (ChronotickError, OSError) as error:
        with suppress(OSError):  # Nobody may be there to hear it.
            line.send(_Failure(str(error)))
