"""What is printed is what was said."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest

from chronotick.cli.terminal import stderr_console, stdout_console

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
