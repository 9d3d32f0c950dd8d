"""What is printed is what was said."""

from __future__ import annotations

import os
from io import StringIO
from typing import TYPE_CHECKING

import pytest

from chronotick.cli.terminal import is_live, stderr_console, stdout_console

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console


@pytest.mark.parametrize("console", [stdout_console, stderr_console])
def test_an_address_is_no_emoji(console: Callable[[], Console]) -> None:
    """Part of one reads like the name of a pictogram: `:a:`, `:b:`, `:ab:`."""
    address = "[2001:db8:a:b:ab::1]:123"
    printing = console()
    printing.file = StringIO()

    printing.print(address, markup=False)

    assert printing.file.getvalue() == f"{address}\n"


def test_what_is_told_to_color_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log would get every frame of a live line, ten a second."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    console = stderr_console()
    console.file = StringIO()
    assert not is_live(console)

    controller, terminal = os.openpty()
    with open(controller, "rb"), open(terminal, "w", encoding="utf-8") as file:
        console.file = file
        assert is_live(console)
