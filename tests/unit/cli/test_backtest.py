"""`chronotick backtest`: what it prints, writes and exits with."""

from __future__ import annotations

import gzip
import json
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chronotick.cli.backtest import _MODELS, command
from chronotick.cli.group import VERBS
from chronotick.eval.accuracy import backtest
from chronotick.eval.accuracy.contenders import MODELS
from unit.eval.accuracy.clocks import recorded, write_csv

if TYPE_CHECKING:
    from pathlib import Path


def run(*words: str) -> int:
    """Run the verb; return its exit status."""
    with pytest.raises(SystemExit) as ended:
        command.main(list(words), "chronotick backtest")
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A recording of two hours with known truth."""
    path = tmp_path / "clock.csv"
    write_csv(path, recorded(hours=2.0))
    return path


def test_a_row_for_each_model_and_horizon(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors first, then warm-up, then what must be known to read them."""
    code = run(
        str(trace), "--model", "hold", "--model", "bank", "--horizons", "60s,5m",
        "--targets", "50",
    )  # fmt: skip

    out = capsys.readouterr().out
    assert code == 0
    rows = [line.split()[:2] for line in out.splitlines()]
    for model in ("hold", "bank"):
        assert [model, "1m"] in rows
        assert [model, "5m"] in rows
    assert out.index("Errors") < out.index("Warm-up") < out.index("asked for 50 of")


def test_the_product_is_judged_where_no_model_is_named(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON says which model, which horizons, what seed; 0 s where truth is known."""
    assert run(str(trace), "--json", "--targets", "20", "--seed", "7") == 0

    document = json.loads(capsys.readouterr().out)
    assert {"product"} == {result["model"] for result in document["results"]}
    assert document["about"]["horizons_s"] == [0.0, 5.0, 60.0, 300.0, 3600.0, 28800.0]
    assert document["about"]["seed"] == 7


def test_a_hard_bound_that_is_missed_is_said_and_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a recording holds for the truth may itself be wrong."""
    path, trace = tmp_path / "clock.csv", recorded(hours=1.0)
    wrong = [
        m if m.truth_ns is None else replace(m, truth_ns=-m.truth_ns)
        for m in trace.measurements
    ]
    write_csv(path, replace(trace, measurements=tuple(wrong)))

    code = run(str(path), "--targets", "20", "--horizons", "0s")

    assert code == 0
    assert (
        "the hard bound of product was missed 15 of 15 times" in capsys.readouterr().out
    )


def test_a_report_is_written_where_it_was_asked_for(
    trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last line says where it is."""
    folder = tmp_path / "report"

    assert (
        run(str(trace), "--model", "hold", "--horizons", "1m", "--out", str(folder))
        == 0
    )
    assert capsys.readouterr().out.endswith(f"report: {folder}/report.md\n")
    assert (folder / "backtest.json").exists()
    assert (folder / "horizons.png").exists()


def test_who_says_that_the_clock_was_steered_reads_it_in_the_report(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """CSV does not know; the caller does."""
    words = (str(trace), "--model", "hold", "--horizons", "1m")
    said = []
    for more in ((), ("--steered",), ("--free-running",)):
        assert run(*words, *more) == 0
        said.append(capsys.readouterr().out)

    assert "not known whether the clock was steered" in said[0]
    assert "the clock was steered while it was measured" in said[1]
    assert "steered" not in said[2]


@pytest.mark.parametrize(
    ("text", "words", "code", "expected"),
    [
        ("t_s,offset_s,delay_s\n1,x,1\n2,0,1\n", (), 1, "line 2: expected offset_s"),
        ("Dear all,\n", (), 1, "is in none of the formats"),
        ("t_s,offset_s\n1,0\n2,0\n", (), 1, "--assume-delay"),
        (
            "t_s,offset_s,delay_s\n1,0,1\n",
            ("--horizons", "0s"),
            2,
            "needs recorded truth",
        ),
        ("", ("--horizons", "5 apples"), 2, "unknown unit"),
        ("", ("--model", "oracle"), 2, "oracle"),
        ("", ("--format", "sundial"), 2, "sundial"),
        ("t_s,offset_s,delay_s\n1,0,1\n", ("--seed", "-1"), 2, "--seed"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    words: tuple[str, ...],
    code: int,
    expected: str,
) -> None:
    """On standard error, with the exit code that scripts rely on; nothing else."""
    path = tmp_path / "trace.csv"
    path.write_text(text)

    assert code == run(str(path), *words)
    captured = capsys.readouterr()
    assert expected in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out


def test_a_file_that_is_not_there_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named."""
    assert run(str(tmp_path / "gone.csv")) == 2
    assert "gone.csv" in capsys.readouterr().err


def test_without_the_extra_it_says_what_to_install(
    trace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numpy is not in the base installation."""
    for name in [
        n for n in sys.modules if n.startswith("chronotick.eval.accuracy.judge")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numpy", None)

    assert run(str(trace)) == 1
    assert "pip install 'chronotick[eval]'" in capsys.readouterr().err


def test_what_figures_need_is_missed_before_the_work(
    trace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Hours of it would be lost."""
    monkeypatch.delitem(sys.modules, "chronotick.eval.accuracy.figures", raising=False)
    monkeypatch.setitem(sys.modules, "chronotick.eval.plots", None)
    monkeypatch.setattr(backtest, "replay", None)

    assert run(str(trace), "--out", str(tmp_path / "report")) == 1
    assert "pip install 'chronotick[eval]'" in capsys.readouterr().err


def test_one_recording_under_two_names_is_refused(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counted twice, it would make the intervals of all too narrow."""
    packed = trace.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(trace.read_bytes()))
    again = trace.parent / "." / "x" / ".." / trace.name
    (trace.parent / "x").mkdir()

    assert run(str(trace), str(packed)) == 2
    assert "clock.csv.gz is the same recording as " in capsys.readouterr().err
    assert run(str(trace), str(again), "--model", "hold", "--targets", "5") == 0
    assert "recording  model" not in capsys.readouterr().out


def test_a_name_is_printed_as_it_is(
    trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither brackets nor bytes of another encoding are anything but a name."""
    for name in (b"[red].csv", b"\xff.csv"):
        other = tmp_path / os.fsdecode(name)
        write_csv(other, recorded(hours=2.0, seed=len(name)))
        words = ("--model", "hold", "--horizons", "1m", "--targets", "50")

        assert run(str(trace), str(other), *words, "--out", str(tmp_path / "o")) == 0
        shown = name.decode(errors="backslashreplace")
        assert f"\n{shown}" in capsys.readouterr().out
        assert shown in (tmp_path / "o" / "report.md").read_text(encoding="utf-8")


def test_the_models_that_can_be_named_are_those_that_there_are() -> None:
    """They are written out in the verb so that its help needs no numpy."""
    assert MODELS == _MODELS
    assert command is VERBS["backtest"].load()
