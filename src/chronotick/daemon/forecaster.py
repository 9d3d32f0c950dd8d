"""A learned forecaster as a child process: asked now and then, never waited for.

Decides when it is asked, how long an answer may take, and when the process is replaced.
What it forecasts and whether it is believed is decided elsewhere: a backend that is late,
stuck or broken loses its vote, and nothing else happens.
"""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

import anyio
import msgspec
from anyio.streams.buffered import BufferedByteReceiveStream

from chrono_daemon.context import unless_set
from chrono_daemon.recipes.coordination.within import within
from chronotick.core.rates import RateForecast  # noqa: TC001 - msgspec reads it

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from anyio.abc import Process

    from chrono_daemon import Context
    from chronotick.core.rates import RateHistory

__all__ = ["ForecasterSettings", "command", "consult"]

_STEP_S = 600
# Two hours: of less, some models refuse to make anything, and others make it up.
_LEAST = 12
# How often to look whether ten minutes have passed on the oscillator's own scale.
_LOOK_S = 5.0
# A late answer is waited for, not counted; after so many deadlines the process is stuck.
_STUCK = 4.0
_BACKOFF_S, _LONGEST_BACKOFF_S = 5.0, 900.0
# A forecast of 48 numbers is about a kilobyte.
_LONGEST_LINE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecasterSettings:
    """One backend, as configured."""

    name: str
    """Kind of model, and the name of its votes: see `chronotick.backends.registry`."""
    device: str = "auto"
    """``cpu``, ``cuda`` or ``auto``."""
    context_length: int = 432
    """10-minute rates that it is shown at most: three days."""
    prediction_horizon_s: float = 28_800.0
    """How far it is asked to look, in steps of ten minutes."""
    inference_interval_s: float = 600.0
    """Shortest time between two questions; more than an hour leaves gaps in its vote."""
    deadline_s: float = 30.0
    """An answer that takes longer has no vote."""
    load_deadline_s: float = 600.0
    """For the weights, which may have to be fetched first."""
    weights: str | None = None
    """A directory, or a hub's ``owner/name[@revision]``; None: the usual ones."""


class _Failed(Exception):
    """This process is of no more use; the message says why."""


class _Line(msgspec.Struct, frozen=True):
    """What the process says: one of these."""

    ready: str | None = None
    error: str | None = None
    forecast: RateForecast | None = None


_DECODER = msgspec.json.Decoder(_Line)


