"""`chronotick read`: the time, once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from chronotick.cli import formats
from chronotick.cli.edge import Verb
from chronotick.cli.options import json_option, segment_option
from chronotick.cli.sighting import sight
from chronotick.client.clock import Clock
from chronotick.client.explain import explain
from chronotick.core.status import Status
from chronotick.daemon.clocks import HostClock

if TYPE_CHECKING:
    from chronotick.cli.sighting import Sighting
    from chronotick.core.reading import Interval

__all__ = ["as_record", "command", "print_reading", "status_words"]

_COLORS = {
    Status.UNKNOWN: "red",
    Status.WARMUP: "yellow",
    Status.SYNCHRONIZED: "green",
    Status.HOLDOVER: "yellow",
}


@click.command("read", cls=Verb)
@segment_option
@json_option
def command(segment: str | None, as_json: bool) -> None:
    """Print the time, once, with its bounds.

    UTC lies between `earliest` and `latest`; the time printed first is the middle. In
    JSON instants are Unix nanoseconds as strings, because a JSON number above 2^53 is
    rounded by most programs; durations are numbers.
    """
    with Clock(segment) as clock:
        seen = sight(clock, HostClock())
    if as_json:
        click.echo(json.dumps(as_record(seen.now)))
    else:
        print_reading(seen)


def print_reading(seen: Sighting) -> None:
    """Print a reading for people: one fact a line, its name first."""
    now = seen.now
    for name, value in (
        ("time", click.style(formats.utc(now.midpoint_ns), bold=True)),
        ("bound", formats.bound(now.width_ns / 2)),
        ("earliest", formats.utc(now.earliest_ns)),
        ("latest", formats.utc(now.latest_ns)),
        ("system", f"clock is {formats.clock_offset(seen.system_offset_ns)}"),
        ("status", click.style(status_words(now), fg=_COLORS[now.status])),
    ):
        click.echo(f"{click.style(f'{name:<10}', dim=True)}{value}")


def status_words(now: Interval) -> str:
    """Return the status and, in brackets, why it is what it is."""
    words = now.status.name.lower()
    return f"{words} ({explain(now.reasons)})" if now.reasons else words


def as_record(now: Interval) -> dict[str, object]:
    """Return `now` as it is printed in JSON."""
    return {
        "utc_ns": str(now.midpoint_ns),
        "earliest_ns": str(now.earliest_ns),
        "latest_ns": str(now.latest_ns),
        "width_ns": now.width_ns,
        "sigma_ns": round(now.sigma_ns, 3),
        "status": now.status.name,
        "source": now.source.name,
        "reasons": [reason.name for reason in now.reasons],
    }
