"""`chronotick bench`: our estimators in many imagined worlds.

Decides how it is asked for and shown; it is done in `chronotick.eval`. Needs the extra
`eval`, and `dask` for a cluster.
"""

from __future__ import annotations

import json
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.edge import Verb
from chronotick.cli.exit_codes import ExitCode, exit_code_for
from chronotick.cli.folders import make_folder, writing_to
from chronotick.cli.options import Durations, Real, Scheduler, json_option
from chronotick.cli.progress import progress
from chronotick.cli.tabulate import show_table
from chronotick.core.errors import ChronotickError
from chronotick.sim.scenario import load_scenario, scenario_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chronotick.eval.accuracy.bench_kept import KeptCells
    from chronotick.eval.accuracy.bench_scores import BenchSettings, Document

__all__ = ["command"]

# Written out, because listing them must not need numpy; a test compares.
_MODELS = (
    "hold", "mindelay", "regression", "kalman", "bank", "longterm", "product",
    "daemon", "daemon:default", "daemon:minimal", "daemon:kalman", "daemon:hold",
)  # fmt: skip
_USUAL = ("bank", "longterm", "daemon")
_HORIZONS_S = (60.0, 300.0, 3600.0, 28_800.0)
_LONGEST_S = 7 * 86_400.0
_MOST_HOURS = 24.0 * 366.0


@click.command("bench", cls=Verb)
@click.option(
    "--scenario",
    "scenarios",
    metavar="SCENARIO",
    multiple=True,
    help="Name of a scenario (see `chronotick simulate --list`) or path of a YAML file. "
    "May be repeated. Default: all of the package.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 10_000),
    default=3,
    show_default=True,
    help="How many worlds of each scenario: seeds 1, 2, …",
)
@click.option(
    "--model",
    "--models",
    "models",
    type=click.Choice(_MODELS),
    multiple=True,
    default=_USUAL,
    help="Estimator to judge. May be repeated. `daemon` is the whole daemon, by what a "
    "reader makes of its frames; the others answer by all that they know. Default: "
    "bank, longterm, daemon.",
)
@click.option(
    "--baseline",
    type=click.Choice(_MODELS),
    default="bank",
    show_default=True,
    help="The estimator that errors are divided by, where it is judged too.",
)
@click.option(
    "--horizons",
    "horizons_s",
    metavar="DURATION,…",
    type=Durations(0.0, _LONGEST_S),
    default=_HORIZONS_S,
    help="How far ahead answers are given. Default: 60s,5m,1h,8h.",
)
@click.option(
    "--hours",
    type=Real(0.0, _MOST_HOURS, min_open=True),
    help="Hours of each world's time. Default: what its scenario says.",
)
@click.option(
    "--targets",
    type=click.IntRange(1, 1_000_000),
    default=500,
    show_default=True,
    help="Ask for so many instants of each world at each horizon, at most.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 4096),
    default=1,
    show_default=True,
    help="Processes of this machine to compute with.",
)
@click.option(
    "--scheduler",
    metavar="tcp://HOST:PORT",
    type=Scheduler(),
    help="Compute on the workers of a Dask cluster that runs already. Same numbers.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write report.md and bench.json there, and on the way what is done: "
    "the same command goes on where another one ended.",
)
@json_option
def command(
    jobs: int,
    scheduler: str | None,
    out: Path | None,
    as_json: bool,
    **asked: Any,  # noqa: ANN401
) -> int:
    """Judge our estimators in imagined worlds, whose truth is known.

    Every scenario × seed × model is a cell; answers are given from what was measured a
    horizon earlier. The numbers depend on the cells alone: whoever computes them, on
    whichever machine. Ends with 6 if a hard bound of the daemon did not contain the
    truth.
    """
    worlds = [load_scenario(name) for name in asked["scenarios"] or scenario_names()]
    if len({world.name for world in worlds}) < len(worlds):
        raise click.UsageError("two of the scenarios have the same name")
    try:
        from chronotick.eval.accuracy.bench import (  # noqa: PLC0415
            locally,
            on_cluster,
            perform,
        )
        from chronotick.eval.accuracy.bench_scores import BenchSettings  # noqa: PLC0415

        subjects = tuple(dict.fromkeys(asked["models"]))
        settings = BenchSettings(
            scenarios=tuple(worlds),
            seeds=tuple(range(1, asked["seeds"] + 1)),
            subjects=subjects,
            baseline=asked["baseline"],
            horizons_s=asked["horizons_s"],
            hours=asked["hours"],
            targets=asked["targets"],
        )
        mapper = locally(jobs) if not scheduler else on_cluster(scheduler)
    except ModuleNotFoundError as error:
        extra = "dask" if scheduler else "eval"
        raise click.ClickException(
            f"the bench needs more than the base installation ({error.name}): "
            f"pip install 'chronotick[{extra}]'"
        ) from error
    kept = None if out is None else _kept(out, settings)
    with _going_on(kept), progress("bench", unit=("cells", 1.0)) as tell:
        document = perform(settings, mapper, tell, kept)
    _tell(document, out, as_json)
    broken = document["hard"]["violations"] > 0
    return ExitCode.BROKEN_BOUND if broken else ExitCode.OK


