"""`chronotick daemon`: from flags and file to a running daemon, with its progress.

Decides what wins (flags over environment over file over defaults) and what a person at
a terminal sees meanwhile. What the daemon does is `chronotick.daemon.lifecycle`'s.
"""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, TextIO, TypedDict, cast

import click
from msgspec.structs import replace
from rich.markup import escape

from chronotick.cli import formats
from chronotick.cli.greedy import GreedyVerb
from chronotick.cli.options import Real, named, segment_option
from chronotick.cli.terminal import is_live, stderr_console
from chronotick.client.explain import explain
from chronotick.core.commands import at_segment
from chronotick.core.errors import ConfigError
from chronotick.core.status import Status
from chronotick.daemon.config import Config, Server
from chronotick.daemon.config_file import load_config, parse_config
from chronotick.daemon.config_models import PRESETS
from chronotick.documents.text import in_file
from chronotick.shm.segment import segment_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

    from rich.console import Console

    from chronotick.core.records import DaemonReport
    from chronotick.daemon.config import LogLevel
    from chronotick.daemon.config_models import Preset

__all__ = ["WarmUp", "command", "progress_line"]


_CPUS = "process.cpu_affinity"


class _Flags(TypedDict):
    config_file: str | None
    preset: Preset | None
    servers: tuple[str, ...]
    freq: float | None
    cpus: tuple[int, ...]
    segment: str | None
    log_level: LogLevel | None


@click.command("daemon", cls=GreedyVerb)
@click.option(
    "--config",
    "config_file",
    metavar="FILE",
    callback=named,
    help="YAML configuration; see docs/reference/config.md.",
)
@click.option(
    "--preset",
    metavar="NAME",
    type=click.Choice(list(PRESETS), case_sensitive=False),
    help="Which models there are: default, minimal (short-term only) or full (with a "
    "foundation model).",
)
@click.option(
    "--server",
    "servers",
    metavar="HOST[:PORT]",
    multiple=True,
    help="Time server, in place of the configured ones. Repeatable; several may follow.",
)
@click.option(
    "--freq",
    metavar="HZ",
    type=Real(1, 1000),
    help="Publications per second. Default: 100.",
)
@click.option(
    "--cpu-affinity",
    "cpus",
    metavar="N",
    type=click.IntRange(0, 4095),
    multiple=True,
    help="CPU to run on. Repeatable; several may follow.",
)
@segment_option
@click.option(
    "--log-level",
    metavar="LEVEL",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    help="Least severe message to log: debug, info (default), warning, error.",
)
def command(**flags: Unpack[_Flags]) -> None:
    """Measure time servers and publish the correction.

    Needs no privilege and does not touch the system clock. Without a configuration it
    asks four public servers. Runs until SIGTERM or SIGINT (Ctrl-C), then ends with 0;
    readers go on with the last correction until it expires.
    """
    try:
        _run(_configured(flags))
    except ConfigError as error:
        raise _placed(error, flags) from None


def _placed(error: ConfigError, flags: _Flags) -> ConfigError:
    """Return `error` with the flag or the line of the file that it is about."""
    message, file = str(error), flags["config_file"]
    if flags["cpus"] and message.startswith(_CPUS):
        return ConfigError(f"--cpu-affinity{message.removeprefix(_CPUS)}")
    is_of_flags = flags["servers"] and message.startswith("servers")
    if file is None or is_of_flags or message.startswith(f"{file}:"):
        return error
    return in_file(error, file)


def _configured(flags: _Flags) -> Config:
    """Return the file's configuration, or the defaults, with the flags on top."""
    file, preset = flags["config_file"], flags["preset"]
    if file:
        config = load_config(file, preset=preset)
    else:
        config = parse_config("", preset=preset)
    publish, process = config.publish, config.process
    return replace(
        config,
        servers=tuple(map(Server, flags["servers"])) or config.servers,
        publish=replace(
            publish,
            segment=flags["segment"] or publish.segment,
            frequency_hz=flags["freq"] or publish.frequency_hz,
        ),
        process=replace(
            process,
            cpu_affinity=flags["cpus"] or process.cpu_affinity,
            log_level=flags["log_level"] or process.log_level,
        ),
    )


def _run(config: Config) -> None:
    # Imported late, so that `--help` and a wrong configuration answer at once.
    from chronotick.daemon.lifecycle import run  # noqa: PLC0415

    console = stderr_console()
    console.file = cast("TextIO", _Lossy(sys.stderr))
    logger = _logger(console, config.process.log_level)
    with ExitStack() as stack:
        on_report = None
        if is_live(console):
            show = stack.enter_context(console.status("starting …")).update
            on_report = WarmUp(show, console.print, config.publish.segment)
        run(config, on_report=on_report, logger=logger)


class WarmUp:
    """Tells a person at a terminal how far the daemon is.

    Args:
        show: Replaces the line at the bottom.
        say: Writes a line that stays.
        segment: Where it publishes; None as in `segment_path`.
    """

    def __init__(
        self,
        show: Callable[[str], object],
        say: Callable[[str], object],
        segment: str | None,
    ) -> None:
        self._show = show
        self._say = say
        # Another terminal may have another $CHRONOTICK_SEGMENT.
        self._read = at_segment("chronotick read", segment_path(segment))
        self._has_time = False
        self._is_warm = False

    def __call__(self, report: DaemonReport) -> None:
        """Take in a report."""
        self._show(progress_line(report))
        correction = report.correction
        if not self._has_time and correction.status is not Status.UNKNOWN:
            self._has_time = True
            self._say(
                f"[green]✓[/] the time is known, {formats.bound(correction.bound_ns)}: "
                f"read it with [bold]{escape(self._read)}[/]"
            )
        if not self._is_warm and correction.status is Status.SYNCHRONIZED:
            self._is_warm = True
            self._say("[green]✓[/] warm-up complete, the oscillator's rate is learned")


def progress_line(report: DaemonReport) -> str:
    """Return one line on where the daemon is."""
    correction, count = report.correction, len(report.sources)
    if correction.status is Status.UNKNOWN:
        answered = sum(source.samples > 0 for source in report.sources)
        return (
            f"no time yet: {answered} of {count} servers answered "
            f"({explain(correction.reasons)})"
        )
    agreeing = round(correction.confidence * count)
    line = (
        f"{correction.status.name.lower()}, {formats.bound(correction.bound_ns)}, "
        f"{agreeing} of {count} servers agree"
    )
    if correction.reasons:
        line += f" ({explain(correction.reasons)})"
    return line


class _Lossy:
    """A stream that loses what cannot be written, on a full disk or to nobody.

    Others need the time more than somebody needs the log. What rich cannot write it
    keeps, for ever; and it ends the process at a closed pipe.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a stream has
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


class _ConsoleHandler(logging.Handler):
    """Writes above a live line, without interpreting what is written."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(self.format(record), markup=False)


def _logger(console: Console, level: LogLevel) -> logging.Logger:
    handler = _ConsoleHandler(console)
    handler.setFormatter(
        logging.Formatter("{asctime} {levelname:<7} {message}", style="{")
    )
    logger = logging.getLogger("chronotick")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    return logger
