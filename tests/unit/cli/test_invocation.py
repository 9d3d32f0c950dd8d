"""What a person can type to run this program again."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from chronotick.cli.invocation import program


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda _: None)


def test_a_program_on_the_path_is_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it was started from."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(sys, "argv", ["/opt/bin/chronotick", "demo"])

    assert program() == "chronotick"


@pytest.mark.parametrize(
    ("script", "typed"),
    [
        ("{here}/.venv/bin/chronotick", ".venv/bin/chronotick"),
        (".venv/bin/chronotick", ".venv/bin/chronotick"),
        ("{here}/chronotick", "./chronotick"),
        ("{here}/my env/chronotick", "'my env/chronotick'"),
        ("/opt/bin/chronotick", "/opt/bin/chronotick"),
    ],
)
def test_another_program_is_its_path(
    script: str, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short below the working directory, and as a shell takes it."""
    monkeypatch.setattr(sys, "argv", [script.format(here=Path.cwd()), "demo"])

    assert program() == typed


def test_a_module_is_run_by_its_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m chronotick` has no script that could be typed."""
    monkeypatch.setattr(sys, "argv", ["/lib/chronotick/__main__.py", "demo"])
    monkeypatch.setattr(sys, "executable", f"{Path.cwd()}/.venv/bin/python")

    assert program() == ".venv/bin/python -m chronotick"
