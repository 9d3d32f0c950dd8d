"""The report says what was judged, the same way each time, and shows every figure."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import pytest

from chronotick.eval.streaming.about import UnreadableAbout
from chronotick.eval.streaming.analyze import ABOUT_FILE, analyze
from chronotick.eval.streaming.columns import COORDINATOR_COLUMNS, WORKER_COLUMNS
from chronotick.eval.streaming.figures import FIGURES, draw
from chronotick.eval.streaming.judge import GROUPS, judge
from chronotick.eval.streaming.report import markdown, page
from unit.eval.streaming.recordings import MS, imagine, run_of, write_csv

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """Return a folder with a short recorded run."""
    rows, sends = imagine(events=120)
    names = [column.name for column in WORKER_COLUMNS]
    write_csv(tmp_path / "worker_all.csv", rows, names)
    names = [column.name for column in COORDINATOR_COLUMNS]
    write_csv(tmp_path / "coordinator.csv", sends, names)
    (tmp_path / ABOUT_FILE).write_text('{"seed": "1", "hosts": "imagined"}')
    return tmp_path


def test_the_same_recordings_give_the_same_bytes(
    experiment: Path, tmp_path: Path
) -> None:
    """Every file of the report, pictures included, is reproducible."""
    first = analyze(experiment, output=tmp_path / "a").page.parent
    second = analyze(experiment, output=tmp_path / "b").page.parent
    names = sorted(path.name for path in first.iterdir())

    assert [f"{name}.png" for name in sorted(FIGURES)] == [
        name for name in names if name.endswith(".png")
    ]
    assert {f"{group}.json" for group in GROUPS} <= set(names)
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_the_page_needs_no_other_file(experiment: Path) -> None:
    """Figures, styles and numbers are inside; nothing is fetched."""
    text = analyze(experiment).page.read_text()

    assert len(FIGURES) == text.count("data:image/png;base64,")
    assert "http" not in text
    assert "imagined" in text


def test_statistics_are_plain_json_and_say_who_ran(experiment: Path) -> None:
    """No NaN and no infinity, which JSON does not have; seed and hosts are there."""
    report = analyze(experiment).page.parent

    def refuse(constant: str) -> Any:
        raise AssertionError(constant)

    text = (report / "statistics.json").read_text()
    statistics = json.loads(text, parse_constant=refuse)
    assert statistics["about"]["seed"] == "1"
    assert statistics["about"]["hosts"] == "imagined"
    assert statistics["verdict"] == "holds"


def test_a_broken_claim_is_in_the_headline() -> None:
    """Nobody has to search for it."""
    rows, sends = imagine(events=800, squeeze=0.25, hard=False, gap_ns=MS)
    statistics = judge(run_of(rows, sends))

    assert "**BROKEN: " in markdown(statistics, {})
    assert '<p class="broken">BROKEN: ' in page(statistics, {}, {})


def test_what_is_unknown_is_drawn_as_unknown() -> None:
    """A run with system stamps only still has every figure and says what is missing."""
    rows = [
        {"event_id": event, "node_id": node, "receive_time_ns": event * MS}
        for event in range(3)
        for node in ("a", "b")
    ]
    statistics = judge(run_of(rows))

    assert "Nothing could be judged" in markdown(statistics, {})
    assert set(FIGURES) == set(draw(statistics))


def test_figures_are_pictures_of_a_readable_size() -> None:
    """PNG, and wide enough for their labels."""
    for name, png in draw(judge(run_of(*imagine(events=30)))).items():
        assert png.startswith(b"\x89PNG\r\n"), name
        width, height = struct.unpack_from(">II", png, 16)
        assert width >= 800, name
        assert height >= 300, name


def test_a_damaged_description_is_named(experiment: Path) -> None:
    """The line says which file."""
    (experiment / ABOUT_FILE).write_text("[")

    with pytest.raises(UnreadableAbout, match=ABOUT_FILE):
        analyze(experiment)
