"""`daemon.forecaster`: a backend that fails loses its vote, and nothing else."""

from __future__ import annotations

import logging
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from chrono_daemon import SimClock, Supervisor
from chronotick.core.rates import RateForecast, RateHistory
from chronotick.core.units import NS_PER_S
from chronotick.daemon.forecaster import ForecasterSettings, command, consult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

pytestmark = pytest.mark.anyio

STEP_NS = 600 * NS_PER_S
DEADLINE_S = 30.0
# What a child says before its own part of the script.
HELLO = """
import json, os, sys, time
def say(**what):
    print(json.dumps(what), flush=True)
def ask():
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    return json.loads(line)
def answer(history, rate=7.5):
    say(forecast={"raw_ns": history["raw_ns"], "step_s": 600, "means_ppb": [rate] * 48})
"""
READY = """
say(ready="a child")
"""
ECHO = """
while True:
    history = ask()
    answer(history, history["rates_ppb"][-1])
"""


class Diary(logging.Handler):
    """What was logged, and a way to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._changed = anyio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what is about backends."""
        message = record.getMessage()
        if "event=backend" in message:
            self.said.append(message)
            self.poke()

    def poke(self) -> None:
        """Wake whoever waits."""
        self._changed.set()
        self._changed = anyio.Event()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return once `holds()` does; looked at whenever something is logged or heard.

        The world outside is real, so this waits for it, and time stands still.
        """
        while not holds():
            await self._changed.wait()

    def count(self, what: str) -> int:
        """Return how often `what` was logged."""
        return sum(what in line for line in self.said)


class World:
    """A daemon that consults a child made of a script; virtual time, a real process."""

    def __init__(self, script: str, *, first: str = "") -> None:
        self.clock = SimClock()
        self.diary = Diary()
        self.heard: list[RateForecast] = []
        self.history: RateHistory | None = self.rates(1)
        self._looked_ns = 0
        self.words: Sequence[str] = (
            *(sys.executable, "-c"),
            HELLO + first + READY + script,
        )

    @staticmethod
    def rates(mark: int, rate_ppb: float = 7.5) -> RateHistory:
        """Return a history that ends at the given ten minutes."""
        return RateHistory(
            raw_ns=mark * STEP_NS, step_s=600, rates_ppb=(rate_ppb,) * 100
        )

    def hear(self, forecast: RateForecast) -> None:
        """Take in a forecast."""
        self.heard.append(forecast)
        self.diary.poke()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the daemon in the block."""
        logger = logging.getLogger("test.forecaster")
        logger.setLevel(logging.INFO)
        logger.addHandler(self.diary)
        try:
            async with Supervisor(clock=self.clock, logger=logger) as supervisor:
                supervisor.spawn(
                    consult, self.settings, self.look, self.hear, self.words
                )
                yield
                await supervisor.stop(grace=0)
        finally:
            logger.removeHandler(self.diary)

    async def pass_time(self, seconds: float) -> None:
        """Let virtual time pass."""
        await self.clock.advance(seconds)

    async def pass_time_until_asked(self, mark: int) -> None:
        """Let virtual time pass until the child is asked about a history."""
        self.history = self.rates(mark)
        found = await self.clock.run_until(
            lambda: self._looked_ns == mark * STEP_NS, limit=1000.0
        )
        assert found

    async def fail_again(self) -> float:
        """Let it be started again, to fail again; return how long that took."""
        *_, pause_s = self.diary.said[-1].rpartition("retry_s=")
        known = self.diary.count("failed")
        await self.pass_time(float(pause_s))
        await self.diary.until(lambda: self.diary.count("failed") > known)
        return float(pause_s)

    def look(self) -> RateHistory | None:
        """Return the history, as the daemon asks for it."""
        self._looked_ns = self.history.raw_ns if self.history else 0
        return self.history

    @property
    def settings(self) -> ForecasterSettings:
        """A backend with short patience."""
        return ForecasterSettings(name="fake", deadline_s=DEADLINE_S)


async def test_an_answer_is_heard() -> None:
    """The child sees the history as it is, and its answer arrives as it was given."""
    world = World(ECHO)
    world.history = world.rates(3, 123.25)
    async with world.running():
        await world.diary.until(lambda: len(world.heard) == 1)
    assert world.heard == [
        RateForecast(raw_ns=3 * STEP_NS, step_s=600, means_ppb=(123.25,) * 48)
    ]
    assert world.diary.said == ["event=backend_ready backend=fake model='a child'"]


async def test_each_ten_minutes_are_asked_about_once() -> None:
    """The same history is never asked about twice, a new one is within seconds."""
    world = World(ECHO)
    async with world.running():
        await world.diary.until(lambda: len(world.heard) == 1)
        await world.pass_time(3000.0)
        assert len(world.heard) == 1
        world.history = world.rates(6)
        await world.pass_time(10.0)
        await world.diary.until(lambda: len(world.heard) == 2)
    assert [each.raw_ns for each in world.heard] == [STEP_NS, 6 * STEP_NS]
    assert world.diary.count("backend_ready") == 1


