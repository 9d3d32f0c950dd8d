"""How a backtest is said: words, digits, files, figures."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.eval.accuracy import figures
from chronotick.eval.accuracy.backtest import prepare, replay
from chronotick.eval.accuracy.contenders import contender
from chronotick.eval.accuracy.figures import draw_accuracy
from chronotick.eval.accuracy.judge import AccuracySettings, Document, Run, judge
from chronotick.eval.accuracy.report import (
    CAPTIONS,
    caveats,
    doubts,
    errors_table,
    markdown,
    share_text,
    size_text,
    write_backtest,
)
from chronotick.eval.plots import to_png
from unit.eval.accuracy.clocks import recorded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UNITS = {"ns": 1.0, "µs": 1e3, "ms": 1e6, "s": 1e9}


@cache
def document(*seeds: int, truth: bool = True) -> str:
    """Return a backtest of two models on imagined clocks, as JSON."""
    runs = []
    for seed in seeds:
        recording = prepare(
            recorded(hours=2.5, seed=seed, truth=truth), most_targets=50
        )
        for model in ("hold", "bank"):
            estimator = contender(model, ["server"])
            found = replay(recording, estimator, (60.0, 3600.0, 28_800.0))
            runs.append(Run(model, recording, found))
    return json.dumps(judge(runs, AccuracySettings()))


def parsed(*seeds: int, truth: bool = True) -> Document:
    """Return `document` to be changed at will."""
    found: Document = json.loads(document(*seeds, truth=truth))
    return found


@given(st.floats(0.0, 1e13))
def test_sizes_are_said_to_three_digits(value_ns: float) -> None:
    """Read back, a size is within 1 % of what it was, or within half of a 0.01 ns."""
    number, unit = size_text(value_ns).split()

    assert value_ns == pytest.approx(float(number) * UNITS[unit], rel=0.01, abs=0.006)
    assert float(number) < 1000 or unit == "s"


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_only_all_reads_as_100_percent(part: int, more: int) -> None:
    """However near: one miss among a billion shows."""
    text = share_text(part / (part + more))

    assert text != "100 %"
    assert (text == "0 %") == (part == 0)
    assert share_text(1.0) == "100 %"


def test_a_steered_clock_is_said_to_be_one() -> None:
    """Nobody should judge long horizons on it by accident."""
    found = parsed(1)
    for steering, expected in (
        ("steered", "the servo and not the oscillator"),
        ("unknown", "not known whether the clock was steered"),
    ):
        found["traces"][0]["steering"] = steering
        assert any(expected in text for text in caveats(found))
        assert expected in markdown(found)
    found["traces"][0]["steering"] = "free-running"
    assert not any("steered" in text for text in caveats(found))


def test_what_was_left_out_or_assumed_is_said() -> None:
    """Counts with their reasons, thinning, the yardstick, an assumed delay."""
    found = parsed(1, truth=False)
    found["traces"][0] |= {"skipped": {"negative delay": 3}, "without_delay": 2}
    found["about"]["assume_delay_s"] = 0.1
    text = "\n".join(caveats(found))

    assert "3 × left out: negative delay" in text
    assert "2 × left out: no delay recorded" in text
    assert "against later measurements" in text
    assert "100ms was assumed" in text
    assert re.search(r"asked for 50 of \d+ instants", text)
    assert "MTIE and warm-up see nothing of what is in between" in text
    assert "8h ahead: the recording is too short" in text
    assert "no calibrated bound was claimed" in text


def test_a_table_has_a_cell_for_every_head() -> None:
    """For one recording and for several, answered or not."""
    for seeds in ((1,), (1, 2)):
        table = errors_table(parsed(*seeds))
        assert {len(table.head)} == {len(row) for row in table.rows}
        assert len(table.rows) == 6 * (len(seeds) + (len(seeds) > 1))
        brief = errors_table(parsed(*seeds), brief=True)
        assert set(table.head) - set(brief.head) == {"answers", "95 %"}
        assert {len(brief.head)} == {len(row) for row in brief.rows}


def test_files_are_all_there_and_named_in_the_page(tmp_path: Path) -> None:
    """Page, numbers and figures; the page shows each figure that was drawn."""
    found = parsed(1, 2)
    drawn = draw_accuracy(found)

    page = write_backtest(tmp_path / "new", found, drawn)

    assert set(CAPTIONS) == set(drawn)
    text = page.read_text(encoding="utf-8")
    for name in drawn:
        assert f"({name}.png)" in text
        assert (page.parent / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert found == json.loads((page.parent / "backtest.json").read_text())


def test_figures_are_the_same_for_the_same_numbers() -> None:
    """No date and no version gets into them."""
    assert draw_accuracy(parsed(1)) == draw_accuracy(parsed(1))


@pytest.mark.parametrize("step_s", [0.5, 61.7, 576.0, 20_000.0])
def test_numbers_at_axes_are_written_as_people_write_them(step_s: float) -> None:
    """18,432 s and 1,000,000 µs: no 1.843e+04, and no 1e+06."""
    found = parsed(1)
    for part in found["stability"]:
        kept = part["adev"][0], part["mtie"][0]
        for name, point in zip(("adev", "mtie"), kept, strict=True):
            part[name] = [point | {"tau_s": step_s * 2**k} for k in range(8)]
            part[name][-1] = part[name][-1] | {"value": 1e4 * point["value"]}
    for result in found["results"]:
        if result["error"] is not None:
            result["error"]["rmse_ns"] *= 1e4

    for drawing in (figures._errors, figures._horizons, figures._stability):
        figure = drawing(found)
        assert figure is not None
        to_png(figure)
        for axes in figure.axes:
            labels = [*axes.get_xticklabels(), *axes.get_yticklabels()]
            assert not [text for text in labels if "e+" in text.get_text()]


def test_misses_have_a_place_for_none_and_for_one_in_a_thousand() -> None:
    """On a scale of percents that hold, 99 % and 99.9 % would be one line."""
    found = parsed(1)
    (result,) = [r for r in found["results"] if r["bounds"]][-1:]
    (bound,) = [result["bounds"][name] for name in ("sigma_99",)]
    for count, ticks in (
        (5000, ["100", "10", "1", "0.1", "none"]),
        (100, ["100", "10", "1", "none"]),
    ):
        bound |= {"count": count, "coverage": 1.0}
        for point in bound["curve"]:
            point["coverage"] = 1.0
        result["bounds"] = {"calibrated_99": bound}
        figure = figures._coverage(found)
        assert figure is not None
        (axes,) = figure.axes[-1:]
        low, _ = axes.get_ylim()
        assert [text.get_text() for text in axes.get_yticklabels()] == ticks
        assert low < 100.0 * 0.5 / count
        assert all(np.min(np.asarray(line.get_ydata())) > low for line in axes.lines)


def test_the_scale_of_errors_is_that_of_the_best() -> None:
    """A baseline that is a thousand times as wrong hides nobody."""
    found = parsed(1)
    for part in found["series"]:
        wrong = 1e3 if part["model"] == "hold" else 1.0
        part["error_ns"] = [wrong * (-1) ** k * 1e5 for k in range(len(part["t_s"]))]

    figure = figures._errors(found)

    assert figure is not None
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == [
        "linear within ± 100 µs (dotted), logarithmic beyond"
    ]
    assert axes.get_ylabel() == "estimate − truth (µs)"


def test_where_nothing_was_answered_nothing_is_drawn() -> None:
    """An empty figure would look like a result."""
    found = parsed(1)
    for result in found["results"]:
        result |= {"error": None, "bounds": {}, "why_null": "no question was answered"}
    for part in found["series"]:
        part["error_ns"] = [None] * len(part["error_ns"])
    for part in found["stability"]:
        part |= {"adev": [], "mtie": []}

    assert draw_accuracy(found) == {}
    assert "no question was answered" in markdown(found)


def test_recordings_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """Logs of several machines are all called alike; a dollar is no formula."""
    found = parsed(1, 2)
    renamed = {
        "clock1.csv": "one/$x_{$.log",
        "clock2.csv": "two/$x_{$.log",
    }
    for part in ("traces", "results", "warm_up", "stability", "series"):
        key = "path" if part == "traces" else "trace"
        for each in found[part]:
            each[key] = renamed.get(each[key], each[key])

    rows = errors_table(found).rows
    page = write_backtest(tmp_path, found, draw_accuracy(found))

    assert {row[0] for row in rows} == {*renamed.values(), "all"}
    for name in renamed.values():
        assert f"| {name} |" in page.read_text(encoding="utf-8")


def test_a_clock_without_error_is_drawn_without_a_warning() -> None:
    """A logarithm of nothing is none."""
    found = parsed(1)
    for result in found["results"]:
        if result["error"] is not None:
            result["error"]["rmse_ns"] = 0.0
            result["intervals"]["rmse_ns"] = None
    for part in found["stability"]:
        for point in (*part["adev"], *part["mtie"]):
            point["value"] = 0.0

    assert {"errors", "coverage"} == set(draw_accuracy(found))


@cache
def judged(kind: str) -> str:
    """Return the product's backtest on a recording that is wrong in some way, as JSON."""
    change: dict[str, Callable[[int], int]] = {
        "right": lambda ns: ns,
        "sign": lambda ns: -ns,
        "unit": lambda ns: ns * 1000,
    }
    trace = recorded(hours=2.5)
    rows = [
        m if m.offset_ns is None else replace(m, offset_ns=change[kind](m.offset_ns))
        for m in trace.measurements
    ]
    recording = prepare(replace(trace, measurements=tuple(rows)), most_targets=50)
    found = replay(recording, contender("product", ["server"]), (0.0, 60.0))
    run = Run("product", recording, found)
    return json.dumps(judge([run], AccuracySettings()))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "sign",
            r"^the hard bound of product was missed \d+ of \d+ times: .*wrong sign",
        ),
        ("unit", r"\d+ of \d+ steps .* in another unit than seconds"),
        ("unit", r"product did not answer \d+ of \d+ questions"),
    ],
)
def test_what_no_right_recording_shows_is_said_first(kind: str, expected: str) -> None:
    """Else 0 % would be one number among others, and nobody asked the recording."""
    found: Document = json.loads(judged(kind))
    said = doubts(found)

    assert any(re.search(expected, text) for text in said)
    page = markdown(found)
    assert page.startswith(f"# Backtest\n\n- **{said[0]}**\n")


