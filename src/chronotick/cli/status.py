"""`chronotick status`: the state of the daemon and of each of its servers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from chronotick.cli import formats
from chronotick.cli.edge import Verb, complain
from chronotick.cli.exit_codes import ExitCode, exit_code_for
from chronotick.cli.options import json_option, segment_option
from chronotick.cli.overview import overview
from chronotick.cli.read import status_words
from chronotick.cli.terminal import STATUS_STYLES, show
from chronotick.core.report import REPORT_STALE_NS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chronotick.cli.overview import Overview
    from chronotick.core.records import Audit, SourceReport

__all__ = ["VERDICT_STYLES", "command", "source_table"]

VERDICT_STYLES = {
    "selected": "green",
    "pending": "dim",
    "falseticker": "bold red",
    "jumped": "yellow",
}
"""How each verdict looks; the others, which are all losses, are red."""

_UNKNOWN = "–"


@click.command("status", cls=Verb)
@segment_option
@json_option
def command(segment: str | None, as_json: bool) -> int:
    """Show what the daemon knows and how it is doing.

    `reach` shows the last eight polls of a server in octal, 377 for all answered;
    `offset` is the server's time minus the published one; `bound` is what the server
    alone could promise.
    """
    found = overview(segment)
    if as_json:
        click.echo(json.dumps(found.as_record()))
    else:
        _print(found)
    if found.trouble is None:
        return ExitCode.OK
    complain(str(found.trouble))
    return exit_code_for(found.trouble)


def _print(found: Overview) -> None:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in _facts(found):
        facts.add_row(name, value)
    show(facts)
    if found.report is not None:
        click.echo()
        if found.report.age_ns(found.raw_ns) > REPORT_STALE_NS:
            show(Text(_as_of(found), style="yellow"))
        show(source_table(found.report.sources))


def _as_of(found: Overview) -> str:
    age = formats.age(found.report_age_s or 0.0)
    told = f"servers as of the daemon's last report, {age} ago"
    return told if found.is_silent else f"{told}: it cannot write one, see its log"


def _facts(found: Overview) -> Iterator[tuple[str, str | Text]]:
    seen, snapshot, report = found.seen, found.snapshot, found.report
    style = STATUS_STYLES[found.state.upper()]
    yield "state", Text(status_words(seen.now) if seen else "no time", style=style)
    if seen is not None:
        yield "time", formats.utc(seen.now.midpoint_ns)
        yield "bound", formats.bound(seen.now.width_ns / 2)
        offset = formats.clock_offset(seen.system_offset_ns)
        yield "system clock", offset
    yield "daemon", _daemon_words(found)
    yield "warm-up", "complete" if found.is_warmup_complete else "not complete"
    if snapshot is not None:
        yield "measurements", f"{snapshot.measurement_count:,}"
        yield "corrections", f"{snapshot.correction_count:,}"
    synced_s = found.synced_s
    yield "last sync", "never" if synced_s is None else f"{formats.age(synced_s)} ago"
    if report is not None:
        yield "self-audit", _audit_words(report.audit)
        if report.rss_bytes is not None:
            yield "memory", formats.data_size(report.rss_bytes)
        yield "CPUs", ", ".join(map(str, report.cpu_affinity))
    if found.latency_ns is not None:
        yield "reading", f"takes {formats.duration(found.latency_ns)} from Python"


def _audit_words(audit: Audit) -> str:
    words = f"hard bound: {audit.hard_misses:,} of {audit.hard_checks:,} checks missed"
    if not audit.calibrated_checks:
        return f"{words}; calibrated: nothing checked yet"
    missed_99, missed_999 = (
        f"{misses / audit.calibrated_checks:.2%}"
        for misses in (audit.misses_99, audit.misses_999)
    )
    return (
        f"{words}; 99 % and 99.9 % intervals: {missed_99} and {missed_999} of "
        f"{audit.calibrated_checks:,}"
    )


def _daemon_words(found: Overview) -> str:
    words = f"process {found.header.writer_pid}, up {formats.age(found.uptime_s)}"
    if found.report is not None:
        publishes = "published" if found.is_silent else "publishes"
        words += f", {publishes} at {found.report.heartbeat_hz:g} Hz"
    if found.is_silent:
        words += f", not heard of for {formats.age(found.heard_s or 0.0)}"
    return f"{words}, at {found.path}"


def source_table(sources: Sequence[SourceReport]) -> Table:
    """Return the table of servers, the verdict where no narrow terminal cuts it off."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("server", "verdict"):
        table.add_column(name, no_wrap=True)
    for name in ("reach", "offset", "delay", "bound"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("address", overflow="fold")
    for source in sources:
        table.add_row(
            # Text, because Rich reads [fd00::1] in a plain string as markup.
            Text(source.server),
            Text(source.verdict, style=VERDICT_STYLES.get(source.verdict, "red")),
            f"{source.reach:o}",
            _cell(source.offset_ns, sign=True),
            _cell(source.delay_ns),
            _UNKNOWN if source.bound_ns is None else formats.bound(source.bound_ns),
            _place(source),
        )
    return table


def _place(source: SourceReport) -> Text:
    """Return the address, unless that is how the server was named, and what is wrong."""
    host = (source.endpoint or "").rpartition(":")[0].strip("[]")
    is_named_so = source.server in {host, source.endpoint}
    place = Text("" if is_named_so else source.endpoint or _UNKNOWN)
    if source.detail:
        place.append(f" ({source.detail})" if place else source.detail, style="dim")
    return place


def _cell(duration_ns: int | None, *, sign: bool = False) -> str:
    if duration_ns is None:
        return _UNKNOWN
    return formats.signed(duration_ns) if sign else formats.duration(duration_ns)
