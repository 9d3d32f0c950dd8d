"""`chronotick benchmark`: what a reading costs on this machine.

Decides what is measured and how it is shown; `readings` decides how it is timed.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from chronotick.cli import formats
from chronotick.cli.crowd import read_at_once
from chronotick.cli.edge import Verb
from chronotick.cli.latency import PERCENTILES, summarize
from chronotick.cli.options import Real, json_option, segment_option
from chronotick.cli.readings import (
    SYSTEM,
    Reading,
    attach_ns,
    batches_ns,
    both_ends,
    cold_ns,
    pinned,
    ratio,
    single_calls_s,
)
from chronotick.cli.republish import republished
from chronotick.cli.terminal import is_live, show, stderr_console
from chronotick.client.clock import Clock, PythonClock
from chronotick.shm.native import HOT, WHY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chronotick.cli.crowd import Reader
    from chronotick.cli.latency import Latency

__all__ = ["command"]

_KEYS = ("time_time", "now", "now_ns", "interval", "now_ns_python")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """What was found of one kind of reading."""

    name: str
    loop_ns: float
    """Median of the batches, a call."""
    ratio: float
    """To time.time(): the median of the turns."""
    single: Latency
    cold_ns: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    iterations: int
    core: int | None
    rows: list[_Row]
    attach_ns: float
    crowd: list[Reader]
    writer_hz: float | None
    achieved_hz: float | None


@click.command("benchmark", cls=Verb)
@click.option(
    "--iterations",
    metavar="N",
    type=click.IntRange(1, 100_000_000),
    default=100_000,
    show_default=True,
    help="Readings to time, of each kind.",
)
@click.option(
    "--readers",
    metavar="N",
    type=click.IntRange(1, 1_000),
    help="Read in N processes at once, too.",
)
@click.option(
    "--writer-hz",
    metavar="HZ",
    type=Real(0.1, 1e6),
    help="Read a segment that is made for this, republished at this rate, and not "
    "the daemon's.",
)
@segment_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    iterations: int,
    readers: int | None,
    writer_hz: float | None,
    segment: str | None,
    as_json: bool,
) -> None:
    """Measure how long a reading takes here.

    What a reading costs, and its ratio to `time.time()`, are medians of uninterrupted
    loops of all kinds in turns, on one core. Percentiles are of single calls, and so
    is `cold`: the median of calls made after other memory has filled the caches. Both
    include what timing a call costs, about as much as a reading.
    """
    given = context.get_parameter_source("segment") is ParameterSource.COMMANDLINE
    if writer_hz is not None and given:
        raise click.UsageError("--writer-hz makes a segment of its own: no --segment")
    with ExitStack() as stack:
        own = None
        if writer_hz is not None:
            own = stack.enter_context(republished(writer_hz))
            segment = own.path
        core, rows, attach, path = _measure(segment, iterations)
        report = _Report(
            iterations=iterations,
            core=core,
            rows=rows,
            attach_ns=attach,
            crowd=read_at_once(path, readers, iterations) if readers else [],
            writer_hz=writer_hz,
            achieved_hz=None if own is None else own.achieved_hz(),
        )
    if as_json:
        click.echo(json.dumps(_record(report)))
    else:
        _print(report)


def _measure(
    segment: str | None, iterations: int
) -> tuple[int | None, list[_Row], float, str]:
    """Return the core, what was found of each kind, the price to attach, the path."""
    with Clock(segment) as quick, PythonClock(segment) as plain, pinned() as core:
        quick.interval()
        kinds = [
            SYSTEM,
            Reading("now()", quick.now),
            Reading("now_ns()", quick.now_ns),
            both_ends("interval(), both ends read", quick),
            Reading("now_ns(), pure Python", plain.now_ns),
        ]
        with _progress(2 * iterations * len(kinds)) as told:
            loops_ns = batches_ns(kinds, iterations, told)
            rows = [
                _Row(
                    name=kind.name,
                    loop_ns=median(turns_ns),
                    ratio=ratio(turns_ns, loops_ns[0]),
                    single=summarize(single_calls_s(kind, iterations, told)),
                    cold_ns=cold_ns(kind),
                )
                for kind, turns_ns in zip(kinds, loops_ns, strict=True)
            ]
        return core, rows, attach_ns(quick.path), quick.path


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], object]]:
    """Show progress on a terminal, drawn between the loops and never during one."""
    console = stderr_console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        console=console,
        transient=True,
        disable=not is_live(console),
        auto_refresh=False,
    ) as bar:
        task = bar.add_task("timing", total=total)
        drawn = 0.0

        def told(count: int) -> None:
            nonlocal drawn
            bar.advance(task, count)
            if bar.tasks[0].percentage >= drawn + 1.0:
                drawn = bar.tasks[0].percentage
                bar.refresh()

        yield told


def _print(report: _Report) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("reading")
    percentiles = (f"p{p:g}" for p in PERCENTILES)
    for column in ("× time.time()", "each", *percentiles, "max", "cold"):
        table.add_column(column, justify="right")
    for row in report.rows:
        single = row.single
        times_ns = (*single.percentiles_ns.values(), single.max_ns, row.cold_ns)
        table.add_row(
            f"[bold]{row.name}[/]",
            f"{row.ratio:.2f}",
            f"{row.loop_ns:.1f} ns",
            *(formats.duration(time_ns) for time_ns in times_ns),
        )
    show(table)
    for line in _notes(report):
        click.secho(line, dim=True)


def _notes(report: _Report) -> Iterator[str]:
    where = "not pinned to a core" if report.core is None else f"core {report.core}"
    yield f"{report.iterations:,} readings of each kind, {where}; reader: {WHY}"
    yield "percentiles, max and cold are of single calls and include timing them"
    yield f"attaching and the first reading: {formats.duration(report.attach_ns)}"
    if report.achieved_hz is not None:
        yield (
            f"a segment made for this, republished {report.achieved_hz:,.1f} times "
            f"a second ({report.writer_hz:,g} asked)"
        )
    if report.crowd:
        slowest = max(report.crowd, key=lambda reader: reader.now_ns_ns)
        yield (
            f"read by {len(report.crowd)} at once: now_ns() takes "
            f"{slowest.now_ns_ns:.1f} ns in the slowest process, "
            f"{slowest.ratio:.2f} × time.time() there"
        )


def _record(report: _Report) -> dict[str, object]:
    return {
        "native": HOT is not None,
        "reader": WHY,
        "iterations": report.iterations,
        "core": report.core,
        "writer_hz": report.writer_hz,
        "achieved_writer_hz": report.achieved_hz,
        "attach_ns": report.attach_ns,
        "readings": {
            key: {
                "ratio_to_time_time": row.ratio,
                "loop_ns": row.loop_ns,
                **{f"p{p:g}_ns": ns for p, ns in row.single.percentiles_ns.items()},
                "max_ns": row.single.max_ns,
                "mean_ns": row.single.mean_ns,
                "cold_ns": row.cold_ns,
            }
            for key, row in zip(_KEYS, report.rows, strict=True)
        },
        "readers": [
            {
                "now_ns_ns": reader.now_ns_ns,
                "time_time_ns": reader.time_time_ns,
                "ratio_to_time_time": reader.ratio,
            }
            for reader in report.crowd
        ],
    }
