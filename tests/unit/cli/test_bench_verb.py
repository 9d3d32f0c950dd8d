"""`chronotick bench`: what it prints, writes and exits with."""

from __future__ import annotations

import json
import sys
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

import pytest

from chronotick.cli.bench import _MODELS, command
from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.group import VERBS
from chronotick.eval.accuracy import bench
from chronotick.eval.accuracy.bench_cells import SUBJECTS

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ("--scenario", "lan", "--seeds", "1", "--hours", "0.5", "--targets", "10")


def run(*words: str) -> int:
    """Run the verb; return its exit status."""
    with pytest.raises(SystemExit) as ended:
        command.main(list(words), "chronotick bench")
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_tables_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each estimator and horizon; the report and its JSON."""
    words = ("--model", "bank", "--model", "daemon", "--horizons", "60s,5m")

    assert run(*SMALL, *words, "--out", str(tmp_path / "out")) == ExitCode.OK

    printed = capsys.readouterr().out
    rows = [line.split()[:3] for line in printed.splitlines()]
    for subject in ("bank", "daemon"):
        for ahead in ("1m", "5m"):
            assert ["lan", subject, ahead] in rows
    document = json.loads((tmp_path / "out" / "bench.json").read_text(encoding="utf-8"))
    assert document["about"]["subjects"] == ["bank", "daemon"]
    assert (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


def test_json_is_the_document_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """One object; no bar where there is no terminal."""
    assert run(*SMALL, "--model", "hold", "--horizons", "60s", "--json") == 0

    captured = capsys.readouterr()
    assert json.loads(captured.out)["about"]["seeds"] == [1]
    assert captured.err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scenario", "lam"], "did you mean lan?"),
        (["--scenario", "lan", "--scenario", "lan"], "same name"),
        (["--model", "oracle"], "oracle"),
        (["--seeds", "0"], "0"),
        (["--horizons", "soon"], "soon"),
    ],
)
def test_wrong_usage_is_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2 and what is wrong."""
    assert run(*words) == ExitCode.USAGE

    captured = capsys.readouterr()
    assert said in captured.err
    assert len(captured.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("module", "words", "extra"),
    [
        ("chronotick.eval.accuracy.bench", (), "eval"),
        ("chronotick.eval.cluster", ("--scheduler", "tcp://127.0.0.1:1"), "dask"),
    ],
)
def test_a_missing_extra_is_named(
    module: str,
    words: tuple[str, ...],
    extra: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The one that is missing, with the command that installs it."""
    monkeypatch.setitem(sys.modules, module, None)

    assert run(*SMALL, *words) == ExitCode.FAILURE
    assert f"pip install 'chronotick[{extra}]'" in capsys.readouterr().err


def test_a_process_that_dies_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kernel ends one where memory runs out."""

    def die(*_: object) -> None:
        raise BrokenProcessPool("A process in the pool was terminated abruptly")

    monkeypatch.setattr(bench, "perform", die)

    assert run(*SMALL, "--jobs", "2") == ExitCode.FAILURE
    said = capsys.readouterr().err
    assert "fewer --jobs" in said
    assert said.count("\n") == 1


def test_a_name_with_brackets_is_a_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no markup of the terminal's."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: '[/x]'\nservers: [{name: a.test, path: {forward: {base_us: 100}}}]\n",
        encoding="utf-8",
    )
    words = ("--scenario", str(path), *SMALL[2:], "--model", "hold")

    assert run(*words, "--horizons", "1m") == ExitCode.OK
    assert "\n[/x]" in capsys.readouterr().out


def test_the_models_written_out_are_those_that_there_are() -> None:
    """They are copied so that `--help` is quick."""
    assert SUBJECTS == _MODELS
    assert VERBS["bench"].load() is command
