"""Folders for results: found unusable before the work, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from chronotick.cli import cli
from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.folders import make_folder, writing_to
from unit.eval.accuracy.clocks import recorded, write_csv

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    """With those above it; trying whether it can be written leaves nothing there."""
    folder = tmp_path / "new" / "folder"

    make_folder(folder)

    assert list(folder.iterdir()) == []


def test_a_disk_that_fills_later_is_told_alike(tmp_path: Path) -> None:
    """Whatever the operating system refuses while files are written."""
    with (
        pytest.raises(click.ClickException, match=r"cannot write to .*: No space left"),
        writing_to(tmp_path),
    ):
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("verb", ["simulate", "bench", "backtest"])
def test_a_folder_that_cannot_be_written_is_said_before_the_work(
    verb: str, tmp_path: Path
) -> None:
    """Path, why and what to change; all that there is to compute would take hours."""
    trace = tmp_path / "clock.csv"
    write_csv(trace, recorded(hours=0.1))
    (tmp_path / "taken").write_text("", encoding="utf-8")
    out = tmp_path / "taken" / "x"
    asked = {
        "simulate": ["lan", "--hours", "8784"],
        "bench": ["--hours", "8784"],
        "backtest": [str(trace), "--skip", "366d"],
    }

    result = CliRunner().invoke(cli, [verb, *asked[verb], "--out", str(out)])

    assert result.exit_code == ExitCode.FAILURE
    assert result.stderr == (
        f"chronotick: error: cannot write to {out}: Not a directory; "
        "choose another folder with --out\n"
    )
