"""Standard streams that whoever started us has closed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from chronotick.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from unit.cli.conftest import Publication

QUICK = ("lan", "--hours", "0.02", "--daemon", "hold")


def closed(redirection: str, *words: str) -> tuple[int, str]:
    """Run `chronotick` below a shell's `redirection`; return code and stderr."""
    script = f'exec "$@" {redirection}'
    done = subprocess.run(
        ["bash", "-c", script, "bash", sys.executable, "-m", "chronotick", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("read",),
        ("json",),
        ("monitor", "--for", "1s"),
        ("benchmark", "--iterations", "1000"),
        ("doctor", "--server", "127.0.0.1:1", "--timeout", "100ms"),
        ("simulate", *QUICK),
    ],
    ids=lambda words: words[0],
)
def test_a_closed_output_is_as_one_that_nobody_reads(
    words: tuple[str, ...], publication: Publication, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same code and the same complaints as with /dev/null."""
    publication.publish()
    monkeypatch.setenv("CHRONOTICK_SEGMENT", publication.path)

    found = closed(">&-", *words)

    assert found == closed(">/dev/null", *words)
    assert "Traceback" not in found[1]


def without_output(code: str) -> tuple[int, str]:
    """Run Python's `code` with descriptor 1 closed; return exit code and errors."""
    done = subprocess.run(
        ["bash", "-c", 'exec "$@" >&-', "bash", sys.executable, "-c", code],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_what_is_opened_does_not_become_the_output(tmp_path: Path) -> None:
    """Descriptor 1 is taken, so no file of ours is written to by accident."""
    code = (
        "import os, click; from chronotick.cli.edge import Verb\n"
        f"def body(): fd = os.open({str(tmp_path)!r}, os.O_RDONLY); assert fd > 1, fd\n"
        "Verb('verb', callback=body).main([])"
    )

    assert without_output(code) == (0, "")


def test_processes_of_ours_have_a_place_for_their_output(tmp_path: Path) -> None:
    """They inherit it: their first file would be their output, or be closed for it."""
    look = f"import os; os.close(os.open({str(tmp_path)!r}, 0)); os.write(1, b'.')"
    code = (
        "import subprocess, sys; from chronotick.cli.edge import Verb\n"
        f"def body(): return subprocess.run([sys.executable, '-c', {look!r}]).returncode\n"
        "Verb('verb', callback=body).main([])"
    )

    assert without_output(code) == (0, "")


def test_an_agent_needs_an_input(publication: Publication) -> None:
    """One line: there is nobody who could ask."""
    code, said = closed("<&-", "mcp", "--segment", publication.path)

    assert code == ExitCode.USAGE
    assert "standard input is closed" in said
    assert said.count("\n") == 1
