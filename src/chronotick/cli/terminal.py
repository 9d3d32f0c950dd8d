"""Terminals: whether there is one, and what may be done to it.

Colors, live views and progress appear on a terminal only; everything else gets plain
lines. NO_COLOR and TERM=dumb are respected (rich does the first itself).
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.measure import Measurement

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["STATUS_STYLES", "is_live", "show", "stderr_console", "stdout_console"]

_PLAIN_WIDTH = 160
_ENDLESS = 10_000

STATUS_STYLES = {
    "UNKNOWN": "bold red",
    "WARMUP": "yellow",
    "SYNCHRONIZED": "bold green",
    "HOLDOVER": "yellow",
}
"""How each status looks; the word itself is always there too."""


def stdout_console() -> Console:
    """Return the console for results; wide where nobody's terminal sets the width."""
    width = None if sys.stdout.isatty() else _PLAIN_WIDTH
    return Console(highlight=False, emoji=False, width=width)


def stderr_console() -> Console:
    """Return the console for progress and logs."""
    return Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)


def show(renderable: RenderableType) -> None:
    """Print all of it to standard output; no padding where no terminal needs it."""
    console = stdout_console()
    console.width = _width_for(console, renderable)
    if console.is_terminal:
        console.print(renderable)
        return
    with console.capture() as captured:
        console.print(renderable)
    for line in captured.get().splitlines():
        print(line.rstrip())


def _width_for(console: Console, renderable: RenderableType) -> int:
    """Return how wide it is, or what it takes where digits or columns would be lost.

    Rich cuts off what doesn't fit into a column; a terminal breaks a line that is too
    long for it.
    """
    everything = console.options.update(max_width=_ENDLESS)
    whole = Measurement.get(console, everything, renderable).maximum
    if whole <= console.width:
        return console.width
    narrow, wide = (_signs(console, renderable, at) for at in (console.width, whole))
    return console.width if narrow == wide else whole


def _signs(console: Console, renderable: RenderableType, width: int) -> Counter[str]:
    """Return how often each character is shown, wherever lines are broken."""
    options = console.options.update(max_width=width)
    lines = console.render_lines(renderable, options, pad=False)
    shown = "".join(segment.text for line in lines for segment in line)
    return Counter("".join(shown.split()))


def is_live(console: Console) -> bool:
    """Say whether a view may be redrawn in place.

    To rich a file is a terminal, too, where FORCE_COLOR is set.
    """
    is_shown = console.is_terminal and console.file.isatty()
    return is_shown and not console.is_dumb_terminal
