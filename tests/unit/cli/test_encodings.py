"""Terminals that have no micro sign."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from unit.cli.conftest import Publication


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "koi8-r"])
def test_what_cannot_be_shown_is_a_question_mark(
    publication: Publication, encoding: str
) -> None:
    """The time is no less true for that: no traceback, and the same exit code."""
    publication.publish()
    done = subprocess.run(
        [sys.executable, "-m", "chronotick", "status", "--segment", publication.path],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"good.example" in done.stdout
    assert b"? (cannot resolve gone.example" in done.stdout
