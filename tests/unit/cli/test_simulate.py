"""`chronotick simulate`: what it prints, writes and exits with."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING

import pytest

from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.group import VERBS
from chronotick.cli.simulate import _DAEMONS, command
from chronotick.eval.accuracy.bench_world import DAEMONS
from chronotick.sim.recorder import Recorder
from chronotick.sim.scenario import scenario_names

if TYPE_CHECKING:
    from pathlib import Path

    from chronotick.core.records import Correction


def run(*words: str) -> int:
    """Run the verb; return its exit status."""
    with pytest.raises(SystemExit) as ended:
        command.main(list(words), "chronotick simulate")
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_list_has_a_line_for_each_scenario(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Name and summary; no scenario need be named."""
    assert run("--list") == ExitCode.OK

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(scenario_names())
    assert all(len(line.split()) > 4 for line in lines)


def test_files_are_written_and_the_bound_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows, summary and figure; the lines say what is in them."""
    out = tmp_path / "new" / "folder"

    assert run("lan", "--seed", "7", "--hours", "0.25", "--out", str(out)) == 0

    printed = capsys.readouterr().out
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert (summary["scenario"], summary["seed"], summary["hours"]) == ("lan", 7, 0.25)
    assert (out / "published.csv").read_text(encoding="utf-8").startswith("true_s,")
    assert (out / "error.png").read_bytes().startswith(b"\x89PNG")
    assert "lan, seed 7, 0.25 h, daemon default" in printed
    assert f"hard bound holds: 0 of {summary['hard_intervals_checked']}" in printed


def test_shares_of_time_have_no_exponents(capsys: pytest.CaptureFixture[str]) -> None:
    """However short the time without an answer was."""
    assert run("lan", "--seed", "3", "--hours", "2") == ExitCode.OK

    lines = capsys.readouterr().out.splitlines()
    (status,) = (line for line in lines if line.startswith("status: "))
    assert "UNKNOWN 0.0000" in status
    assert re.fullmatch(r"status: (\w+ [0-9]+(\.[0-9]+)? %(, |$))+", status)


def test_json_is_the_summary_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """One object on standard output, no progress anywhere but on a terminal."""
    assert run("lan", "--hours", "0.1", "--daemon", "minimal", "--json") == 0

    captured = capsys.readouterr()
    assert json.loads(captured.out)["daemon"] == "minimal"
    assert captured.err == ""


def test_a_bound_that_misses_has_an_exit_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Were the truth a second away, it would be 6 and say BROKEN."""
    judge = Recorder._judge

    def misjudge(
        self: Recorder, correction: Correction, raw_ns: int
    ) -> tuple[int, int]:
        self._host._epoch_utc_ns += 10**9
        try:
            return judge(self, correction, raw_ns)
        finally:
            self._host._epoch_utc_ns -= 10**9

    monkeypatch.setattr(Recorder, "_judge", misjudge)

    assert run("lan", "--hours", "0.05") == 6
    assert "hard bound BROKEN" in capsys.readouterr().out


def test_a_scenario_of_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the path of its file, which the summary repeats."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\nduration_s: 120\n"
        "servers: [{name: a.test, path: {forward: {base_us: 100}}}]\n",
        encoding="utf-8",
    )

    assert run(str(path), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["scenario_file"] == str(path)
    assert document["hours"] == pytest.approx(120 / 3600)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lam"], "did you mean lan?"),
        (["nowhere.yaml"], "nowhere.yaml: cannot read"),
        (["lan", "--hours", "0"], "0"),
        (["lan", "--daemon", "fancy"], "fancy"),
        ([], "SCENARIO"),
    ],
)
def test_wrong_usage_is_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, what is wrong, and nothing else."""
    assert run(*words) == ExitCode.USAGE

    captured = capsys.readouterr()
    assert said in captured.err
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""


def test_a_wrong_key_names_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """File, place and the nearest key."""
    path = tmp_path / "typo.yaml"
    path.write_text("name: x\nserver: []\n", encoding="utf-8")

    assert run(str(path)) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert f"{path}:2: server: unknown key, did you mean servers?" in told


def test_a_folder_that_cannot_be_made_is_said_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file stands in its way."""
    (tmp_path / "taken").write_text("", encoding="utf-8")

    assert run("lan", "--out", str(tmp_path / "taken" / "x")) == ExitCode.FAILURE
    assert "taken" in capsys.readouterr().err


def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line with the command that installs it."""
    monkeypatch.setitem(sys.modules, "chronotick.eval.accuracy.bench_figures", None)

    assert run("lan", "--out", str(tmp_path)) == ExitCode.FAILURE
    assert "pip install 'chronotick[eval]'" in capsys.readouterr().err


def test_the_lists_written_out_are_those_of_the_modules() -> None:
    """They are copied so that `--help` is quick."""
    assert tuple(DAEMONS) == _DAEMONS
    assert VERBS["simulate"].load() is command


def test_a_scenarios_words_are_printed_and_drawn_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dollar is no formula and a bracket no markup; nothing would be written else."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: '[/x]'\nsummary: 'From $x_{ to $y.'\nduration_s: 120\n"
        "servers: [{name: a.test, path: {forward: {base_us: 100}}}]\n",
        encoding="utf-8",
    )

    assert run(str(path), "--out", str(tmp_path / "out")) == 0
    assert "[/x], seed 1" in capsys.readouterr().out
    assert (tmp_path / "out" / "error.png").exists()
