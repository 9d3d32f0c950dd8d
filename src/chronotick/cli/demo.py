"""`chronotick demo`: see it work within seconds, without touching the network.

Runs four servers on loopback in one process, a real daemon that measures them over UDP
in another, and reads what it publishes from shared memory in this one, against the
known truth. Three processes, so that drawing never delays a packet; the other two end
with this one, however that ends.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from chronotick.cli import demo_view, formats
from chronotick.cli.companion import companion
from chronotick.cli.demo_servers import Stage
from chronotick.cli.demo_view import Scene
from chronotick.cli.edge import Verb
from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.interrupts import heed_all, ignore_all
from chronotick.cli.invocation import program
from chronotick.cli.options import Duration
from chronotick.cli.pacing import ticks
from chronotick.cli.sighting import sight
from chronotick.cli.tally import Tally
from chronotick.cli.terminal import is_live, stdout_console
from chronotick.client.clock import Clock
from chronotick.client.status import read_status
from chronotick.core.errors import ClockError, NoDaemon
from chronotick.daemon.clocks import HostClock
from chronotick.documents.quantities import format_duration
from chronotick.shm.segment import scratch_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from chronotick.cli.sighting import Sighting
    from chronotick.core.records import SourceReport

__all__ = ["command"]

_STDOUT, _STDERR = 1, 2
_READ_EVERY_S = 0.01
_DRAW_EVERY_S = 0.2
_LINE_EVERY_S = 1.0
# Most of it is the daemon's start, on whatever machine.
_ENOUGH_S = 30.0
_CONFIG = """\
servers: [{servers}]
polling: {{burst_interval: 250ms, min_poll: 500ms, max_poll: 1s}}
selection: {{required: 2}}
process: {{log_level: warning}}
"""
_NEXT = (
    ("{program} daemon", "measure real servers and publish, in one terminal"),
    ("{program} monitor", "watch the time and its bounds, in another"),
    ("{program} status", "see what it knows of each server"),
    ("{program} doctor", "check this machine"),
    ("import chronotick", "use it: chronotick.now(), chronotick.interval(), …"),
)


@click.command("demo", cls=Verb)
@click.option(
    "--for",
    "for_s",
    metavar="DURATION",
    type=Duration(1.0, 86_400.0),
    help="End by itself after this long, such as 30s. Default: until Ctrl-C.",
)
def command(for_s: float | None) -> int:
    """See it work: own servers, a daemon and live readings.

    Starts four time servers on loopback (delay, jitter, one lopsided path, one liar), a
    daemon that measures them, and reads what it publishes. All of them tell this
    machine's own clock, so the truth is known and every reading is checked against it.
    Nothing leaves this machine. Ends with 0 if every reading contained the truth.
    """
    heed_all()  # However it is told to end, it cleans up.
    with tempfile.TemporaryDirectory(
        prefix="chronotick_demo_", dir=scratch_directory()
    ) as room:
        stage = Stage()
        show = _Show(stage, _segment(room), for_s)
        show.introduce()
        with stage.playing(), _daemon(stage, room) as daemon:
            try:
                show.run(daemon)
            except KeyboardInterrupt:
                if not show.tally.readings:
                    raise  # Nothing has been seen that could be summed up.
            finally:
                ignore_all()
        show.conclude()
    if not show.tally.readings:
        raise click.ClickException(show.why_without_readings())
    return ExitCode.OK if show.tally.all_held else ExitCode.FAILURE


@contextmanager
def _daemon(stage: Stage, room: str) -> Iterator[_Daemon]:
    """Run `chronotick daemon` in a process of its own, which ends when this one does."""
    config, log = Path(room, "chronotick.yaml"), Path(room, "daemon.log")
    servers = ", ".join(f'"{address}"' for address in stage.actors)
    try:
        config.write_text(_CONFIG.format(servers=servers), encoding="utf-8")
        log.touch()
    except OSError as error:  # A full disk doesn't say which.
        why = error.strerror or error
        raise click.ClickException(
            f"cannot write to {room}: {why}; make room there"
        ) from error
    with companion(_measure, str(config), _segment(room), str(log)) as line:
        yield _Daemon(line, log)


def _segment(room: str) -> str:
    return f"{room}/segment"


def _measure(_line: Connection, config: str, segment: str, log: str) -> None:
    """Be the daemon; what it has to say goes to `log`."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)
    os.dup2(os.open(log, os.O_WRONLY), _STDERR)
    from chronotick.cli.daemon import command as daemon  # noqa: PLC0415 - runs there

    # Its path isn't in the file: what $TMPDIR is called may be no text, nor YAML.
    daemon.main(["--config", config, "--segment", segment])