def test_a_right_recording_leaves_no_doubt() -> None:
    """Of the product on a clock that runs free; a baseline claims nothing."""
    assert doubts(json.loads(judged("right"))) == []
    assert doubts(parsed(1, 2)) == []


def test_a_doubt_names_its_recording_where_there_are_several() -> None:
    """The others may be right."""
    found = parsed(1, 2)
    found["traces"][0]["steps"] |= {"count": 100, "impossible": 51}

    (said,) = doubts(found)
    assert said.startswith("clock1.csv: 51 of 100 steps")


def test_instants_that_are_too_far_apart_are_doubted() -> None:
    """In microseconds a minute is two years, and the interval of all is "100 %"."""
    found = parsed(1)
    assert found["traces"][0]["steps"]["median_s"] == 64.0
    found["traces"][0]["steps"]["median_s"] = 64e6

    (said,) = doubts(found)
    assert "more than any program waits" in said


def test_now_has_a_place_among_the_horizons() -> None:
    """On a logarithmic axis it would vanish without a word."""
    figure = figures._horizons(json.loads(judged("right")))

    assert figure is not None
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0s", "1m"]
    (drawn,) = axes.containers
    assert np.asarray(drawn[0].get_xdata()).tolist() == [0.0, 60.0]
    left, right = axes.transData.transform([(0.0, 1.0), (60.0, 1.0)])[:, 0]
    assert right - left > 50.0


def test_who_is_left_out_of_a_panel_is_named_there() -> None:
    """The legend is of both panels."""
    found = parsed(1)
    clock, hold, *_ = found["stability"]
    clock |= {"adev": hold["adev"], "mtie": hold["mtie"]}

    figure = figures._stability(found)

    assert figure is not None
    left, right = figure.axes
    assert not left.texts
    assert len(left.lines) > len(right.lines)
    assert "left out: local clock" in right.texts[0].get_text()


def test_two_bounds_of_the_same_width_are_explained() -> None:
    """A row that repeats another one looks like a mistake."""
    found: Document = json.loads(judged("right"))
    bounds = found["results"][0]["bounds"]
    width_ns = bounds["sigma_99"]["median_width_ns"]
    said = []
    for times in (1.001, 1.5):
        for result in found["results"]:
            each = result["bounds"]["calibrated_99"]
            each["median_width_ns"] = width_ns * times
            result["bounds"]["sigma_99"]["median_width_ns"] = width_ns
        said.append("Where 99 % is as wide as 2.58 σ" in markdown(found))

    assert said == [True, False]
