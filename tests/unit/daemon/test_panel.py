"""`daemon.panel`: the models' guess is scored, calibrated, and honest about it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.core.status import Source
from chronotick.core.units import NS_PER_S
from chronotick.daemon.panel import Opinion, Panel, PanelSettings, Shown
from unit.oscillators import EPOCH_NS, sample

RATE_PPB = 20_000


def truth_ns(raw_ns: int) -> int:
    """UTC − RAW of a steady clock."""
    return EPOCH_NS + raw_ns * RATE_PPB // NS_PER_S


def shown(
    raw_ns: int,
    rng: random.Random,
    *,
    server: str = "a",
    floor_ns: int = 1_000_000,
    queue_ns: float = 20_000.0,
    lie_ns: int = 0,
) -> Shown:
    """Return an exchange with exponential queues on both legs."""
    there_ns, back_ns = (round(rng.expovariate(1.0 / queue_ns)) for _ in range(2))
    return Shown(
        sample(
            raw_ns,
            truth_ns(raw_ns) + (there_ns - back_ns) // 2 + lie_ns,
            server=server,
            delay_ns=floor_ns + there_ns + back_ns,
        ),
        useful=True,
    )


def taught(count: int, *, settings: PanelSettings | None = None) -> Panel:
    """Return a panel that has seen `count` exchanges, 16 s apart."""
    rng = random.Random(3)
    panel = Panel(settings or PanelSettings())
    for k in range(count):
        panel.observe(shown(k * 16 * NS_PER_S, rng))
    return panel


def asked(panel: Panel, raw_ns: int) -> Opinion:
    """Return the opinion that there must be."""
    opinion = panel.predict(raw_ns)
    assert opinion is not None
    return opinion


def test_nothing_is_said_before_the_first_sample() -> None:
    """Unknown is not a number."""
    assert Panel(PanelSettings()).predict(0) is None


def test_the_first_word_counts_however_long_it_took() -> None:
    """After a sleep: a queue that would be left to others beats no time at all."""
    panel, slow = taught(20), shown(20 * 16 * NS_PER_S, random.Random(1))
    for again in (panel.restart, lambda: panel.relearn([])):
        again()
        panel.observe(slow._replace(useful=False))
        assert asked(panel, slow.sample.raw_ns).estimate.source is Source.NTP
    panel.relearn([slow._replace(useful=False)])
    assert asked(panel, slow.sample.raw_ns).estimate.source is Source.NTP


def test_hold_speaks_first_then_the_short_term_model() -> None:
    """The source says who answered."""
    assert asked(taught(1), 0).estimate.source is Source.NTP
    settled = asked(taught(50), 50 * 16 * NS_PER_S)
    assert settled.estimate.source is Source.CPU_MODEL
    assert settled.estimate.rate_ppb == pytest.approx(RATE_PPB, abs=100)


def test_without_models_hold_speaks_for_ever() -> None:
    """And still earns its factors."""
    panel = taught(50, settings=PanelSettings(short_term=None, long_term=False))
    opinion = asked(panel, 50 * 16 * NS_PER_S)
    assert opinion.estimate.source is Source.NTP
    assert opinion.coverage.factor_99 > 0.0


def test_coverage_is_earned_wide_first() -> None:
    """Zero before anything was checked, then wide, then near the normal quantiles."""
    assert asked(taught(1), 0).coverage.factor_99 == 0.0
    few, many = (asked(taught(n), n * 16 * NS_PER_S).coverage for n in (5, 500))
    assert few.factor_99 > 1.5 * many.factor_99
    assert many.factor_999 > many.factor_99 > 2.5


@pytest.mark.parametrize("seed", range(3))
def test_the_calibrated_interval_holds_the_truth_on_askew_paths(seed: int) -> None:
    """Three servers, each askew by a tenth of its floor at random: it is said."""
    rng = random.Random(seed)
    floors = {"near": 1_000_000, "mid": 3_000_000, "far": 20_000_000}
    askew = {name: round(rng.gauss(0.0, 0.1 * f)) for name, f in floors.items()}
    panel = Panel(PanelSettings())
    missed = 0
    for k in range(600):
        raw_ns = k * 16 * NS_PER_S
        for name, floor_ns in floors.items():
            panel.observe(
                shown(raw_ns, rng, server=name, floor_ns=floor_ns, lie_ns=askew[name])
            )
        opinion = asked(panel, raw_ns + 8 * NS_PER_S)
        error_ns = opinion.estimate.offset_ns - truth_ns(raw_ns + 8 * NS_PER_S)
        half_ns = opinion.coverage.factor_99 * opinion.estimate.variance.v0**0.5
        missed += opinion.coverage.scores > 0 and abs(error_ns) > half_ns
    assert missed <= 6


@pytest.mark.parametrize("seed", range(4))
def test_a_near_server_that_joins_late_is_believed_at_once(seed: int) -> None:
    """Three far ones were askew by 3 ms; what is claimed on its word holds, and lasts."""
    rng = random.Random(seed)
    askew = {name: round(rng.gauss(0.0, 6e6)) for name in ("f1", "f2", "f3")}
    panel = Panel(PanelSettings())
    missed = count = 0
    for k in range(600):
        raw_ns = k * 16 * NS_PER_S
        for name, askew_ns in askew.items():
            panel.observe(
                shown(raw_ns, rng, server=name, floor_ns=60_000_000, lie_ns=askew_ns)
            )
        if k >= 400:
            panel.observe(shown(raw_ns + 1, rng, server="near", lie_ns=100_000))
        opinion = asked(panel, raw_ns + 8 * NS_PER_S)
        error_ns = opinion.estimate.offset_ns - truth_ns(raw_ns + 8 * NS_PER_S)
        half_ns = opinion.coverage.factor_99 * opinion.estimate.variance.v0**0.5
        count += opinion.coverage.scores > 0
        missed += opinion.coverage.scores > 0 and abs(error_ns) > half_ns
        assert not panel.is_lost
    assert missed <= count // 100
    assert half_ns < 500_000


def test_a_clock_that_runs_away_is_noticed() -> None:
    """The rate leaps by 50 ppm: the panel says that it is lost, and comes back."""
    rng = random.Random(5)
    panel = taught(200)
    lost = []
    for k in range(200, 400):
        raw_ns = k * 16 * NS_PER_S
        gone_ns = (k - 199) * 16 * 50_000
        panel.observe(shown(raw_ns, rng, lie_ns=gone_ns))
        lost.append(panel.is_lost)
    assert any(lost[:20])
    assert not any(lost[-50:])


def test_hold_is_not_believed_for_what_a_server_scatters() -> None:
    """One is near and steady, one off by ± 1 ms at random: the near one's word counts."""
    rng = random.Random(6)
    panel = Panel(PanelSettings())
    off_ns = []
    for k in range(900):
        raw_ns = k * 16 * NS_PER_S
        panel.observe(shown(raw_ns, rng, floor_ns=100_000, queue_ns=5_000.0))
        lie_ns = rng.choice((-1_000_000, 1_000_000))
        late_ns = raw_ns + 8 * NS_PER_S
        panel.observe(
            shown(late_ns, rng, server="far", floor_ns=8_000_000, lie_ns=lie_ns)
        )
        estimate = asked(panel, late_ns + 4 * NS_PER_S).estimate
        off_ns.append(abs(estimate.offset_ns - truth_ns(estimate.raw_ns)))
    assert estimate.source is not Source.NTP
    assert max(off_ns[600:]) < 20_000


