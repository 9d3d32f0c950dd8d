"""Our estimator behind ntpstats' interface: what it is shown, what it answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("ntpstats")

from ntpstats import bench, bounds, estimators
from ntpstats.series import TimeSeries
from ntpstats.simulate import PRESETS, simulate_multi

from chronotick.eval.accuracy.bench_referee import BOUNDS, Referee, exchanges


def series(t_s: list[float], offset_s: float = 0.25) -> TimeSeries:
    """Return exchanges of 10 ms with a constant offset."""
    t = 1_700_000_000.0 + np.array(t_s)
    return TimeSeries(
        t, np.full(t.size, offset_s), extra={"delay": np.full(t.size, 0.01)}
    )


def test_exchanges_of_all_servers_come_in_their_order() -> None:
    """With units and signs as they were."""
    heard = list(exchanges([series([0.0, 64.0]), series([0.5, 64.5])]))

    assert [each.server for each in heard] == ["s0", "s1", "s0", "s1"]
    first = heard[0].sample
    assert first is not None
    assert (first.offset_ns, first.delay_ns) == (250_000_000, 10_000_000)
    assert heard[2].raw_ns - heard[0].raw_ns == 64 * 10**9


def test_a_lost_exchange_is_a_poll_without_answer() -> None:
    """The daemon would know that it asked."""
    heard = list(exchanges([series([0.0, 64.0, 128.0, 320.0])]))

    assert [each.sample is None for each in heard] == [False] * 3 + [True, True, False]


def test_an_answer_depends_on_nothing_later() -> None:
    """The first half of a run is the same without the second."""
    scenario = replace(PRESETS["lan"], seed=1, duration=7200.0)
    (measured,), _ = simulate_multi(scenario)
    half = measured.select(np.arange(len(measured) // 2))
    whole, part = Referee().fit(measured), Referee().fit(half)

    assert whole.offset[: len(part)].tolist() == part.offset.tolist()
    for bound in BOUNDS:
        np.testing.assert_array_equal(
            whole.extra[bound][: len(part)], part.extra[bound]
        )


def test_it_runs_in_the_bench_and_passes_its_check_of_bounds() -> None:
    """As a plug-in that is registered; its intervals hold the bench's truth."""
    estimators.register(Referee())
    scenario = replace(PRESETS["lan"], seed=2, duration=7200.0)
    (row,) = bench.run_bench([("lan", scenario)], ["chronotick"], seeds=[2])
    measured, truth = simulate_multi(scenario)
    answer = estimators.run("chronotick", measured)
    claimed = np.isfinite(answer.offset)
    windows = TimeSeries(
        answer.t[claimed],
        answer.offset[claimed],
        extra={"bound": answer.extra["hard"][claimed]},
    )
    found = bounds.validate(windows, truth, reference_uncertainty=0.0)

    assert "error" not in row
    assert row["rms"] < 5e-6
    assert found["violations"] == 0
    assert int(str(found["compared"])) > 400


def test_the_calibrated_bound_is_never_wider_than_the_hard_one() -> None:
    """And where none is claimed there is no number."""
    scenario = replace(PRESETS["lan"], seed=3, duration=3600.0)
    measured, _ = simulate_multi(scenario)
    answer = Referee(all_servers=False).fit(measured[0])
    claimed = np.isfinite(answer.extra["calibrated_99"])

    assert claimed.any()
    assert not claimed.all()
    hard = answer.extra["hard"][claimed]
    assert (answer.extra["calibrated_99"][claimed] <= hard).all()
    assert (answer.extra["calibrated_99"] <= answer.extra["calibrated_999"])[
        claimed
    ].all()
