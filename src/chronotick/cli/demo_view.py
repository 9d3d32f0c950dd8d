"""How `chronotick demo` looks: a panel on a terminal, lines elsewhere, a summary.

Decides words and layout; what happened is in the `Scene`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from chronotick.cli import formats
from chronotick.cli.demo_servers import LIE_NS
from chronotick.cli.read import status_words
from chronotick.cli.status import VERDICT_STYLES
from chronotick.cli.terminal import STATUS_STYLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from chronotick.cli.demo_servers import Actor
    from chronotick.cli.sighting import Sighting
    from chronotick.cli.tally import Tally
    from chronotick.core.records import SourceReport

__all__ = ["Scene", "line", "panel", "ruler", "summary"]

_RULER = 41


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What there is to show at one moment."""

    elapsed_s: float
    for_s: float | None
    seen: Sighting | None
    why: str
    """Why there is no reading; empty where there is one."""
    sources: Sequence[SourceReport]
    actors: Mapping[str, Actor]
    tally: Tally


def panel(scene: Scene) -> RenderableType:
    """Return the live view."""
    layout = Table.grid()
    layout.add_row(_facts(scene))
    layout.add_row("")
    layout.add_row(_servers(scene))
    status = scene.seen.now.status.name if scene.seen else "UNKNOWN"
    until = f" of {formats.age(scene.for_s)}" if scene.for_s else ", Ctrl-C ends"
    return Panel(
        layout,
        title="chronotick demo",
        title_align="left",
        subtitle=f"{formats.age(scene.elapsed_s)}{until}",
        subtitle_align="right",
        border_style=STATUS_STYLES[status].removeprefix("bold "),
        expand=False,
    )


def _facts(scene: Scene) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", min_width=8)
    grid.add_column()
    seen, tally = scene.seen, scene.tally
    if seen is None:
        grid.add_row("time", Text("not known yet", style=STATUS_STYLES["UNKNOWN"]))
        grid.add_row("why", Text(scene.why))
    else:
        now = seen.now
        style = STATUS_STYLES[now.status.name]
        grid.add_row("time", Text(formats.utc(now.midpoint_ns), style="bold"))
        grid.add_row("bound", ruler(seen).append(f" {formats.bound(now.width_ns / 2)}"))
        grid.add_row("status", Text(status_words(now), style=style))
    if tally.readings:
        style = "green" if tally.all_held else "bold red"
        words = f"{tally.held:,} of {tally.readings:,} contained the truth"
        grid.add_row("readings", Text(words, style=style))
    return grid


def ruler(seen: Sighting) -> Text:
    """Return the interval as a ruler with the truth on it."""
    now = seen.now
    truth_ns = (seen.before_ns + seen.after_ns) // 2
    share = (truth_ns - now.earliest_ns) / max(now.width_ns, 1)
    cells = ["─"] * _RULER
    cells[0], cells[_RULER // 2], cells[-1] = "├", "┼", "┤"
    at = min(max(round(share * (_RULER - 1)), 0), _RULER - 1)
    text = Text("".join(cells[:at]), style="cyan")
    text.append("●", style="bold green" if seen.holds_system_time else "bold red")
    return text.append("".join(cells[at + 1 :]), style="cyan")


def _servers(scene: Scene) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("server", "what it is like"):
        table.add_column(name, no_wrap=True)
    for name in ("offset", "delay"):
        table.add_column(name, justify="right", min_width=9, no_wrap=True)
    table.add_column("verdict", min_width=11)
    reports = {source.server: source for source in scene.sources}
    for address, actor in scene.actors.items():
        report = reports.get(address)
        table.add_row(actor.name, actor.story, *_measured(report))
    return table


def _measured(report: SourceReport | None) -> tuple[str, str, Text]:
    if report is None:
        return "–", "–", Text("–")
    offset, delay = report.offset_ns, report.delay_ns
    return (
        "–" if offset is None else formats.signed(offset),
        "–" if delay is None else formats.duration(delay),
        Text(report.verdict, style=VERDICT_STYLES.get(report.verdict, "red")),
    )


def line(scene: Scene) -> str:
    """Return the same in one line."""
    start = f"{scene.elapsed_s:6.1f} s  "
    if scene.seen is None:
        return f"{start}no time yet: {scene.why}"
    now, tally = scene.seen.now, scene.tally
    error = formats.duration(abs(scene.seen.system_offset_ns))
    return (
        f"{start}{formats.utc(now.midpoint_ns)}  {formats.bound(now.width_ns / 2):<12}"
        f"  off by {error:<9}  {tally.held:,}/{tally.readings:,} held the truth"
        f"  {status_words(now)}"
    )


def summary(tally: Tally, measurements: int | None) -> Iterator[tuple[str, str]]:
    """Yield what was measured, as pairs of name and fact.

    Args:
        tally: What was read.
        measurements: What the daemon's report says; None before its first.
    """
    unknown = "not known: the daemon had not reported yet"
    if measurements is None:
        yield "measured", unknown
    else:
        told = f"{measurements:,} exchanges with 4 servers, over UDP on loopback"
        yield "measured", told
    if tally.first is None or tally.last is None:
        yield "readings", "none: no time was published"
        return
    after_s, first = tally.first
    width_ns = first.now.width_ns / 2
    yield "first time", f"after {after_s:.1f} s, {formats.bound(width_ns)}"
    last = tally.last.now
    yield (
        "at the end",
        f"{formats.bound(last.width_ns / 2)}, {last.status.name.lower()}",
    )
    yield (
        "error",
        (
            f"{formats.duration(tally.median_error_ns)} (median), "
            f"{formats.duration(tally.largest_error_ns)} (largest): the middle of the "
            "interval against the truth"
        ),
    )
    yield (
        "readings",
        (
            f"{tally.readings:,} through shared memory, {tally.held:,} of them contained "
            f"the truth ({_percent(tally.share_held)})"
        ),
    )
    if tally.refused:
        yield "refused", f"{tally.refused:,} readings: no trustworthy time then"
    if tally.liar_found_s is not None:
        found = f"named a falseticker after {tally.liar_found_s:.1f} s"
    else:
        found = unknown if measurements is None else "not found out"
    yield "liar", f"{formats.signed(LIE_NS)}, {found}"


def _percent(share: float) -> str:
    """Return `share` rounded down: one miss in a million is not 100 %."""
    return f"{math.floor(share * 10_000) / 100:g} %"
