"""A table of scores on standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.cli.terminal import show

if TYPE_CHECKING:
    from chronotick.eval.accuracy.report import Table

__all__ = ["show_table"]


def show_table(table: Table) -> None:
    """Print a table: texts to the left, numbers to the right."""
    from rich.table import Table as RichTable  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415

    shown = RichTable(
        title=table.title,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        header_style="dim",
    )
    for k, name in enumerate(table.head):
        shown.add_column(name, justify="left" if k < table.names else "right")
    for row in table.rows:
        # A name with brackets is no markup.
        shown.add_row(*map(Text, row))
    show(shown)
