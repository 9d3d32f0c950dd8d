"""`chronotick benchmark`: what a reading costs on this machine."""

from __future__ import annotations

import json
from timeit import Timer
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from chronotick.cli import formats
from chronotick.cli.edge import Verb
from chronotick.cli.latency import PERCENTILES, measure
from chronotick.cli.options import json_option, segment_option
from chronotick.cli.terminal import is_live, show, stderr_console
from chronotick.client.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from chronotick.cli.latency import Latency

__all__ = ["command"]

_REPEATS = 5
_RATIO_CALLS = 20_000
# The yardstick comes through timeit, which needs no import of the clock here.
_SYSTEM = Timer("now()", "from time import time as now")


@click.command("benchmark", cls=Verb)
@click.option(
    "--iterations",
    metavar="N",
    type=click.IntRange(1, 100_000_000),
    default=100_000,
    show_default=True,
    help="Readings to time, of each kind.",
)
@segment_option
@json_option
def command(iterations: int, segment: str | None, as_json: bool) -> None:
    """Measure how long a reading takes here.

    Every reading is timed for the percentiles; the ratio to `time.time()` comes from
    uninterrupted loops of both.
    """
    with Clock(segment) as clock:
        clock.interval()
        calls: dict[str, Callable[[], object]] = {
            "now()": clock.now,
            "now_ns()": clock.now_ns,
            "interval()": clock.interval,
        }
        found = _measure(calls, iterations)
        yardstick_ns = _loop_ns(_SYSTEM)
        ratios = {
            name: _loop_ns(Timer("now()", globals={"now": call})) / yardstick_ns
            for name, call in calls.items()
        }
    if as_json:
        click.echo(json.dumps(_record(found, ratios, yardstick_ns)))
    else:
        _print(found, ratios, yardstick_ns)


def _measure(
    calls: dict[str, Callable[[], object]], iterations: int
) -> dict[str, Latency]:
    console = stderr_console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not is_live(console)
    ) as bar:
        task = bar.add_task("timing", total=iterations * len(calls))
        return {
            name: measure(call, iterations, lambda done: bar.advance(task, done))
            for name, call in calls.items()
        }


def _loop_ns(timer: Timer) -> float:
    """Return ns a call: the least of several loops, which others disturbed least."""
    return min(timer.repeat(_REPEATS, _RATIO_CALLS)) / _RATIO_CALLS * 1e9


def _print(
    found: dict[str, Latency], ratios: dict[str, float], yardstick_ns: float
) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("reading")
    for column in (*(f"p{p:g}" for p in PERCENTILES), "max", "× time.time()"):
        table.add_column(column, justify="right")
    for name, latency in found.items():
        times_ns = (*latency.percentiles_ns.values(), latency.max_ns)
        table.add_row(
            f"[bold]{name}[/]",
            *(formats.duration(time_ns) for time_ns in times_ns),
            f"{ratios[name]:.1f}",
        )
    show(table)
    count = next(iter(found.values())).calls
    click.secho(
        f"{count:,} readings of each kind; time.time() takes "
        f"{formats.duration(yardstick_ns)} here",
        dim=True,
    )


def _record(
    found: dict[str, Latency], ratios: dict[str, float], yardstick_ns: float
) -> dict[str, object]:
    return {
        "iterations": next(iter(found.values())).calls,
        "time_time_ns": yardstick_ns,
        "readings": {
            name.removesuffix("()"): {
                **{f"p{p:g}_ns": ns for p, ns in latency.percentiles_ns.items()},
                "max_ns": latency.max_ns,
                "mean_ns": latency.mean_ns,
                "ratio_to_time_time": ratios[name],
            }
            for name, latency in found.items()
        },
    }
