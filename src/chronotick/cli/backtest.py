"""`chronotick backtest`: judge our estimators on recordings of your own clock.

Decides how it is asked for and shown; it is done in `chronotick.eval`. Needs the extra
`eval`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.edge import Verb
from chronotick.cli.folders import make_folder, writing_to
from chronotick.cli.options import Duration, json_option
from chronotick.cli.progress import progress
from chronotick.eval.accuracy.traces import Steering
from chronotick.eval.accuracy.traces_read import AUTO, FORMATS, read_trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chronotick.eval.accuracy.backtest import Recording
    from chronotick.eval.accuracy.judge import Document
    from chronotick.eval.accuracy.traces import Trace

__all__ = ["command"]

# Written out, because listing them must not need numpy; a test compares.
_MODELS = (
    "hold", "mindelay", "regression", "kalman", "bank", "longterm", "product",
)  # fmt: skip
_LONGEST_S = 7 * 86_400.0
_WIDE = 120


class _Horizons(click.ParamType[tuple[float, ...]]):
    """Durations with commas between them."""

    name = "durations"

    def convert(
        self,
        value: str | tuple[float, ...],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[float, ...]:
        """Return them in seconds, each once, rising; or fail with what is allowed."""
        if isinstance(value, tuple):
            return value
        one = Duration(0.0, _LONGEST_S)
        return tuple(sorted({one.convert(v, param, ctx) for v in value.split(",")}))


@click.command("backtest", cls=Verb)
@click.argument(
    "files",
    metavar="TRACE...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Recordings: measurements.log, rawstats, peerstats, loopstats or CSV.",
)
@click.option(
    "--model",
    "models",
    type=click.Choice(_MODELS),
    multiple=True,
    default=("product",),
    help="Estimator to judge. May be repeated. Default: product, which is what the "
    "daemon does; kalman, bank and longterm are its parts; hold, mindelay and "
    "regression are baselines.",
)
@click.option(
    "--horizons",
    "horizons_s",
    metavar="DURATION,…",
    type=_Horizons(),
    help="How far ahead answers are given. Default: 5s,60s,5m,1h,8h, and 0s (now) "
    "where the truth is recorded.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice([AUTO, *FORMATS]),
    default=AUTO,
    show_default=True,
    help="chrony: measurements.log; the others are ntpd's and CSV.",
)
@click.option(
    "--steered/--free-running",
    "steered",
    default=None,
    help="Whether the clock was being corrected while it was measured. Default: as is "
    "usual for the format.",
)
@click.option(
    "--assume-delay",
    "assume_delay_s",
    metavar="DURATION",
    type=Duration(0.0, 60.0),
    help="Longest round trip there can have been, for measurements whose delay was not "
    "recorded. Without it they are left out.",
)
@click.option(
    "--skip",
    "skip_s",
    metavar="DURATION",
    type=Duration(),
    help="Score only what was foretold after so long. Default: 2h, or a quarter of the "
    "recording.",
)
@click.option(
    "--targets",
    type=click.IntRange(1, 10_000_000),
    default=1000,
    show_default=True,
    help="Ask for so many instants of each recording at each horizon, at most.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the intervals' draws.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write report.md, backtest.json and figures there.",
)
@json_option
def command(
    files: tuple[Path, ...],
    format_name: str,
    steered: bool | None,
    out: Path | None,
    as_json: bool,
    **asked: Any,  # noqa: ANN401
) -> None:
    """Judge our estimators on your own clock's logs.

    Reads what chrony and ntpd wrote, or CSV. Replays each TRACE causally: an answer for an instant is given by an estimator that
    has seen only what had arrived a horizon earlier, and is held against the recorded
    truth, or else against later measurements. Recordings may be compressed (gzip).
    """
    steering = None
    if steered is not None:
        steering = Steering.STEERED if steered else Steering.FREE
    # A recording that cannot be read is said first, before an extra that is missing.
    once: dict[Path, Path] = {}
    for path in files:
        once.setdefault(path.resolve(), path)
    traces = [_read(path, format_name, steering) for path in once.values()]
    _refuse_copies(traces)
    if out is not None:
        _need_figures()
        make_folder(out)
    document = _judge(traces, _Asked(**asked))
    page = _write(out, document) if out is not None else None
    if as_json:
        click.echo(json.dumps(document, allow_nan=False))
        return
    _print(document)
    if page is not None:
        click.echo(f"\nreport: {page}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the options say of judging."""

    models: tuple[str, ...]
    horizons_s: tuple[float, ...] | None
    assume_delay_s: float | None
    skip_s: float | None
    targets: int
    seed: int


