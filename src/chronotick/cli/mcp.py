"""`chronotick mcp`: the time for agents, over the Model Context Protocol."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click
from click.core import ParameterSource

from chronotick.agents.gate import rules_for
from chronotick.agents.service import TimeService
from chronotick.agents.starting import prepare
from chronotick.cli.edge import Verb
from chronotick.cli.interrupts import heed, leave_at_once
from chronotick.cli.options import Real, segment_option
from chronotick.cli.tokens import read_token
from chronotick.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chronotick.agents.gate import Rules

__all__ = ["command"]

_HTTP_ONLY = frozenset({
    "host", "port", "token_file", "allow_hosts", "allow_origins", "requests_per_s",
})  # fmt: skip
TOKEN_VARIABLE = "CHRONOTICK_TOKEN"  # noqa: S105 - a name, not a token


@click.command("mcp", cls=Verb)
@click.option(
    "--transport",
    type=click.Choice(["stdio", "http"]),
    default="stdio",
    show_default=True,
    help="stdio: one client that starts this. http: many clients, and JSON too.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="http: address.")
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=8124,
    show_default=True,
    help="http: TCP port.",
)
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"http: file with the bearer token; or the variable {TOKEN_VARIABLE}.",
)
@click.option(
    "--allow-host",
    "allow_hosts",
    multiple=True,
    metavar="NAME:*",
    help="http: Host header to accept, ':*' for any port. May be repeated.",
)
@click.option(
    "--allow-origin",
    "allow_origins",
    multiple=True,
    metavar="URL",
    help="http: Origin header to accept, or 'none'. May be repeated.",
)
@click.option(
    "--rate",
    "requests_per_s",
    type=Real(1, 1_000_000),
    default=1_000,
    show_default=True,
    help="http: requests per second of one address.",
)
@segment_option
def command(  # noqa: PLR0913, PLR0917 - one parameter an option
    transport: str,
    host: str,
    port: int,
    token_file: Path | None,
    allow_hosts: tuple[str, ...],
    allow_origins: tuple[str, ...],
    requests_per_s: float,
    segment: str | None,
) -> None:
    """Serve agents: tools that tell, order and wait for bounded time.

    They read the segment of a running `chronotick daemon` and nothing else. Over http
    there are also POST /get_time, GET /api/time, /api/status, /api/sources and /healthz.
    Any address but loopback needs a token, hosts and origins given explicitly.
    """
    service = TimeService.at(segment)
    if transport == "stdio":
        _refuse_options_of_http()
        _serve_stdio(service)
        return
    rules = rules_for(
        host,
        token=_token(token_file),
        allowed_hosts=allow_hosts,
        allowed_origins=allow_origins,
        requests_per_s=requests_per_s,
    )
    _serve_http(service, rules, host, port)


def _refuse_options_of_http() -> None:
    """Raise a usage error where somebody has typed one: who waits for a port is told."""
    context = click.get_current_context()
    for option in context.command.params:
        typed = context.get_parameter_source(option.name or "")
        if option.name in _HTTP_ONLY and typed is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option.opts[0]} needs --transport http")


def _serve_stdio(service: TimeService) -> None:
    if sys.stdin is None:
        raise click.UsageError(
            "standard input is closed: let the client start this, or serve with "
            "--transport http"
        )
    with _importing():
        prepare()
        from chronotick.agents.server import serve_stdio  # noqa: PLC0415
    # A thread waits for the next line of input, and the event loop would for the thread.
    leave_at_once()
    try:
        anyio.run(serve_stdio, service)
    except BaseExceptionGroup as group:
        # Whoever started this went away during a wait: that is how an agent's end looks.
        if group.split(BrokenPipeError)[1] is None:
            _say_nothing_of_the_pipe()
            raise BrokenPipeError from group
        raise
    finally:
        heed()


def _say_nothing_of_the_pipe() -> None:
    """Let what the SDK's copy of stdout still holds go with it.

    Nobody reads it. From 3.13 on Python reports what closing a file meets when it is
    collected.
    """
    report = sys.unraisablehook

    def report_others(unraisable: sys.UnraisableHookArgs) -> None:
        if not isinstance(unraisable.exc_value, BrokenPipeError):
            report(unraisable)

    sys.unraisablehook = report_others


def _serve_http(service: TimeService, rules: Rules, host: str, port: int) -> None:
    with _importing():
        from chronotick.agents.http import serve_http  # noqa: PLC0415
    address = f"[{host}]" if ":" in host else host
    serve_http(
        service,
        rules,
        host=host,
        port=port,
        announce=lambda: click.echo(
            f"serving on http://{address}:{port}/mcp", err=True
        ),
    )


@contextmanager
def _importing() -> Iterator[None]:
    """Import the SDK: nine tenths of what it costs to start.

    It makes half a million objects that stay. Looking for garbage among them takes a
    tenth of that time and finds none.
    """
    gc.disable()
    try:
        yield
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is not installed: pip install 'chronotick[agents]'"
        ) from error
    finally:
        gc.freeze()
        gc.enable()


def _token(file: Path | None) -> str | None:
    """Return the token: never from the command line, which every user can list."""
    if file is not None:
        return read_token(file)
    given = os.environ.get(TOKEN_VARIABLE)
    if not given:
        return None
    if not given.strip():
        raise ConfigError(f"{TOKEN_VARIABLE} is blank: put the bearer token into it")
    return given.strip()
