"""What is written of a simulation: rows, scores, excuses."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.status import Reason, Source, Status
from chronotick.eval.accuracy.bench_figures import draw_simulation
from chronotick.eval.accuracy.bench_simulation import (
    COLUMNS,
    is_unknowable,
    summarize,
    write_rows,
    write_summary,
)
from chronotick.eval.accuracy.bench_world import Plan, Simulated, run
from chronotick.sim.recorder import Publication, Violation
from chronotick.sim.scenario import Scenario, load_scenario
from chronotick.sim.server_specs import Closed, ServerSpec
from chronotick.sim.specs import HostSpec, Jump, OscillatorSpec, Stop

if TYPE_CHECKING:
    from pathlib import Path

LAN = load_scenario("lan")


def imagined(**oscillator: object) -> Scenario:
    """Return a LAN whose oscillator has events."""
    spec = OscillatorSpec(**oscillator)  # type: ignore[arg-type]
    host = HostSpec(oscillator=spec)
    return Scenario(name="x", host=host, servers=LAN.servers)


@pytest.fixture(scope="module")
def simulated() -> Simulated:
    """Twenty minutes behind one server."""
    plan = Plan(seed=5, length_s=1200.0, horizons_s=(64.0,), outlook_every_s=60.0)
    return run(LAN, plan)


def test_the_summary_says_what_was_done_and_found(simulated: Simulated) -> None:
    """Seed, versions, errors, coverage, violations, changes: all in one document."""
    document = summarize(simulated)

    assert (document["scenario"], document["seed"]) == ("lan", 5)
    assert document["hours"] == pytest.approx(1 / 3)
    assert set(document["versions"]) == {"chronotick", "filters", "numpy", "python"}
    assert document["hard_violations"] == document["hard_unknowable"] == 0
    assert document["hard_intervals_checked"] > 100
    assert document["now"]["coverage"]["hard"]["missed"] == 0
    assert document["ahead"]["64"]["count"] == len(simulated.recorder.outlooks)
    assert document["status_changes"][0]["status"] == "UNKNOWN"
    assert document["status_changes"][-1]["status"] == "SYNCHRONIZED"
    assert list(document["verdicts"]) == list(LAN.server_names())


def test_shares_of_the_time_are_a_whole(simulated: Simulated) -> None:
    """Whatever was published, and whatever was not."""
    assert sum(summarize(simulated)["time_share"].values()) == pytest.approx(1.0)


def test_the_summary_is_json_of_finite_numbers(
    simulated: Simulated, tmp_path: Path
) -> None:
    """Nothing that was not claimed becomes a NaN or a number."""
    write_summary(tmp_path / "s.json", summarize(simulated))

    read = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    assert read == json.loads(json.dumps(summarize(simulated), allow_nan=False))


def test_every_publication_is_a_row(simulated: Simulated, tmp_path: Path) -> None:
    """What was not claimed is empty, never 0."""
    path = tmp_path / "published.csv"
    write_rows(path, simulated.recorder.publications)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(simulated.recorder.publications)
    unknown = [row for row in rows if row["status"] == "UNKNOWN"]
    known = [row for row in rows if row["status"] != "UNKNOWN"]
    assert unknown
    assert {row["error_ns"] + row["hard_ns"] + row["hard_holds"] for row in unknown} == {""}  # fmt: skip
    assert {row["hard_holds"] for row in known} == {"True"}


def test_a_violation_is_counted_and_listed(simulated: Simulated) -> None:
    """A bound that misses in a world without leaps has no excuse."""
    recorder = simulated.recorder
    before = list(recorder.violations)
    try:
        recorder.violations.append(
            _violation(simulated, true_s=600.0),
        )
        document = summarize(simulated)
    finally:
        recorder.violations[:] = before

    assert document["hard_violations"] == 1
    assert document["violations"][0]["unknowable"] is False


def _violation(simulated: Simulated, *, true_s: float) -> Violation:
    judged = simulated.recorder._judged
    assert judged is not None
    return Violation(true_s, 1.0, 2_000, 1_000, judged)


@pytest.mark.parametrize(
    ("published_s", "read_s", "excused"),
    [(90.0, 99.9, False), (90.0, 100.0, True), (200.0, 201.0, True), (250.0, 251.0, False)],
)  # fmt: skip
def test_a_hidden_leap_excuses_until_all_servers_could_be_asked(
    published_s: float, read_s: float, excused: bool
) -> None:
    """Not what was read before it, nor what is published long after."""
    leapt = imagined(jumps=(Jump(at_s=100.0, by_s=0.02),))

    assert is_unknowable(leapt, published_s, read_s) is excused


@given(st.floats(0.0, 1e5), st.floats(0.0, 1e5))
def test_what_the_kernel_knows_of_is_no_excuse(
    published_s: float, age_s: float
) -> None:
    """A suspend shows in CLOCK_BOOTTIME; a step of the rate is within the limits."""
    slept = imagined(suspends=(Stop(at_s=100.0, for_s=60.0),))

    assert not is_unknowable(slept, published_s, published_s + age_s)


def test_a_world_without_any_answer_can_be_summed_up_and_drawn() -> None:
    """Nothing claimed is no error; the picture has nothing but a backdrop."""
    mute = load_scenario("lan")
    silent = Scenario(
        name="mute", servers=tuple(_closed(server) for server in mute.servers)
    )
    done = run(silent, Plan(seed=1, length_s=300.0, horizons_s=(64.0,)))
    document = summarize(done)

    assert document["now"] is None
    assert document["ahead"] == {}
    assert document["hard_intervals_checked"] == 0
    png = draw_simulation(done.recorder.publications, title="mute", length_s=300.0)
    assert png.startswith(b"\x89PNG")


def _closed(server: ServerSpec) -> ServerSpec:
    return msgspec.structs.replace(server, serves=Closed())


def test_the_figure_shows_statuses_and_misses() -> None:
    """A missed bound changes the picture."""
    rows = [
        Publication(10.0 * k, status, Reason.NONE, Source.NTP, 5_000, bound_ns, 900.0, 4e3)
        for k, (status, bound_ns) in enumerate(
            [(Status.UNKNOWN, 0), (Status.WARMUP, 9_000), (Status.HOLDOVER, 9_000)] * 3
        )
    ]  # fmt: skip
    first = draw_simulation(rows, title="x", length_s=100.0)
    missed = [row._replace(bound_ns=1_000) for row in rows]

    assert first != draw_simulation(missed, title="x", length_s=100.0)
    excused = draw_simulation(
        missed, title="x", length_s=100.0, is_excused=lambda _: True
    )
    assert excused not in {first, draw_simulation(missed, title="x", length_s=100.0)}
