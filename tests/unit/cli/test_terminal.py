"""What is printed is what was said."""

from __future__ import annotations

import os
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from rich.table import Table

from chronotick.cli import terminal
from chronotick.cli.terminal import is_live, stderr_console, stdout_console

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("console", [stdout_console, stderr_console])
def test_an_address_is_no_emoji(console: Callable[[], Console]) -> None:
    """Part of one reads like the name of a pictogram: `:a:`, `:b:`, `:ab:`."""
    address = "[2001:db8:a:b:ab::1]:123"
    printing = console()
    printing.file = StringIO()

    printing.print(address, markup=False)

    assert printing.file.getvalue() == f"{address}\n"


def numbers() -> Table:
    """Return a table whose columns are as wide as what is in them."""
    table = Table(box=None, pad_edge=False)
    for column in range(6):
        table.add_column(f"column{column}", justify="right")
    table.add_row(*[f"{column}23.4 ns" for column in range(6)])
    return table


def told() -> Table:
    """Return a table whose words may be broken."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("segment", f"no daemon publishes at /{'long/' * 12}segment")
    return table


@pytest.mark.parametrize("columns", [10, 40, 200])
def test_no_digit_is_lost_where_a_terminal_is_narrow(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """It breaks long lines; what a narrow column cuts off is gone."""
    said = shown(monkeypatch, numbers(), columns)

    for column in range(6):
        assert f"column{column}" in said
        assert f"{column}23.4 ns" in said
    assert len(said.splitlines()) == 2


def test_what_can_be_broken_stays_beside_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The terminal need not break what is laid out for its width."""
    said = shown(monkeypatch, told(), 40)

    assert max(map(len, said.splitlines())) <= 40
    assert "".join(said.split()) == (
        f"segmentnodaemonpublishesat/{'long/' * 12}segment"
    )


def shown(monkeypatch: pytest.MonkeyPatch, table: Table, columns: int) -> str:
    """Return what of `table` a terminal of that width gets."""
    console = Console(file=StringIO(), force_terminal=True, width=columns)
    monkeypatch.setattr(terminal, "stdout_console", lambda: console)
    terminal.show(table)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_what_is_told_to_color_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log would get every frame of a live line, ten a second."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    console = stderr_console()
    console.file = StringIO()
    assert not is_live(console)

    controller, line = os.openpty()
    with open(controller, "rb"), open(line, "w", encoding="utf-8") as file:
        console.file = file
        assert is_live(console)
