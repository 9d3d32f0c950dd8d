"""Real libraries, tiny random checkpoints: saved, loaded again, asked over pipes."""

from __future__ import annotations

import json
import logging
import math
import os
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from chrono_daemon import Supervisor, WallClock
from chronotick.core.rates import RateForecast, RateHistory
from chronotick.daemon.forecaster import ForecasterSettings, command, consult

if TYPE_CHECKING:
    from collections.abc import Sequence

SCRIPT = str(Path(__file__).with_name("checkpoints.py"))
NAMES = ("fracast", "chronos", "timesfm", "ttm")
DAY = 144
# Nothing is fetched: what is not on this machine is an error.
OFFLINE = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}

pytestmark = pytest.mark.timeout(600)


def python(backends: Path, name: str) -> str:
    """Return the interpreter that has the library."""
    environment = "ttm" if name == "ttm" else "torch"
    return str(backends / environment / "bin" / "python")


def sunny(marks: int, level_ppb: float = 20_000.0) -> RateHistory:
    """Return three days of a clock that follows the sun."""
    return RateHistory(
        raw_ns=marks * 600 * 10**9,
        step_s=600,
        rates_ppb=tuple(level_ppb + rate_at(k) for k in range(marks - 432, marks)),
    )


def rate_at(mark: float) -> float:
    """Return the sun's share of the rate."""
    return 300.0 * math.sin(2.0 * math.pi * mark / DAY)


def talk(words: Sequence[str], *asked: RateHistory) -> list[RateForecast]:
    """Return the answers of a process, which must end well."""
    ended = subprocess.run(
        words,
        input="".join(json.dumps(asdict(each)) + "\n" for each in asked),
        capture_output=True,
        text=True,
        check=False,
        env=OFFLINE,
    )
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 0, (lines, ended.stderr)
    assert "ready" in lines[0]
    return [
        RateForecast(**{**line["forecast"], "means_ppb": tuple(means)})
        for line in lines[1:]
        if (means := line["forecast"]["means_ppb"])
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_is_saved_loaded_and_asked(
    name: str, backends: Path, tmp_path: Path
) -> None:
    """The same weights give the same 48 numbers in any process, others give others."""
    interpreter = python(backends, name)
    answers = []
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        subprocess.run(
            [interpreter, SCRIPT, "make", name, str(folder), str(seed)],
            check=True,
            capture_output=True,
            env=OFFLINE,
        )
        serve = [interpreter, SCRIPT, "serve", name, str(folder)]
        first = talk(serve, sunny(500), sunny(501), sunny(500, level_ppb=-7_000.0))
        answers.append(first)
    assert talk(serve, sunny(500)) == answers[-1][:1]
    for told in answers:
        here, later, elsewhere = told
        assert len(here.means_ppb) == 48
        assert all(map(math.isfinite, here.means_ppb))
        assert later.raw_ns == 501 * 600 * 10**9
        assert later.means_ppb != here.means_ppb
        # Nobody is shown by how many ppm the clock is off.
        moved = [mean + 27_000.0 for mean in elsewhere.means_ppb]
        assert moved == pytest.approx(here.means_ppb, abs=0.5)
    assert answers[0][0].means_ppb != answers[1][0].means_ppb


def test_the_bundled_weights_foresee_the_day(backends: Path) -> None:
    """Fracast-0 as shipped misses the next 8 h by less than half of what staying does."""
    words = [python(backends, "fracast"), *command(settings())[1:]]
    instants = (470, 500, 530, 560)
    answers = talk(words, *map(sunny, instants))
    for marks, said in zip(instants, answers, strict=True):
        truth = 20_000.0 + sum(rate_at(marks + k) for k in range(48)) / 48
        stays = 20_000.0 + rate_at(marks - 1)
        assert abs(said.means_ppb[-1] - truth) < 0.5 * abs(stays - truth)


@pytest.mark.parametrize("name", NAMES)
def test_missing_weights_are_an_error(name: str, backends: Path) -> None:
    """One line that says so; no other weights are taken instead."""
    ended = subprocess.run(
        [
            *(python(backends, name), "-m", "chronotick.backends", name),
            *("--weights", "/no/such/folder"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=OFFLINE,
    )
    assert ended.returncode == 1
    assert "/no/such/folder is no directory" in json.loads(ended.stdout)["error"]


@pytest.mark.anyio
async def test_the_daemon_hears_a_real_model(backends: Path) -> None:
    """From history to vote with nothing in between but what is used in production."""
    words = [python(backends, "fracast"), *command(settings())[1:]]
    heard: list[RateForecast] = []
    came = anyio.Event()

    def hear(forecast: RateForecast) -> None:
        heard.append(forecast)
        came.set()

    logger = logging.getLogger("test.backends")
    async with Supervisor(clock=WallClock(), logger=logger) as supervisor:
        supervisor.spawn(consult, settings(), lambda: sunny(500), hear, words)
        await came.wait()
        await supervisor.stop(grace=0)
    assert heard == talk(words, sunny(500))


def settings() -> ForecasterSettings:
    """Fracast, as patient as a busy machine needs."""
    return ForecasterSettings(name="fracast", device="cpu", deadline_s=300.0)
