"""`chronotick wait`: hold a script until the time is good enough."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from chronotick.cli import formats
from chronotick.cli.edge import Verb, complain
from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.options import Duration, json_option, segment_option
from chronotick.cli.pacing import ticks
from chronotick.cli.read import as_record, print_reading
from chronotick.cli.sighting import sight
from chronotick.client.clock import Clock
from chronotick.core.errors import ClockError
from chronotick.core.units import NS_PER_S
from chronotick.daemon.clocks import HostClock
from chronotick.documents.quantities import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from chronotick.cli.sighting import Sighting

__all__ = ["command"]

_LOOK_EVERY_S = 0.05


@click.command("wait", cls=Verb)
@click.option(
    "--max-width",
    "max_width_s",
    metavar="DURATION",
    type=Duration(1e-9),
    help="Widest interval that will do, such as 500us: latest minus earliest, which is "
    "twice the bound. Default: any trustworthy time.",
)
@click.option(
    "--timeout",
    "timeout_s",
    metavar="DURATION",
    type=Duration(),
    help="Give up, with exit code 4, after this long. Default: never.",
)
@segment_option
@json_option
def command(
    max_width_s: float | None,
    timeout_s: float | None,
    segment: str | None,
    as_json: bool,
) -> int:
    """Wait until the time is good enough.

    Waits for a daemon to be started, too. Then prints the time as `read` does.
    """
    with Clock(segment) as clock, ExitStack() as stack:
        show = _progress(stack)
        seen, why = _wait(clock, max_width_s, timeout_s, show)
    if seen is None:
        limit = format_duration(timeout_s or 0.0)
        complain(f"not good enough within {limit}: {why}")
        return ExitCode.TIMEOUT
    if as_json:
        click.echo(json.dumps(as_record(seen.now)))
    else:
        print_reading(seen)
    return ExitCode.OK


def _wait(
    clock: Clock,
    max_width_s: float | None,
    timeout_s: float | None,
    show: Callable[[str], object],
) -> tuple[Sighting | None, str]:
    """Return the first reading that will do, or None and what was wrong at the end."""
    host, why = HostClock(), ""
    for _ in ticks(_LOOK_EVERY_S, timeout_s):
        try:
            seen = sight(clock, host)
        except ClockError as error:
            why = str(error)
        else:
            if max_width_s is None or seen.now.width_ns <= max_width_s * NS_PER_S:
                return seen, ""
            why = f"the interval is {formats.duration(seen.now.width_ns)} wide"
        show(why)
    return None, why


def _progress(stack: ExitStack) -> Callable[[str], object]:
    """Return what shows the state on a terminal, and nothing elsewhere."""
    from chronotick.cli.terminal import is_live, stderr_console  # noqa: PLC0415

    console = stderr_console()
    if not is_live(console):
        return lambda _: None
    spinner = stack.enter_context(console.status("waiting …"))
    return lambda why: spinner.update(f"waiting: {why}")