def test_a_restart_forgets_the_clock_and_keeps_the_audit() -> None:
    """What was claimed before still counts."""
    panel = taught(100)
    checked = panel.audit().calibrated_checks
    panel.restart()
    assert checked > 20
    assert panel.audit().calibrated_checks == checked
    assert panel.predict(0) is None
    assert panel.fed == set()


def test_relearning_forgets_a_liar() -> None:
    """The guess is then what the others alone would have made."""
    rng = random.Random(9)
    panel = Panel(PanelSettings())
    honest = []
    for k in range(60):
        raw_ns = k * 16 * NS_PER_S
        honest.append(shown(raw_ns, rng))
        panel.observe(honest[-1])
        panel.observe(shown(raw_ns + 1, rng, server="liar", lie_ns=900_000))
    panel.relearn(honest)
    assert panel.fed == {"a"}
    estimate = asked(panel, 60 * 16 * NS_PER_S).estimate
    assert abs(estimate.offset_ns - truth_ns(60 * 16 * NS_PER_S)) < 50_000


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**13),
            st.integers(-(10**18), 10**18),
            st.integers(0, 10**11),
            st.sampled_from("abc"),
            st.booleans(),
        ),
        max_size=30,
    ),
    st.sampled_from([None, "bank", "kalman"]),
)
def test_whatever_comes_is_survived_and_finite(
    exchanges: list[tuple[int, int, int, str, bool]], model: str | None
) -> None:
    """Any order, any offset, any delay: no exception, no width of zero or NaN."""
    panel = Panel(PanelSettings(short_term=model))
    for raw_ns, offset_ns, delay_ns, server, useful in exchanges:
        each = sample(raw_ns, offset_ns, server=server, delay_ns=delay_ns)
        panel.observe(Shown(each, useful))
        opinion = panel.predict(raw_ns)
        if opinion is not None:
            half_ns = opinion.coverage.factor_99 * opinion.estimate.variance.v0**0.5
            assert 0.0 <= half_ns < float("inf")
            assert opinion.estimate.variance.v0 > 0.0
