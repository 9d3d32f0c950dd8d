"""`chronotick doctor`: is everything here that a trustworthy time needs?"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from chronotick.cli import checks
from chronotick.cli.checks import Verdict
from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.greedy import GreedyVerb
from chronotick.cli.options import Duration, json_option, named, segment_option
from chronotick.cli.probe import probe_all
from chronotick.cli.terminal import show, stderr_console
from chronotick.daemon.config import Config, Server
from chronotick.daemon.config_file import load_config

if TYPE_CHECKING:
    from chronotick.cli.checks import Check

__all__ = ["command"]

_STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


@click.command("doctor", cls=GreedyVerb)
@click.option(
    "--config",
    "config_file",
    metavar="FILE",
    callback=named,
    help="Whose servers to ask.",
)
@click.option(
    "--server",
    "servers",
    metavar="HOST[:PORT]",
    multiple=True,
    help="Server to ask, in place of the configured ones. Repeatable.",
)
@click.option(
    "--timeout",
    "timeout_s",
    metavar="DURATION",
    type=Duration(0.01, 60.0),
    default="3s",
    show_default=True,
    help="How long to wait for the servers.",
)
@segment_option
@json_option
def command(
    config_file: str | None,
    servers: tuple[str, ...],
    timeout_s: float,
    segment: str | None,
    as_json: bool,
) -> int:
    """Check this machine and the installation.

    Asks every configured server once. `ok` is fine, `warn` works but not as well as it
    could, `fail` cannot work; the exit code is 1 if anything fails.
    """
    config = load_config(config_file) if config_file else Config()
    asked = Config(servers=tuple(map(Server, servers))) if servers else config
    with stderr_console().status("asking the servers …"):
        found = [
            checks.check_python(),
            checks.check_native_module(),
            checks.check_native_filters(),
            checks.check_import_names(),
            checks.check_clock_source(),
            checks.check_kernel_stamps(),
            checks.check_segment(segment or config.publish.segment),
            *checks.check_servers(probe_all(asked.servers, timeout_s)),
        ]
    if as_json:
        click.echo(json.dumps([asdict(check) for check in found]))
    else:
        _print(found)
    failed = any(check.verdict is Verdict.FAIL for check in found)
    return ExitCode.FAILURE if failed else ExitCode.OK


def _print(found: list[Check]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=4)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in found:
        verdict = Text(check.verdict.value, style=_STYLES[check.verdict])
        table.add_row(verdict, Text(check.name), Text(check.detail))
    show(table)
