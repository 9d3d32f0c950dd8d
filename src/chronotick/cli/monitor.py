"""`chronotick monitor`: the time and its bounds, again and again."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

import click

from chronotick.cli import formats
from chronotick.cli.edge import Verb
from chronotick.cli.exit_codes import ExitCode, exit_code_for
from chronotick.cli.options import Duration, json_option, segment_option
from chronotick.cli.pacing import ticks
from chronotick.cli.read import as_record, status_words
from chronotick.cli.sighting import Sighting, sight
from chronotick.client.clock import Clock
from chronotick.core.errors import ClockError
from chronotick.daemon.clocks import HostClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import RenderableType

__all__ = ["command", "sparkline"]

Seen: TypeAlias = Sighting | ClockError
_HISTORY = 60
_BARS = "▁▂▃▄▅▆▇█"


@click.command("monitor", cls=Verb)
@click.option(
    "--interval",
    "interval_s",
    metavar="DURATION",
    type=Duration(0.01, 3600.0),
    default="1s",
    show_default=True,
    help="Time between two readings.",
)
@click.option(
    "--for",
    "for_s",
    metavar="DURATION",
    type=Duration(),
    help="End by itself after this long. Default: until Ctrl-C.",
)
@segment_option
@json_option
def command(
    interval_s: float, for_s: float | None, segment: str | None, as_json: bool
) -> int:
    """Watch the time and its bounds, live.

    Goes on while there is no trustworthy time, and says why there is none. On a
    terminal one view is redrawn; elsewhere every reading is a line.
    """
    show = _show_json if as_json else _show_line
    with Clock(segment) as clock:
        if as_json or not _on_terminal():
            return _watch(clock, interval_s, for_s, show)
        return _watch_live(clock, interval_s, for_s)


def _on_terminal() -> bool:
    from chronotick.cli.terminal import is_live, stdout_console  # noqa: PLC0415

    return is_live(stdout_console())


def _watch(
    clock: Clock,
    interval_s: float,
    for_s: float | None,
    show: Callable[[Seen], None],
) -> int:
    """Show readings until the time is up; return the exit code of the last one."""
    host, code = HostClock(), ExitCode.OK
    for _ in ticks(interval_s, for_s):
        seen: Seen
        try:
            seen, code = sight(clock, host), ExitCode.OK
        except ClockError as error:
            seen, code = error, exit_code_for(error)
        show(seen)
    return code


def _show_line(seen: Seen) -> None:
    if isinstance(seen, ClockError):
        click.echo(f"no time: {seen}")
        return
    now = seen.now
    click.echo(
        f"{formats.utc(now.midpoint_ns)}  {formats.bound(now.width_ns / 2):<12}"
        f"  {status_words(now)}"
    )


def _show_json(seen: Seen) -> None:
    if isinstance(seen, ClockError):
        record: dict[str, object] = {"status": "UNKNOWN", "error": str(seen)}
    else:
        record = as_record(seen.now)
    click.echo(json.dumps(record))


def _watch_live(clock: Clock, interval_s: float, for_s: float | None) -> int:
    from rich.live import Live  # noqa: PLC0415

    from chronotick.cli.terminal import stdout_console  # noqa: PLC0415

    widths: deque[float] = deque(maxlen=_HISTORY)
    offsets: deque[float] = deque(maxlen=_HISTORY)
    with Live(console=stdout_console(), auto_refresh=False) as live:

        def show(seen: Seen) -> None:
            if isinstance(seen, Sighting):
                widths.append(seen.now.width_ns)
                offsets.append(seen.system_offset_ns)
            live.update(_view(clock.path, seen, widths, offsets), refresh=True)

        return _watch(clock, interval_s, for_s, show)


def _view(
    path: str, seen: Seen, widths: Iterable[float], offsets: Iterable[float]
) -> RenderableType:
    from rich.panel import Panel  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from chronotick.cli.terminal import STATUS_STYLES  # noqa: PLC0415

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(min_width=30)
    grid.add_column(style="cyan")
    if isinstance(seen, ClockError):
        style = STATUS_STYLES["UNKNOWN"]
        grid.add_row("time", Text("not known", style=style))
        grid.add_row("why", Text(str(seen)))
    else:
        now, style = seen.now, STATUS_STYLES[seen.now.status.name]
        grid.add_row("time", Text(formats.utc(now.midpoint_ns), style="bold"))
        grid.add_row("bound", formats.bound(now.width_ns / 2), sparkline(widths))
        offset = formats.clock_offset(seen.system_offset_ns)
        grid.add_row("system clock", offset, sparkline(offsets))
        grid.add_row("status", Text(status_words(now), style=style))
    return Panel(
        grid,
        title=f"chronotick · {path}",
        title_align="left",
        subtitle="Ctrl-C ends",
        subtitle_align="right",
        border_style=style.removeprefix("bold "),
        expand=False,
    )


def sparkline(values: Iterable[float]) -> str:
    """Return `values` as bars, the least as the lowest and the largest as the highest."""
    numbers = list(values)
    if not numbers:
        return ""
    low, span = min(numbers), max(numbers) - min(numbers)
    top = len(_BARS) - 1
    return "".join(
        _BARS[round((n - low) / span * top)] if span else _BARS[0] for n in numbers
    )
