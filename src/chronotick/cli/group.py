"""The verbs and where each lives; loads only the one that is called.

Decides the order in which people see them. `chronotick read` must start fast, so the
summaries are kept here and no verb's module is imported to print the list.
"""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import click

from chronotick.cli.edge import HELP_FLAGS, Edge
from chronotick.core.version import installed_version

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["READER_VERBS", "VERBS", "VerbGroup", "VerbRef", "version_flag"]


class VerbRef(NamedTuple):
    """Where a verb is implemented, and its line in the list."""

    module: str
    summary: str

    def load(self) -> click.Command:
        """Import and return the command."""
        command = import_module(f"chronotick.cli.{self.module}").command
        assert isinstance(command, click.Command)  # noqa: S101 - our own modules
        return command


READER_VERBS: Mapping[str, VerbRef] = {
    "read": VerbRef("read", "Print the time, once, with its bounds."),
    "monitor": VerbRef("monitor", "Watch the time and its bounds, live."),
    "status": VerbRef("status", "Show what the daemon knows and how it is doing."),
    "json": VerbRef("json_record", "Print the correction as one JSON object."),
    "wait": VerbRef("wait", "Wait until the time is good enough."),
    "benchmark": VerbRef("benchmark", "Measure how long a reading takes here."),
}
VERBS: Mapping[str, VerbRef] = {
    "demo": VerbRef("demo", "See it work: own servers, a daemon and live readings."),
    "daemon": VerbRef("daemon", "Measure time servers and publish the correction."),
    **READER_VERBS,
    "mcp": VerbRef(
        "mcp", "Serve agents: tools that tell, order and wait for bounded time."
    ),
    "context": VerbRef("context", "Print the time as one line for a model's context."),
    "eval": VerbRef("eval", "Put bounded timestamps to the test across nodes."),
    "simulate": VerbRef(
        "simulate", "Run the daemon in an imagined world, days in seconds."
    ),
    "bench": VerbRef(
        "bench", "Judge our estimators in imagined worlds, whose truth is known."
    ),
    "backtest": VerbRef("backtest", "Judge our estimators on your own clock's logs."),
    "ntp-server": VerbRef("ntp_server", "Serve this host's corrected time by NTP."),
    "ntp-relay": VerbRef(
        "ntp_relay", "Forward NTP packets to servers that the nodes cannot reach."
    ),
    "doctor": VerbRef("doctor", "Check this machine and the installation."),
}


class VerbGroup(Edge, click.Group):
    """A group whose commands are imported when they are called."""

    def __init__(self, *, verbs: Mapping[str, VerbRef], help: str) -> None:  # noqa: A002
        super().__init__(
            name="chronotick",
            help=help,
            no_args_is_help=False,
            invoke_without_command=True,
            callback=click.pass_context(_show_help),
            context_settings=HELP_FLAGS,
        )
        self.verbs = verbs
        version_flag(self)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs, most wanted first."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the verb; None where there is none of that name."""
        verb = self.verbs.get(cmd_name)
        return verb.load() if verb else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb that `args` begin with, or name the nearest one."""
        word = args[0]
        if word not in self.verbs and not word.startswith("-"):
            near = difflib.get_close_matches(word, self.verbs, n=1)
            hint = f", did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"there is no command {word!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the list of verbs without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, verb.summary) for name, verb in self.verbs.items()]
            )


def version_flag(command: click.Command) -> click.Command:
    """Add ``--version`` to a program's command."""
    add = click.option(
        "--version",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_tell_version,
        help="Show the version and exit.",
    )
    return add(command)


def _tell_version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        click.echo(f"chronotick {installed_version()}")
        ctx.exit()


def _show_help(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
