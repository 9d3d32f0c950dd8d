"""`chronotick context`: the time as one line for a prompt or a hook."""

from __future__ import annotations

import json

import click

from chronotick.agents.context import claude_hook, context_record
from chronotick.agents.service import TimeService
from chronotick.cli.edge import Verb
from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.options import segment_option

__all__ = ["command"]


@click.command("context", cls=Verb)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "claude-hook"]),
    default="text",
    show_default=True,
    help="claude-hook: the output of a UserPromptSubmit hook of Claude Code.",
)
@segment_option
def command(style: str, segment: str | None) -> int:
    """Print the time as one line for a model's context.

    Where there is no trustworthy time the line says so, and tells the model not to
    guess; the exit code is then 5 (as a hook 0, because a prompt must not be blocked).
    """
    service = TimeService.at(segment)
    if style == "claude-hook":
        click.echo(json.dumps(claude_hook(service)))
        return ExitCode.OK
    record = context_record(service)
    click.echo(json.dumps(record) if style == "json" else record["line"])
    return ExitCode.OK if record["earliest_ns"] is not None else ExitCode.NO_TIME
