"""`chronotick simulate`: the daemon in an imagined world, days in seconds.

Decides how it is asked for and how it answers; the world is `chronotick.sim`'s, driving
the daemon in it `chronotick.eval.accuracy.bench_world`'s. Files and figure need the extra `eval`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.edge import Verb
from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.folders import make_folder, writing_to
from chronotick.cli.options import Real, json_option
from chronotick.cli.progress import progress
from chronotick.core.errors import ConfigError
from chronotick.documents.quantities import format_duration
from chronotick.documents.text import in_file
from chronotick.sim.scenario import is_path, load_scenario, scenario_names

if TYPE_CHECKING:
    from chronotick.eval.accuracy.bench_world import Plan
    from chronotick.sim.scenario import Scenario

__all__ = ["command"]

# Written out, because `--help` must not need numpy; a test compares.
_DAEMONS = ("default", "minimal", "kalman", "hold")
_HORIZONS_S = (16.0, 64.0, 300.0, 3600.0, 28_800.0)
_LONGEST_H = 24.0 * 366.0
_POINTS = 20_000
_CHANGES = 20


def _list(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    names = scenario_names()
    width = max(map(len, names))
    for name in names:
        click.echo(f"{name:<{width}}  {load_scenario(name).summary}")
    ctx.exit()


@click.command("simulate", cls=Verb)
@click.argument(
    "scenario",
    metavar="SCENARIO",
    help="Name of a scenario (see --list), or path of a YAML file.",
)
@click.option(
    "--list",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_list,
    help="Show the scenarios of the package and exit.",
)
@click.option("--seed", default=1, show_default=True, help="Which of all such worlds.")
@click.option(
    "--hours",
    type=Real(0.0, _LONGEST_H, min_open=True),
    help="Hours of the world's time. Default: what the scenario says.",
)
@click.option(
    "--daemon",
    type=click.Choice(_DAEMONS),
    default="default",
    show_default=True,
    help="Its models: default and minimal are presets of the configuration; kalman has "
    "one filter, hold keeps to the newest measurement.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write published.csv, summary.json and error.png there.",
)
@json_option
def command(
    scenario: str,
    seed: int,
    hours: float | None,
    daemon: str,
    out: Path | None,
    as_json: bool,
) -> int:
    """Run the daemon in an imagined world, days in seconds.

    Everything that it publishes is held against the truth. SCENARIO is a name from --list, or the path of a YAML file. The pipeline is the
    production one, on virtual time: nothing waits, nothing touches the network, and the
    same seed gives the same history. Ends with 6 if a hard bound did not contain the
    truth.
    """
    imagined = load_scenario(scenario)
    path = scenario if is_path(scenario) else None
    length_s = imagined.duration_s if hours is None else hours * 3600.0
    try:
        from chronotick.eval.accuracy.bench_world import Plan  # noqa: PLC0415

        plan = Plan(
            seed=seed,
            daemon=daemon,
            length_s=length_s,
            horizons_s=_HORIZONS_S,
            outlook_every_s=64.0,
            keep_every_s=length_s / _POINTS,
        )
        document = _simulate(imagined, path, plan, out)
    except ConfigError as error:  # Of the world, such as an address that two have.
        raise in_file(error, path) if path else error from None
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"a simulation needs more than the base installation ({error.name}): "
            "pip install 'chronotick[eval]'"
        ) from error
    if as_json:
        click.echo(json.dumps(document, allow_nan=False))
    else:
        _conclude(document, out)
    broken = document["hard_violations"] > 0
    return ExitCode.BROKEN_BOUND if broken else ExitCode.OK


def _simulate(
    scenario: Scenario, path: str | None, plan: Plan, out: Path | None
) -> dict[str, Any]:
    from chronotick.eval.accuracy.bench_simulation import (  # noqa: PLC0415
        is_unknowable,
        summarize,
        write_rows,
        write_summary,
    )
    from chronotick.eval.accuracy.bench_world import run  # noqa: PLC0415

    if out is not None:
        # Missing extras and folders that cannot be written show before the work.
        from chronotick.eval.accuracy.bench_figures import draw_simulation  # noqa: PLC0415

        make_folder(out)
    with progress(f"{scenario.name}, seed {plan.seed}", unit=("h", 3600.0)) as tell:
        done = run(scenario, plan, tell)
    document = summarize(done, scenario_file=path)
    if out is not None:
        rows = done.recorder.publications
        title = f"{scenario.name}, seed {plan.seed}: {scenario.summary}"
        figure = draw_simulation(
            rows,
            title=title,
            length_s=done.length_s,
            is_excused=lambda each: is_unknowable(scenario, each.true_s, each.true_s),
        )
        with writing_to(out):
            write_rows(out / "published.csv", rows)
            write_summary(out / "summary.json", document)
            (out / "error.png").write_bytes(figure)
    return document


def _conclude(document: dict[str, Any], out: Path | None) -> None:
    """Say what was found in a few lines."""
    click.echo(
        f"{document['scenario']}, seed {document['seed']}, {document['hours']:g} h, "
        f"daemon {document['daemon']}: {document['summary']}\n"
    )
    _show_scores(document)
    from chronotick.eval.accuracy.report import share_text  # noqa: PLC0415

    shares = ", ".join(
        f"{name} {share_text(share)}" for name, share in document["time_share"].items()
    )
    click.echo(f"\nstatus: {shares}")
    changes = document["status_changes"]
    for change in changes[:_CHANGES]:
        why = f" ({change['reasons']})" if change["reasons"] else ""
        click.echo(f"  {change['true_s'] / 3600.0:9.4f} h  {change['status']}{why}")
    if len(changes) > _CHANGES:
        click.echo(f"  … and {len(changes) - _CHANGES} more")
    _verdict(document)
    if out is not None:
        click.echo(f"written: {out}/published.csv, summary.json, error.png")


def _verdict(document: dict[str, Any]) -> None:
    missed, hidden = document["hard_violations"], document["hard_unknowable"]
    word = click.style("BROKEN", fg="red", bold=True) if missed else None
    word = word or click.style("holds", fg="green")
    click.echo(
        f"\nhard bound {word}: {missed} of {document['hard_intervals_checked']} "
        "intervals did not contain the truth"
    )
    if hidden:
        click.echo(
            f"  besides, {hidden} that nobody could have known to be wrong: RAW had "
            "just leapt or stood still"
        )


def _show_scores(document: dict[str, Any]) -> None:
    from rich import table  # noqa: PLC0415

    from chronotick.cli.terminal import show  # noqa: PLC0415
    from chronotick.eval.accuracy.report import size_text  # noqa: PLC0415

    shown = table.Table(box=None, pad_edge=False, header_style="dim")
    for name in ("read", "RMSE", "99 %", "worst"):
        shown.add_column(name, justify="left" if name == "read" else "right")
    for name in ("hard holds %", "±", "99 % holds %", "±", "99.9 % holds %"):
        shown.add_column(name, justify="right")
    ahead = {
        f"after {format_duration(float(k))}": v for k, v in document["ahead"].items()
    }
    for name, scores in {"at once": document["now"], **ahead}.items():
        if scores is None:
            shown.add_row(name, "nothing claimed")
            continue
        sizes = (scores[key] for key in ("rmse_ns", "p99_ns", "max_ns"))
        coverage = scores["coverage"]
        shown.add_row(
            name,
            *map(size_text, sizes),
            _share(coverage["hard"]),
            _width(coverage["hard"]),
            _share(coverage["99"]),
            _width(coverage["99"]),
            _share(coverage["99.9"]),
        )
    show(shown)


def _share(coverage: dict[str, Any] | None) -> str:
    """Return the share in percent; never 100 where something was missed."""
    if coverage is None:
        return "–"
    percent = 100.0 * coverage["coverage"]
    return "100" if not coverage["missed"] else f"{min(percent, 99.999):.3f}"


def _width(coverage: dict[str, Any] | None) -> str:
    if coverage is None:
        return "–"
    from chronotick.eval.accuracy.report import size_text  # noqa: PLC0415

    return size_text(coverage["median_half_width_ns"])