def command(settings: ForecasterSettings) -> Sequence[str]:
    """Return how the backend is started."""
    words = [
        *(sys.executable, "-m", "chronotick.backends", settings.name),
        *("--device", settings.device),
        *("--context", str(settings.context_length)),
        *("--steps", str(int(settings.prediction_horizon_s // _STEP_S))),
    ]
    if settings.weights is not None:
        words += ["--weights", settings.weights]
    return words


async def consult(
    ctx: Context,
    settings: ForecasterSettings,
    history: Callable[[], RateHistory | None],
    hear: Callable[[RateForecast], None],
    start: Sequence[str] | None = None,
) -> None:
    """Ask one backend for forecasts until told to stop. Never raises over a backend.

    Args:
        ctx: Of the daemon; all times are on its clock.
        settings: Which backend, and how patient to be with it.
        history: Returns the rates so far, None while there are none.
        hear: Called with each forecast that came in time.
        start: The process, as words; `command` by default.
    """
    words = command(settings) if start is None else start
    conversation = _Conversation(ctx, settings, history, hear)
    # Nothing that a backend owes is worth waiting for when the daemon ends.
    await unless_set(ctx.stop_event, partial(conversation.keep_up, words))


class _Report:
    """Says each change of state once, however often it is met."""

    def __init__(self, ctx: Context, name: str) -> None:
        self._log = ctx.logger
        self._name = name
        self._said = ""

    def ready(self, described: str) -> None:
        self._say(f"event=backend_ready backend={self._name} model={described!r}")

    def late(self, deadline_s: float) -> None:
        self._say(f"event=backend_late backend={self._name} deadline_s={deadline_s:g}")

    def failed(self, why: str, backoff_s: float) -> None:
        said = f"event=backend_failed backend={self._name} why={why!r}"
        if said != self._said:
            self._log.warning("%s retry_s=%g", said, backoff_s)
        self._said = said

    def _say(self, said: str) -> None:
        if said != self._said:
            self._log.info("%s", said)
        self._said = said


class _Child:
    """The process, a line at a time."""

    def __init__(self, process: Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("started without pipes")
        self._process = process
        self._into = process.stdin
        self._from = BufferedByteReceiveStream(process.stdout)

    async def ask(self, history: RateHistory) -> _Line:
        """Return what it says to `history`."""
        # If it has gone, its last words or its exit status say more than a broken pipe.
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self._into.send(msgspec.json.encode(history) + b"\n")
        return await self.line()

    async def line(self) -> _Line:
        """Return the next thing that it says.

        Raises:
            _Failed: it has ended, gave up, or speaks no JSON.
        """
        try:
            said = await self._from.receive_until(b"\n", _LONGEST_LINE)
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError):
            raise _Failed(await self._ended()) from None
        except anyio.DelimiterNotFound:
            raise _Failed("said too much in one line") from None
        try:
            line = _DECODER.decode(said)
        except msgspec.MsgspecError as error:
            raise _Failed(f"said what is no answer: {error}") from None
        if line.error is not None:
            raise _Failed(line.error)
        return line

    async def _ended(self) -> str:
        # Its pipes are closed, so it is about to end; if not, the deadline is near.
        status = await self._process.wait()
        return f"ended by signal {-status}" if status < 0 else f"ended, status {status}"


class _Conversation:
    """Questions and answers, with one process after another."""

    def __init__(
        self,
        ctx: Context,
        settings: ForecasterSettings,
        history: Callable[[], RateHistory | None],
        hear: Callable[[RateForecast], None],
    ) -> None:
        self._clock = ctx.clock
        self._settings = settings
        self._history = history
        self._hear = hear
        self._report = _Report(ctx, settings.name)
        self._backoff_s = _BACKOFF_S

    async def keep_up(self, words: Sequence[str]) -> None:
        """Start the process, and start it again, for ever."""
        while True:
            try:
                async with _started(words) as child:
                    await self._converse(child)
            except _Failed as failed:
                self._report.failed(str(failed), self._backoff_s)
            await self._clock.sleep(self._backoff_s)
            self._backoff_s = min(2.0 * self._backoff_s, _LONGEST_BACKOFF_S)

    async def _converse(self, child: _Child) -> None:
        """Ask until the process fails.

        Raises:
            _Failed: it is stuck, has ended, or talks nonsense.
        """
        first = await self._within(self._settings.load_deadline_s, child.line)
        if first.ready is None:
            raise _Failed("answered before it was asked")
        self._report.ready(first.ready)
        newest_ns = -1
        while True:
            history = self._history()
            pause_s = _LOOK_S
            if (
                history is not None
                and len(history.rates_ppb) >= _LEAST
                and history.raw_ns != newest_ns
            ):
                newest_ns = history.raw_ns
                await self._ask(child, first.ready, history)
                pause_s = max(self._settings.inference_interval_s, _LOOK_S)
            await self._clock.sleep(pause_s)

    async def _ask(self, child: _Child, ready: str, history: RateHistory) -> None:
        deadline_s = self._settings.deadline_s
        asked_s = self._clock.now()
        line = await self._within(_STUCK * deadline_s, partial(child.ask, history))
        said = line.forecast
        if said is None or (said.raw_ns, said.step_s) != (
            history.raw_ns,
            history.step_s,
        ):
            raise _Failed("answered something else than was asked")
        if self._clock.now() - asked_s > deadline_s:
            self._report.late(deadline_s)
            return
        self._backoff_s = _BACKOFF_S
        self._report.ready(ready)
        self._hear(said)

    async def _within(
        self, limit_s: float, wait: Callable[[], Awaitable[_Line]]
    ) -> _Line:
        try:
            return await within(self._clock, limit_s, wait)
        except TimeoutError:
            raise _Failed(f"silent for {limit_s:g} s") from None


@asynccontextmanager
async def _started(words: Sequence[str]) -> AsyncIterator[_Child]:
    try:
        # A session of its own: an interrupt at the terminal is the daemon's to handle.
        process = await anyio.open_process(
            words, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, start_new_session=True
        )
    except OSError as error:
        raise _Failed(f"cannot be started: {error}") from None
    try:
        yield _Child(process)
    finally:
        with anyio.CancelScope(shield=True):
            with suppress(ProcessLookupError):
                process.kill()
            await process.aclose()