def _read(path: Path, format_name: str, steering: Steering | None) -> Trace:
    with progress(f"reading {path.name}", unit=("lines", 1.0)) as told:
        return read_trace(path, format_name, steering, told)


def _refuse_copies(traces: Sequence[Trace]) -> None:
    """Counted twice, a recording would make all seem surer than it is."""
    seen: dict[str, str] = {}
    for trace in traces:
        first = seen.setdefault(trace.sha256, trace.path)
        if first != trace.path:
            raise click.UsageError(
                f"{trace.path} is the same recording as {first}: name one of them"
            )


def _need_figures() -> None:
    """Miss what draws them before the work, not after it."""
    try:
        import chronotick.eval.accuracy.figures  # noqa: F401, PLC0415
    except ModuleNotFoundError as error:
        raise _needs(error) from error


def _judge(traces: Sequence[Trace], asked: _Asked) -> Document:
    try:
        from chronotick.eval.accuracy.backtest import prepare, replay  # noqa: PLC0415
        from chronotick.eval.accuracy.contenders import contender  # noqa: PLC0415
        from chronotick.eval.accuracy.judge import (  # noqa: PLC0415
            AccuracySettings,
            Run,
            judge,
        )
    except ModuleNotFoundError as error:
        raise _needs(error) from error
    recordings = [
        prepare(trace, assume_delay_s=asked.assume_delay_s, most_targets=asked.targets)
        for trace in traces
    ]
    horizons_s = _horizons_s(recordings, asked)
    runs = []
    for recording in recordings:
        for model in dict.fromkeys(asked.models):
            label = f"{model} on {Path(recording.trace.path).name}"
            with progress(label) as told:
                estimator = contender(model, recording.trace.sources)
                found = replay(recording, estimator, horizons_s, told)
            runs.append(Run(model, recording, found))
    repeated = asdict(replace(asked, horizons_s=horizons_s))
    settings = AccuracySettings(seed=asked.seed, skip_s=asked.skip_s, asked=repeated)
    return judge(runs, settings)


def _horizons_s(recordings: Sequence[Recording], asked: _Asked) -> tuple[float, ...]:
    from chronotick.eval.accuracy.backtest import HORIZONS_S  # noqa: PLC0415

    has_truth = all(each.yardstick == "truth" for each in recordings)
    if asked.horizons_s is None:
        return (0.0, *HORIZONS_S) if has_truth else HORIZONS_S
    if min(asked.horizons_s) == 0.0 and not has_truth:
        raise click.UsageError(
            "a horizon of 0 needs recorded truth: without it, an answer would be held "
            "against a measurement that it was made from"
        )
    return asked.horizons_s


def _write(out: Path, document: Document) -> Path:
    from chronotick.eval.accuracy.figures import draw_accuracy  # noqa: PLC0415
    from chronotick.eval.accuracy.report import write_backtest  # noqa: PLC0415

    figures = draw_accuracy(document)
    with writing_to(out):
        return write_backtest(out, document, figures)


def _needs(error: ModuleNotFoundError) -> click.ClickException:
    return click.ClickException(
        f"a backtest needs more than the base installation ({error.name}): "
        "pip install 'chronotick[eval]'"
    )


def _print(document: Document) -> None:
    from chronotick.cli.tabulate import show_table  # noqa: PLC0415
    from chronotick.cli.terminal import stdout_console  # noqa: PLC0415
    from chronotick.eval.accuracy.report import (  # noqa: PLC0415
        caveats,
        doubts,
        errors_table,
        warm_up_table,
    )

    brief = stdout_console().width < _WIDE
    for table in (errors_table(document, brief=brief), warm_up_table(document)):
        show_table(table)
        click.echo()
    for line in doubts(document):
        click.secho(line, fg="yellow")
    for line in caveats(document):
        click.secho(line, dim=True)