class _Daemon(NamedTuple):
    """The daemon's process, and what it has to say."""

    line: Connection
    log: Path

    def check(self) -> None:
        """Raise if it has ended: its own last words are the reason."""
        if self.line.poll():  # It says nothing here: what there is to hear is the end.
            said = self.log.read_text(errors="replace").split("\n")
            words = next((line for line in reversed(said) if line), "without a word")
            raise click.ClickException(f"the demo's daemon ended: {words}")


class _Show:
    """The reading and the telling."""

    def __init__(self, stage: Stage, path: str, for_s: float | None) -> None:
        self.tally = Tally()
        self._stage = stage
        self._path = path
        self._for_s = for_s
        self._console = stdout_console()
        self._host = HostClock()
        self._sources: tuple[SourceReport, ...] = ()
        self._elapsed_s = 0.0
        self._why = ""

    def introduce(self) -> None:
        """Say what is going to happen."""
        click.echo("four time servers on loopback, all telling this machine's clock:")
        for address, actor in self._stage.actors.items():
            click.echo(f"  {actor.name:<9} {address:<16} {actor.story}")
        click.echo("a daemon that knows only their addresses, publishing at")
        click.echo(f"  {self._path}\n")

    def run(self, daemon: _Daemon) -> None:
        """Read and show until the time is up."""
        if not is_live(self._console):
            self._watch(
                daemon, _LINE_EVERY_S, lambda scene: click.echo(demo_view.line(scene))
            )
            return
        from rich.live import Live  # noqa: PLC0415

        with Live(console=self._console, auto_refresh=False) as live:
            self._watch(
                daemon,
                _DRAW_EVERY_S,
                lambda scene: live.update(demo_view.panel(scene), refresh=True),
            )

    def _watch(
        self, daemon: _Daemon, draw_every_s: float, draw: Callable[[Scene], None]
    ) -> None:
        draw_at_s = 0.0
        with Clock(self._path) as clock:
            for elapsed_s in ticks(_READ_EVERY_S, self._for_s):
                self._elapsed_s = elapsed_s
                seen = self._read(clock)
                is_last = self._for_s is not None and elapsed_s >= self._for_s
                if is_last or elapsed_s >= draw_at_s:
                    draw_at_s = (elapsed_s // draw_every_s + 1) * draw_every_s
                    daemon.check()
                    self._look_at_sources()
                    draw(self._scene(seen))

    def _read(self, clock: Clock) -> Sighting | None:
        try:
            seen = sight(clock, self._host)
        except NoDaemon:
            self._why = "the daemon is starting"
        except ClockError as error:
            self._why = str(error)
        else:
            self.tally.add(self._elapsed_s, seen)
            return seen
        self.tally.refuse()
        return None

    def _look_at_sources(self) -> None:
        report = read_status(self._path)
        self._sources = report.sources if report else ()
        for source in self._sources:
            actor = self._stage.actors.get(source.server)
            if actor and actor.name == "liar" and source.verdict == "falseticker":
                self.tally.name_liar(self._elapsed_s)

    def _scene(self, seen: Sighting | None) -> Scene:
        return Scene(
            elapsed_s=self._elapsed_s,
            for_s=self._for_s,
            seen=seen,
            why=self._why,
            sources=self._sources,
            actors=self._stage.actors,
            tally=self.tally,
        )

    def why_without_readings(self) -> str:
        """Return why nothing was read until the time was up, and what to do."""
        why = f"no reading within {format_duration(self._for_s or 0.0)}: {self._why}"
        is_short = self._for_s is not None and self._for_s < _ENOUGH_S
        return f"{why}; try `--for {format_duration(_ENOUGH_S)}`" if is_short else why

    def conclude(self) -> None:
        """Say what was measured, and what to type next."""
        samples = [source.samples for source in self._sources]
        measurements = sum(samples) if samples else None
        click.echo()
        for name, fact in demo_view.summary(self.tally, measurements):
            click.echo(f"{click.style(f'{name:<12}', dim=True)}{fact}")
        click.echo(f"\nit ran for {formats.age(self._elapsed_s)}; what to type next:")
        name = program()
        advice = [(words.format(program=name), meaning) for words, meaning in _NEXT]
        width = max(len(words) for words, _ in advice)
        for words, meaning in advice:
            click.echo(f"  {click.style(words.ljust(width), bold=True)}  {meaning}")
