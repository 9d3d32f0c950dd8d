"""The reference pages: what they show runs, and what they list exists."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

import chronotick
from chronotick.core import errors
from chronotick.shm.writer import SegmentWriter
from system.shm.host_frames import frame_now

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).parents[3]
_PYTHON = _ROOT / "docs" / "reference" / "python-api.md"
_PROTOCOL = _ROOT / "docs" / "reference" / "shm-protocol.md"
_PROGRAM = _ROOT / "tests" / "system" / "native" / "programs" / "read_time.c"


def _blocks(page: Path, language: str) -> list[str]:
    tokens = MarkdownIt().parse(page.read_text("utf-8"))
    return [t.content for t in tokens if t.type == "fence" and t.info == language]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[str]:
    """Publish this host's own clock until the test is over."""
    path = str(tmp_path / "segment")
    over = threading.Event()
    with SegmentWriter(path) as writer:
        writer.publish(frame_now())

        def publish() -> None:
            while not over.wait(0.01):
                writer.publish(frame_now())

        thread = threading.Thread(target=publish)
        thread.start()
        yield path
        over.set()
        thread.join()


def test_every_python_block_runs(daemon: str) -> None:
    """Top to bottom, in one process, with warnings as errors."""
    blocks = _blocks(_PYTHON, "python")
    assert len(blocks) > 5
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(blocks)],
        env=os.environ | {"CHRONOTICK_SEGMENT": daemon},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_every_promised_name_is_on_the_page() -> None:
    """And every error that a reading can raise."""
    text = _PYTHON.read_text("utf-8")
    reading = [
        name
        for name in errors.__all__
        if issubclass(getattr(errors, name), errors.ClockError | errors.SegmentError)
    ]

    for name in (*chronotick.__all__, *reading):
        if name != "UnsupportedPlatform":
            assert name in text, name


def test_the_program_on_the_page_is_the_one_that_is_tested() -> None:
    """Comment apart, to the letter."""
    (block,) = _blocks(_PROTOCOL, "c")

    assert _PROGRAM.read_text("utf-8").endswith(block)
