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
from chronotick.core.errors import ChronotickError
from chronotick.eval.accuracy import bench, bench_cells
from chronotick.eval.accuracy.bench_cells import SUBJECTS

if TYPE_CHECKING:
    from pathlib import Path

    from chronotick.eval.accuracy.bench_cells import Cell, Outcome

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


def test_the_daemon_is_judged_now(capsys: pytest.CaptureFixture[str]) -> None:
    """A horizon of nothing is one, too."""
    assert run(*SMALL, "--model", "daemon:hold", "--horizons", "0s") == ExitCode.OK

    rows = [line.split()[:3] for line in capsys.readouterr().out.splitlines()]
    assert ["lan", "daemon:hold", "now"] in rows


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


BOTH = (*SMALL, "--model", "hold", "--model", "kalman", "--horizons", "60s")


def interrupt_after(
    done: int, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have the bench compute some cells, and then `error`."""

    def compute(cell: Cell) -> Outcome:
        nonlocal done
        done -= 1
        if done < 0:
            raise error
        return bench_cells.compute(cell)

    monkeypatch.setattr(bench, "compute", compute)


def test_an_interrupted_bench_says_what_is_kept_and_goes_on(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The same command ends with the files of one that was never interrupted."""
    folder = tmp_path / "out"
    with monkeypatch.context() as patched:
        interrupt_after(1, KeyboardInterrupt(), patched)
        assert run(*BOTH, "--out", str(folder)) == ExitCode.INTERRUPTED
    interrupted = capsys.readouterr()
    assert not (folder / "bench.json").exists()

    assert run(*BOTH, "--out", str(folder)) == ExitCode.OK
    resumed = capsys.readouterr()
    assert run(*BOTH, "--out", str(tmp_path / "whole")) == ExitCode.OK

    place = f"1 of 2 cells, in {folder / 'cells'}"
    assert interrupted.err == f"kept: {place}; the same command goes on from there\n"
    assert resumed.err == f"done before: {place}\n"
    for name in ("bench.json", "report.md"):
        one, other = (path / name for path in (folder, tmp_path / "whole"))
        assert one.read_bytes() == other.read_bytes()


def test_a_bench_that_fails_says_what_is_kept_in_its_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A cluster that is lost, for instance."""
    interrupt_after(1, ChronotickError("the cluster is lost"), monkeypatch)

    assert run(*BOTH, "--out", str(tmp_path)) == ExitCode.FAILURE

    said = capsys.readouterr().err
    assert "error: the cluster is lost; kept: 1 of 2 cells, in " in said
    assert said.count("\n") == 1


def test_what_was_made_otherwise_is_said_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What has other parameters, and what cannot be read."""
    run(*BOTH, "--out", str(tmp_path))
    run(*BOTH, "--out", str(tmp_path), "--hours", "0.6")
    said = capsys.readouterr().err
    for path in (tmp_path / "cells").iterdir():
        path.write_bytes(b"")
    run(*BOTH, "--out", str(tmp_path))

    cells = f"2 cells in {tmp_path / 'cells'}"
    assert said == (
        f"{cells} were made with other parameters or versions, and are computed anew\n"
    )
    assert capsys.readouterr().err == f"{cells} cannot be read, and are computed anew\n"


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
