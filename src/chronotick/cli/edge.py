"""The edge of the process: every way to end becomes an exit code and one line.

Decides how failures look. Expected errors are one line on standard error, without a
traceback; what nobody expected keeps its traceback, because it is a bug to report.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

import click

from chronotick.cli.exit_codes import ExitCode, exit_code_for
from chronotick.cli.interrupts import heed
from chronotick.core.errors import ChronotickError

if TYPE_CHECKING:
    from collections.abc import Sequence

HELP_FLAGS = {"help_option_names": ["-h", "--help"]}

__all__ = ["HELP_FLAGS", "Edge", "Verb", "complain"]

_STDOUT, _STDERR = 1, 2


class Edge(click.Command):
    """A click command that ends the way this project documents (`ExitCode`)."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,  # noqa: ANN401 - click's own signature
    ) -> Any:  # noqa: ANN401
        """Run and exit; see `click.Command.main` for the arguments."""
        if not standalone_mode:
            return super().main(
                args, prog_name, complete_var, standalone_mode=False, **extra
            )
        name = prog_name or self.name or "chronotick"
        self._main_shell_completion(extra, name, complete_var)
        words = list(sys.argv[1:] if args is None else args)
        code = self._run(name, words, extra)
        _drop_what_cannot_be_written()
        sys.exit(code)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; a mistake belongs to this command, even where click doesn't say so."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def _run(self, name: str, words: list[str], extra: dict[str, Any]) -> int:
        try:
            if None in {sys.stdin, sys.stdout, sys.stderr}:
                _fill_closed_streams()
            _replace_what_cannot_be_shown()
            with self.make_context(name, words, **extra) as context:
                if os.environ.get("NO_COLOR"):  # https://no-color.org
                    context.color = False
                code = self.invoke(context)
                sys.stdout.flush()
        except (
            ChronotickError,
            KeyboardInterrupt,
            OSError,
            click.Abort,
            click.ClickException,
            click.exceptions.Exit,
        ) as ending:
            return _end(ending, name)
        return code if isinstance(code, int) else ExitCode.OK


class Verb(Edge):
    """A command that can also be a program of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        kwargs.setdefault("context_settings", HELP_FLAGS)
        super().__init__(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Run the body, from where on an interrupt is an exception."""
        heed()
        return super().invoke(ctx)


def complain(message: str) -> None:
    """Write the one line of an error; where it can't be written, the code says it."""
    mark = click.style("error:", fg="red", bold=True)
    color = False if os.environ.get("NO_COLOR") else None
    line = f"chronotick: {mark} {' '.join(message.split())}"
    with suppress(OSError):
        click.echo(line, err=True, color=color)


def _end(ending: BaseException, name: str) -> int:
    """Say what there is to say about `ending`; return the exit code."""
    match ending:
        case click.exceptions.Exit():
            code = ending.exit_code
        case ChronotickError():
            complain(str(ending))
            code = exit_code_for(ending)
        case click.exceptions.NoArgsIsHelpError():
            click.echo(ending.format_message(), err=True)
            code = ExitCode.USAGE
        case click.UsageError():
            complain(_usage(ending, name))
            code = ExitCode.USAGE
        case click.ClickException():
            complain(ending.format_message())
            code = ExitCode.FAILURE
        case BrokenPipeError():
            _silence(sys.stdout)
            code = ExitCode.BROKEN_PIPE
        case OSError():
            _silence(sys.stdout)
            complain(str(ending))
            code = ExitCode.FAILURE
        case _:
            code = ExitCode.INTERRUPTED
    return code


def _usage(error: click.UsageError, name: str) -> str:
    path = error.ctx.command_path if error.ctx else name
    message = error.format_message().rstrip(".")
    return f"{message[:1].lower()}{message[1:]} (see `{path} --help`)"


def _drop_what_cannot_be_written() -> None:
    """Leave nothing in a stream that the interpreter would fail to flush at its exit.

    Its exit code, 120, would take the place of ours.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _silence(stream)


def _silence(stream: TextIO) -> None:
    """Let what is left in `stream`, which can't be written, go nowhere."""
    if stream is sys.__stdout__ or stream is sys.__stderr__:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _replace_what_cannot_be_shown() -> None:
    """Let a terminal that has no "±" or "µ" show "?" there instead of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _fill_closed_streams() -> None:
    """Put /dev/null where whoever started us closed a standard stream.

    A file that is opened later would get its number otherwise, and be printed into: here
    or in a process of ours. Standard input stays None: that nobody asks is for the verb
    to say.
    """
    while (spare := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(spare, True)
    os.close(spare)
    if sys.stdout is None:
        sys.stdout = os.fdopen(_STDOUT, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(_STDERR, "w", closefd=False)
