"""A bar of progress for long work: on a terminal, and nowhere else."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from chronotick.cli.terminal import is_live, stderr_console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["progress"]


@contextmanager
def progress(
    label: str, *, unit: tuple[str, float] = ("", 1.0)
) -> Iterator[Callable[[float, float], None]]:
    """Show a bar on standard error while the block runs.

    Args:
        label: What is being done.
        unit: Name of the unit that is shown, and how much one of it is.

    Yields:
        A function to be told how much is done, and of how much.
    """
    from rich.progress import (  # noqa: PLC0415 - slow to import, and seldom needed
        BarColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = stderr_console()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    name, size = unit
    with Progress(
        *columns, console=console, transient=True, disable=not is_live(console)
    ) as bar:
        task = bar.add_task(label, total=1.0, amount="")

        def tell(done: float, of: float) -> None:
            amount = f"{done / size:.3g} of {of / size:.3g} {name}".rstrip()
            bar.update(task, completed=done / of if of else 1.0, amount=amount)

        yield tell
