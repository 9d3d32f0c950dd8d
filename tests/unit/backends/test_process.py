"""`python -m chronotick.backends`: how the process begins, ends and gives way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# A loader as a test wants it, under a name that the registry knows.
FAKE = """
import os, sys
from types import ModuleType
import numpy as np

class Model:
    described = "a fake"
    def forecast(self, series, steps):
        {forecast}

def load(choice):
    {load}
    return Model()

fake = ModuleType("chronotick.backends.fracast")
fake.load = load
sys.modules[fake.__name__] = fake
from chronotick.backends.__main__ import main
sys.exit(main(["fracast", "--steps", "4"]))
"""
QUESTION = json.dumps({"raw_ns": 5, "step_s": 600, "rates_ppb": [1.0] * 9}) + "\n"


def run(
    questions: str, *, load: str = "pass", forecast: str = "return np.zeros(steps)"
) -> tuple[int, list[dict[str, object]], str]:
    """Run the process on these questions; return its status, lines and errors."""
    ended = subprocess.run(
        [sys.executable, "-c", FAKE.format(load=load, forecast=forecast)],
        input=questions,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    return ended.returncode, lines, ended.stderr


def test_it_says_ready_answers_and_ends_with_its_input() -> None:
    """Status 0: nobody asked for more."""
    status, lines, _ = run(2 * QUESTION)
    assert status == 0
    assert lines[0] == {"ready": "a fake"}
    answer = {"forecast": {"raw_ns": 5, "step_s": 600, "means_ppb": [1.0] * 4}}
    assert lines[1:] == [answer, answer]


def test_libraries_that_print_do_not_disturb() -> None:
    """What goes to standard output, from Python or from C, ends up elsewhere."""
    status, lines, errors = run(
        QUESTION,
        load="print('hello'); os.write(1, b'from C')",
        forecast="print('x'); return np.zeros(steps)",
    )
    assert status == 0
    assert [next(iter(line)) for line in lines] == ["ready", "forecast"]
    assert "from C" in errors
    assert "hello" in errors


@pytest.mark.parametrize(
    ("load", "forecast", "why"),
    [
        ("raise ImportError('no fracast')", "pass", "no fracast; it needs: pip"),
        ("raise OSError('gone')", "pass", "weights of fracast: gone"),
        ("raise KeyError('odd')", "pass", "KeyError: 'odd'"),
        ("pass", "raise MemoryError('too big')", "MemoryError: too big"),
        ("pass", "return np.full(steps, np.nan)", "not finite"),
    ],
)
def test_whatever_goes_wrong_is_the_last_line(
    load: str, forecast: str, why: str
) -> None:
    """One line says why, and the status is 1."""
    status, lines, _ = run(QUESTION, load=load, forecast=forecast)
    assert status == 1
    assert why in str(lines[-1]["error"])
    assert all("forecast" not in line for line in lines)


def test_a_stuck_model_does_not_outlive_its_input() -> None:
    """Whoever asked is gone: the process ends by itself, in the middle of a forecast."""
    status, lines, _ = run(
        QUESTION,
        load="import chronotick.backends.humble as h; h._LAST_ANSWER_S = 0.01",
        forecast="import threading; threading.Event().wait()",
    )
    assert status == 1
    assert lines == [{"ready": "a fake"}]


@pytest.mark.parametrize("closed", [False, True])
def test_an_input_that_cannot_be_read_is_at_its_end(closed: bool) -> None:
    """It is no text, or there is none: nobody else would ever end the process."""
    words = [sys.executable, "-c", FAKE.format(load="pass", forecast="pass")]
    if closed:
        words = ["sh", "-c", 'exec "$0" "$@" <&-', *words]
    ended = subprocess.run(
        words,
        input=b"\xff\n",
        capture_output=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
    )

    assert json.loads(ended.stdout) == {"ready": "a fake"}
    assert ended.returncode == 0


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_it_gives_way() -> None:
    """Low priority, one thread, and first in line when memory runs out."""
    _, lines, _ = run(
        QUESTION,
        forecast="raise ValueError([os.nice(0), os.environ['OMP_NUM_THREADS'], "
        "open('/proc/self/oom_score_adj').read().strip()])",
    )
    priority = min(os.nice(0) + 10, 19)
    assert str([priority, "1", "1000"]) in str(lines[-1]["error"])


def test_naming_a_model_imports_no_other() -> None:
    """An unknown name costs no heavy import, and says so in one line."""
    ended = subprocess.run(
        [sys.executable, "-m", "chronotick.backends", "nothing"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "no backend 'nothing'" in json.loads(ended.stdout)["error"]
