"""`chronotick eval`: are bounded timestamps worth it? Verbs for recording and judging.

Decides how the evaluation is asked for and how it answers; it is done in
`chronotick.eval`. Needs the extra `eval`.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

import click

from chronotick.cli.edge import HELP_FLAGS, Edge, Verb, complain
from chronotick.cli.eval_nodes import coordinator, worker
from chronotick.cli.eval_run import connected, run
from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.interrupts import heed_all
from chronotick.cli.options import Duration, Real, Scheduler, json_option

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from chronotick.eval.streaming.demo import DemoResult
    from chronotick.eval.streaming.judged import Group

__all__ = ["command"]

_NEEDS = (
    "the evaluation needs more than the base installation ({what}): "
    "pip install 'chronotick[eval]'"
)


class _EvalGroup(Edge, click.Group):
    """The verbs of the evaluation, in the order of a run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order in which they were added."""
        return list(self.commands)


@click.group("eval", cls=_EvalGroup, context_settings=HELP_FLAGS)
def command() -> None:
    """Put bounded timestamps to the test across nodes.

    A coordinator sends events to workers; what can be decided from their timestamps
    alone is judged afterwards, for the system clock, plain NTP and ChronoTick alike.
    """


class _Milliseconds(click.ParamType[float]):
    """A size of window: a number of milliseconds above 0."""

    name = "ms"

    def convert(
        self,
        value: str | float,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """Return `value` in ms, or fail with what is allowed."""
        try:
            size_ms = float(value)
        except ValueError:
            size_ms = 0.0
        if not 1e-6 <= size_ms <= 1e9:  # noqa: PLR2004 - 1 ns to 11 days
            self.fail(f"{value!r} is not a number of ms from 1e-6 to 1e9", param, ctx)
        return size_ms


@command.command("analyze", cls=Verb)
@click.option(
    "--experiment",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with worker*.csv and coordinator*.csv (or .parquet). The original "
    "framework's columns alone will do: what they lack is reported as null.",
)
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the report goes. Default: DIR/report.",
)
@click.option(
    "--window",
    "windows_ms",
    metavar="MS",
    type=_Milliseconds(),
    multiple=True,
    help="Also judge windows of this size. May be repeated. Always: 50, 100, 500, "
    "1000 ms.",
)
@click.option(
    "--level",
    metavar="SHARE",
    type=Real(0.0, 1.0, min_open=True),
    help="Coverage that the calibrated interval was to have, such as 0.99. Default: "
    "it was never stated, so it is reported and not judged.",
)
@click.option(
    "--scheduler",
    metavar="tcp://HOST:PORT",
    type=Scheduler(),
    help="Judge on this Dask cluster, for a run that is too large for one machine. DIR "
    "must be at the same path on all its workers.",
)
@json_option
def analyze(
    experiment: Path,
    output: Path | None,
    windows_ms: tuple[float, ...],
    level: float | None,
    scheduler: str | None,
    as_json: bool,
) -> int:
    """Judge recorded events and write the report.

    Writes report.html, summary.md, PNG figures and JSON statistics. Ends with 1 if a
    claim is broken.
    """
    sizes = tuple(sorted({*_windows(), *windows_ms}))
    statistics, page = _analyze(experiment, output, sizes, level, scheduler)
    if as_json:
        click.echo(json.dumps(statistics))
    else:
        _conclude(statistics, page)
    return ExitCode.FAILURE if statistics["verdict"] == "broken" else ExitCode.OK


def _windows() -> tuple[float, ...]:
    """Return the windows that are always judged; the first to need the extra."""
    try:
        from chronotick.eval.streaming.judge_windows import (  # noqa: PLC0415
            DEFAULT_WINDOWS_MS,
        )
    except ModuleNotFoundError as error:
        raise click.ClickException(_NEEDS.format(what=error.name)) from error
    return DEFAULT_WINDOWS_MS


def _analyze(
    experiment: Path,
    output: Path | None,
    windows_ms: tuple[float, ...],
    level: float | None,
    scheduler: str | None,
) -> tuple[Group, Path]:
    try:
        from chronotick.eval.streaming.analyze import (  # noqa: PLC0415
            analyze as judge,
        )
        from chronotick.eval.streaming.analyze import report_on  # noqa: PLC0415
        from chronotick.eval.streaming.judge import JudgeSettings  # noqa: PLC0415
        from chronotick.eval.streaming.judge_cluster import judge_on  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise click.ClickException(_NEEDS.format(what=error.name)) from error
    settings = JudgeSettings(windows_ms=windows_ms, calibrated_level=level)
    if scheduler is None:
        found = judge(experiment, output=output, settings=settings)
    else:
        with ExitStack() as stack:
            cluster = connected(scheduler, stack)
            statistics = judge_on(cluster, experiment, settings)
        found = report_on(experiment, statistics, output)
    return found.statistics, found.page


def _conclude(statistics: Group, page: Path) -> None:
    """Say what was found: each claim in a line, then where the report is."""
    from chronotick.eval.streaming.judge_claims import remark  # noqa: PLC0415

    marks = {True: ("holds", "green"), False: ("BROKEN", "red"), None: ("–", "yellow")}
    for claim in statistics["claims"]:
        word, color = marks[claim["holds"]]
        why = f" ({said})" if (said := remark(claim)) else ""
        click.echo(f"{click.style(f'{word:<7}', fg=color)} {claim['claim']}{why}")
    click.echo(f"\nreport: {page}")


@command.command("demo", cls=Verb)
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("chronotick-eval-demo"),
    show_default=True,
    help="Where recordings and report go.",
)
@click.option("--seed", default=1, show_default=True, help="Which imagined world.")
@click.option(
    "--pattern",
    default="mixed",
    show_default=True,
    help="Gaps between events: fast, medium, slow, very_slow, mixed or fixed:SECONDS.",
)
@click.option(
    "--for",
    "duration_s",
    metavar="DURATION",
    type=Duration(1.0, 3600.0),
    default=35.0,
    help="How long events are sent. Default: 35s.",
)
@json_option
def demo(
    output: Path, seed: int, pattern: str, duration_s: float, as_json: bool
) -> int:
    """See it on this machine: virtual hosts, real UDP, known truth.

    Imagines three workers and a coordinator, each with an oscillator, a daemon and a
    segment of its own, and lossy, lopsided paths between them. Then judges what they
    recorded against the truth. Takes about a minute and a half. Ends with 1 if a claim
    is broken.
    """
    heed_all()  # However it is told to end, it cleans up.
    with _Progress() as progress:
        result = _demo(output, seed, pattern, duration_s, progress)
    statistics = result.analysis.statistics
    for failure in result.outcome.failures:
        complain(failure)
    if as_json:
        click.echo(json.dumps(statistics))
    else:
        _conclude(statistics, result.analysis.page)
    is_good = statistics["verdict"] == "holds" and not result.outcome.failures
    return ExitCode.OK if is_good else ExitCode.FAILURE


def _demo(
    output: Path,
    seed: int,
    pattern: str,
    duration_s: float,
    progress: _Progress,
) -> DemoResult:
    try:
        from chronotick.eval.streaming.demo import DemoSettings, run_demo  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise click.ClickException(_NEEDS.format(what=error.name)) from error
    settings = DemoSettings(
        output=output, seed=seed, pattern=pattern, duration_s=duration_s
    )
    return run_demo(settings, progress.say, progress.show)


class _Progress:
    """How far it is, in percent: lines on standard error, or a bar on a terminal."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._percent = 0
        self._bar: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> Self:
        from chronotick.cli.terminal import is_live, stderr_console  # noqa: PLC0415

        console = stderr_console()
        if is_live(console):
            from rich.progress import (  # noqa: PLC0415
                BarColumn,
                Progress,
                TaskProgressColumn,
                TextColumn,
                TimeElapsedColumn,
            )

            columns = (
                BarColumn(bar_width=30),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.description}"),
            )
            live = self._stack.enter_context(Progress(*columns, console=console))
            self._bar = (live, live.add_task("starting", total=100))
        return self

    def show(self, share: float) -> None:
        """Say that `share` of all of it is done, 0 to 1."""
        self._percent = max(self._percent, int(100 * share))
        if self._bar is not None:
            live, task = self._bar
            live.update(task, completed=self._percent)

    def say(self, line: str) -> None:
        """Show `line`."""
        if self._bar is None:
            click.echo(f"{self._percent:3d} % {line}", err=True)
        else:
            live, task = self._bar
            live.update(task, description=line)

    def __exit__(self, *_: object) -> None:
        self._stack.close()


command.add_command(worker)
command.add_command(coordinator)
command.add_command(run)

if __name__ == "__main__":  # How the local launcher starts a worker.
    command.main(prog_name="chronotick eval")
