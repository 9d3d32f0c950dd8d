"""`models.jump`: spikes are withheld, jumps are recognized, nobody is locked out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.units import NS_PER_S
from chronotick.models.jump import JumpWatch, Verdict

SD_NS = 1000.0
ALLOWED_NS = 50_000.0


def judge(watch: JumpWatch, at_s: float, innovation_ns: float) -> Verdict:
    """Judge one innovation on a path of ordinary noise."""
    return watch.judge(round(at_s * NS_PER_S), innovation_ns, ALLOWED_NS, SD_NS)


@given(st.lists(st.floats(min_value=-55_000.0, max_value=55_000.0), max_size=30))
def test_what_queues_explain_is_used(innovations: list[float]) -> None:
    """Anything within the allowance and five deviations is never suspect."""
    watch = JumpWatch()
    verdicts = [judge(watch, k, value) for k, value in enumerate(innovations)]
    assert set(verdicts) <= {Verdict.USE}


def test_a_lone_spike_is_withheld() -> None:
    """One outlier between good measurements is neither used nor called a jump."""
    watch = JumpWatch()
    assert judge(watch, 0, 0.0) is Verdict.USE
    assert judge(watch, 4, 6e8) is Verdict.WITHHOLD
    assert judge(watch, 8, 0.0) is Verdict.USE


def test_three_in_a_row_are_a_jump() -> None:
    """Fast polls: the third measurement that agrees settles it."""
    watch = JumpWatch()
    verdicts = [judge(watch, 4 * k, 2e7) for k in range(3)]
    assert verdicts == [Verdict.WITHHOLD, Verdict.WITHHOLD, Verdict.JUMP]


def test_two_a_minute_apart_are_a_jump() -> None:
    """Slow polls: the second settles it, also when a rate change doubled the error."""
    watch = JumpWatch()
    assert judge(watch, 0, 2.5e6) is Verdict.WITHHOLD
    assert judge(watch, 1024, 7.5e6) is Verdict.JUMP


def test_spikes_to_both_sides_are_no_jump() -> None:
    """Opposite signs never agree; after a few, withholding ends."""
    watch = JumpWatch()
    verdicts = [judge(watch, 1024 * k, (-1) ** k * 1e8) for k in range(8)]
    assert Verdict.JUMP not in verdicts
    assert verdicts[:3] == [Verdict.WITHHOLD] * 3
    assert set(verdicts[3:]) == {Verdict.USE}


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=40))
def test_withholding_ends(innovations: list[float]) -> None:
    """No input keeps more than three measurements in a row from being used."""
    watch = JumpWatch()
    withheld = 0
    for k, innovation_ns in enumerate(innovations):
        verdict = judge(watch, 64 * k, innovation_ns)
        withheld = withheld + 1 if verdict is Verdict.WITHHOLD else 0
        assert withheld <= 3


def test_who_cannot_tell_clears_nobody() -> None:
    """A far one's queue admits both; polled in turn, the near one's word must count."""
    watch = JumpWatch()
    assert judge(watch, 0, 2e6) is Verdict.WITHHOLD
    assert watch.judge(30 * NS_PER_S, 1.5e6, 6e6, SD_NS) is Verdict.USE
    assert watch.suspected_ns == 2e6
    assert judge(watch, 64, 2e6) is Verdict.JUMP


def test_who_can_tell_clears_the_suspect() -> None:
    """What the other measures is where it should be, and not where the suspect was."""
    watch = JumpWatch()
    for k in range(8):
        assert judge(watch, 64 * k, 2e6) is Verdict.WITHHOLD
        assert watch.suspected_ns == 2e6
        assert judge(watch, 64 * k + 30, 1e4) is Verdict.USE
        assert watch.suspected_ns == 0.0


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=40),
    st.integers(min_value=1, max_value=3),
)
def test_withholding_ends_in_any_company(innovations: list[float], others: int) -> None:
    """Nor do those that can't tell, in between, keep more than three from being used."""
    watch = JumpWatch()
    withheld = 0
    for k, innovation_ns in enumerate(innovations):
        verdict = judge(watch, 64 * k, innovation_ns)
        withheld = withheld + 1 if verdict is Verdict.WITHHOLD else 0
        assert withheld <= 3
        for i in range(others):
            raw_ns = (64 * k + 10 * (i + 1)) * NS_PER_S
            assert watch.judge(raw_ns, 0.0, float("inf"), SD_NS) is Verdict.USE


def test_a_jump_is_as_old_as_its_first_suspect() -> None:
    """Whoever agrees with both in between neither clears it nor makes it younger."""
    watch = JumpWatch()
    judge(watch, 0, 0.0)
    assert judge(watch, 1000, 2e6) is Verdict.WITHHOLD
    # Queued for so long that it may be either.
    at_ns = 1800 * NS_PER_S
    assert watch.judge(at_ns, 1e6, 3e6, SD_NS) is Verdict.USE
    assert judge(watch, 2000, 2e6) is Verdict.JUMP
    assert watch.since_ns == 1000 * NS_PER_S
    assert judge(watch, 3000, 2e6) is Verdict.WITHHOLD
    assert watch.since_ns == 3000 * NS_PER_S