async def test_nothing_is_asked_before_there_is_a_history() -> None:
    """Two hours of rates are the least that anything is made of."""
    world = World(ECHO)
    world.history = None
    async with world.running():
        await world.diary.until(lambda: bool(world.diary.said))
        await world.pass_time(100.0)
        world.history = RateHistory(raw_ns=1, step_s=600, rates_ppb=(1.0,) * 11)
        await world.pass_time(100.0)
        world.history = world.rates(2)
        await world.pass_time(10.0)
        await world.diary.until(lambda: len(world.heard) == 1)
    assert world.heard[0].raw_ns == 2 * STEP_NS


async def test_a_late_answer_has_no_vote(tmp_path: Path) -> None:
    """After the deadline it is waited for and thrown away; the process goes on."""
    gate = tmp_path / "gate"
    world = World(
        f"""
first = ask()
while not os.path.exists({str(gate)!r}):
    time.sleep(0.005)
answer(first)
"""
        + ECHO
    )
    async with world.running():
        await world.diary.until(lambda: world.diary.count("ready") == 1)
        await world.pass_time(2 * DEADLINE_S)
        gate.touch()
        await world.diary.until(lambda: world.diary.count("backend_late") == 1)
        assert world.heard == []
        await world.pass_time_until_asked(2)
        await world.diary.until(lambda: len(world.heard) == 1)
    assert world.heard[0].raw_ns == 2 * STEP_NS
    assert world.diary.count("backend_failed") == 0
    # Late, and then in time again: two changes of state.
    assert world.diary.count("backend_ready") == 2


async def test_a_hang_is_ended_and_started_again(tmp_path: Path) -> None:
    """A process that never answers is killed, and its successor is asked the same."""
    flag = tmp_path / "was-here"
    world = World(
        """
if is_first:
    ask()
    while True:
        time.sleep(1000)
"""
        + ECHO,
        first=f"""
is_first = not os.path.exists({str(flag)!r})
open({str(flag)!r}, "w").close()
""",
    )
    async with world.running():
        await world.diary.until(lambda: world.diary.count("ready") == 1)
        await world.pass_time(4 * DEADLINE_S)
        await world.diary.until(lambda: world.diary.count("failed") == 1)
        await world.pass_time(5.0)
        await world.diary.until(lambda: len(world.heard) == 1)
    assert "silent for 120 s" in world.diary.said[1]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        pytest.param("sys.exit(3)", "ended, status 3", id="exits"),
        pytest.param("ask(); os.abort()", "ended by signal 6", id="crashes"),
        pytest.param("ask(); print('garbage', flush=True); ask()", "no answer", id="x"),
        pytest.param("ask(); os.write(1, b'x' * 100_000)", "too much", id="floods"),
        pytest.param("ask(); say(forecast={'raw_ns': 'x'})", "no answer", id="type"),
        pytest.param(
            "h = ask(); h['raw_ns'] += 1; answer(h)", "something else", id="other"
        ),
        pytest.param(
            "h = ask(); say(forecast={**h, 'step_s': 0, 'means_ppb': [1.0] * 48})",
            "something else",
            id="step",
        ),
        pytest.param(
            "h = ask(); answer(h, float('nan'))", "no answer", id="not-a-number"
        ),
        pytest.param("say(error='no weights'); ask()", "no weights", id="says-so"),
    ],
)
async def test_a_broken_child_is_no_more_than_silence(script: str, why: str) -> None:
    """Nothing is heard, nothing raises, and it is tried again, ever more rarely."""
    world = World(script)
    async with world.running():
        await world.diary.until(lambda: world.diary.count("failed") == 1)
        assert [await world.fail_again() for _ in range(3)] == [5.0, 10.0, 20.0]
    assert world.heard == []
    assert why in next(line for line in world.diary.said if "failed" in line)


async def test_a_program_that_is_not_there_is_said_once() -> None:
    """However often it is tried."""
    world = World("")
    world.words = ("/nonexistent/python",)
    async with world.running():
        await world.diary.until(lambda: world.diary.count("failed") == 1)
        await world.pass_time(10_000.0)
    assert world.diary.count("failed") == 1
    assert "cannot be started" in world.diary.said[0]


async def test_stopping_waits_for_no_backend(tmp_path: Path) -> None:
    """A stuck process doesn't hold up the end, and doesn't outlive it."""
    pid_file = tmp_path / "pid"
    world = World(
        """
while True:
    time.sleep(1000)
""",
        first=f"""
with open({str(pid_file)!r}, "w") as file:
    file.write(str(os.getpid()))
""",
    )
    async with world.running():
        await world.diary.until(lambda: world.diary.count("ready") == 1)
        assert is_running(pid_file)
    assert not is_running(pid_file)


def is_running(pid_file: Path) -> bool:
    """Say whether the process of that number is there."""
    return Path("/proc", pid_file.read_text()).exists()


def test_the_command_names_everything() -> None:
    """What is configured reaches the process."""
    settings = ForecasterSettings(
        name="chronos", device="cpu", context_length=256, weights="/srv/weights"
    )
    words = list(command(settings))
    assert words[:4] == [sys.executable, "-m", "chronotick.backends", "chronos"]
    options = dict(zip(words[4::2], words[5::2], strict=True))
    assert options == {
        "--device": "cpu",
        "--context": "256",
        "--steps": "48",
        "--weights": "/srv/weights",
    }