def _kept(out: Path, settings: BenchSettings) -> KeptCells:
    """Make `out`; return what is done there, and say what it is."""
    from chronotick.eval.accuracy.bench import cells  # noqa: PLC0415
    from chronotick.eval.accuracy.bench_kept import KeptCells  # noqa: PLC0415

    make_folder(out)
    kept = KeptCells(out / "cells", cells(settings))
    if kept.found:
        _note(f"done before: {_count(kept)}")
    if kept.other:
        _note(
            f"{kept.other} cells in {kept.folder} were made with other parameters or "
            "versions, and are computed anew"
        )
    if kept.damaged:
        _note(
            f"{kept.damaged} cells in {kept.folder} cannot be read, and are computed anew"
        )
    return kept


@contextmanager
def _going_on(kept: KeptCells | None) -> Iterator[None]:
    """However the bench ends in the block, say what is not lost."""
    try:
        yield
    except KeyboardInterrupt:
        if kept is not None:
            _note(_rest(kept))
        raise
    except BrokenExecutor as error:
        raise click.ClickException(
            "a process of the bench was ended from outside, perhaps for want of memory: "
            f"try fewer --jobs{_and(kept)}"
        ) from error
    except ChronotickError as error:
        if exit_code_for(error) is not ExitCode.FAILURE:
            raise
        raise click.ClickException(f"{error}{_and(kept)}") from error


def _and(kept: KeptCells | None) -> str:
    return "" if kept is None else f"; {_rest(kept)}"


def _rest(kept: KeptCells) -> str:
    goes_on = "; the same command goes on from there" if kept.kept else ""
    return f"kept: {_count(kept)}{goes_on}"


def _count(kept: KeptCells) -> str:
    return f"{kept.kept} of {kept.wanted} cells, in {kept.folder}"


def _note(text: str) -> None:
    click.secho(text, err=True, dim=True)


def _tell(document: Document, out: Path | None, as_json: bool) -> None:
    from chronotick.eval.accuracy.bench_report import (  # noqa: PLC0415
        bounds_table,
        errors_table,
        notes,
        ratios_table,
        write_bench,
    )

    page = None
    if out is not None:
        with writing_to(out):
            page = write_bench(out, document)
    if as_json:
        click.echo(json.dumps(document, allow_nan=False))
        return
    for make in (ratios_table, errors_table, bounds_table):
        table = make(document)
        if table.rows:
            show_table(table)
            click.echo()
    for line in notes(document):
        click.secho(line, dim=True)
    if page is not None:
        click.echo(f"\nreport: {page}")
