"""`models.arithmetic`: C and numpy compute the same, from any state and of anything."""

from __future__ import annotations

import copy
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.models.arithmetic import BANK, WHY, InC, InNumpy, fitting
from chronotick.models.filters import FilterBank
from chronotick.models.grid import BankTuning
from chronotick.models.states import ROWS, Measurement, Motion, States

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

needs_c = pytest.mark.skipif(BANK is None, reason=WHY)
TUNING = BankTuning(white_fm=1e4)
"""With more white noise than usual, so that it shows."""
ROUNDING = 1e-13
"""Of a number that others were subtracted from, relative to them."""
times_s = st.floats(min_value=0.0, max_value=1e5)
measurements = st.builds(
    Measurement,
    st.floats(min_value=-1e10, max_value=1e10),
    st.floats(min_value=0.0, max_value=1e9) | st.just(0.0),
    st.floats(min_value=1.0, max_value=1e12),
)
lessons = st.tuples(times_s, measurements)
SURE = Measurement(0.0, 0.0, 1e-9)
"""Nothing is known better than by this."""


def both() -> tuple[States, InNumpy, States, InC]:
    """Return numpy's states and arithmetic, and C's."""
    assert BANK is not None
    ours, theirs = States.first(TUNING), States.first(TUNING)
    for states in (ours, theirs):
        states.pxx[:] = states.base + 1e12
    return ours, InNumpy(ours, TUNING), theirs, InC(BANK, theirs, TUNING)


def predicted(states: States, elapsed_s: float, measurement: Measurement) -> States:
    """Return `states` as they are carried to a measurement, untaught."""
    carried = copy.deepcopy(states)
    Motion(carried, TUNING.white_fm).advance(elapsed_s, measurement, 1.0)
    return carried


def same(found: Vector, expected: Vector, scale: Vector, rel: float = 1e-6) -> None:
    """Assert equality but for rounding of numbers as large as `scale`."""
    assert np.isfinite(found).all()
    assert (np.abs(found - expected) <= rel * np.abs(expected) + scale).all()


@needs_c
@given(st.lists(lessons, min_size=1, max_size=12))
def test_c_teaches_every_filter_what_numpy_does(
    taught: list[tuple[float, Measurement]],
) -> None:
    """States, weights and trust, each time from the same state."""
    ours, in_numpy, theirs, in_c = both()
    for elapsed_s, measurement in taught:
        theirs.matrix[:] = ours.matrix
        before = predicted(ours, elapsed_s, measurement)
        best, least = in_numpy.learn(elapsed_s, measurement)
        best_too, least_too = in_c.learn(elapsed_s, measurement)

        # A belief just above or below what counts as none is the least difference.
        same(theirs.trust, ours.trust, np.full(1, 1e-6))
        assert least_too == pytest.approx(least, abs=1e-6)
        same(theirs.weight, ours.weight, np.full(1, 1e-12))
        assert theirs.weight[best_too] == pytest.approx(ours.weight[best], rel=1e-6)
        reached = np.abs(before.x) + np.abs(before.innovation)
        sd, rate_sd = np.sqrt(ours.pxx), np.sqrt(ours.pyy)
        same(theirs.x, ours.x, ROUNDING * reached + 1e-6 * sd)
        share = np.abs(before.pxy) / before.pxx
        same(theirs.y, ours.y, ROUNDING * share * reached + 1e-6 * rate_sd)
        same(theirs.pxx, ours.pxx, ROUNDING * before.pxx)
        same(theirs.pyy, ours.pyy, ROUNDING * before.pyy)
        crossed = np.sqrt(before.pxx * before.pyy)
        same(theirs.pxy, ours.pxy, ROUNDING * crossed + 1e-6 * sd * rate_sd)


@needs_c
@given(st.lists(lessons, max_size=6), st.floats(min_value=0.0, max_value=1.0))
def test_c_mixes_them_as_numpy_does(
    taught: list[tuple[float, Measurement]], share: float
) -> None:
    """Of whatever filters are heard."""
    ours, in_numpy, theirs, in_c = both()
    for elapsed_s, measurement in taught:
        in_numpy.learn(elapsed_s, measurement)
    theirs.matrix[:] = ours.matrix
    least_heard = share * float(ours.weight.max())
    expected = in_numpy.mix(least_heard)
    found = in_c.mix(least_heard)

    farthest, steepest = float(np.abs(ours.x).max()), float(np.abs(ours.y).max())
    assert found.x == pytest.approx(expected.x, rel=1e-9, abs=1e-12 * farthest)
    assert found.y == pytest.approx(expected.y, rel=1e-9, abs=1e-12 * steepest)
    assert found.pxx == pytest.approx(expected.pxx, rel=1e-9)
    assert found.pyy == pytest.approx(expected.pyy, rel=1e-9)
    crossed = (expected.pxx * expected.pyy) ** 0.5
    assert found.pxy == pytest.approx(expected.pxy, rel=1e-9, abs=1e-9 * crossed)
    assert found.q2 == pytest.approx(expected.q2, rel=1e-9)


@needs_c
@pytest.mark.parametrize("seed", range(3))
def test_they_stay_together(seed: int) -> None:
    """Rounding does not grow: what they say after a thousand measurements is the same."""
    rng = np.random.default_rng(seed)
    banks = [FilterBank(TUNING, InNumpy), FilterBank(TUNING)]
    for bank in banks:
        bank.begin(1e12)
    offset_ns, rate_ppb = 0.0, 5_000.0
    for _ in range(1000):
        elapsed_s = float(rng.choice([4.0, 16.0, 64.0]))
        rate_ppb += float(rng.normal(0.0, 3.0 * elapsed_s**0.5))
        offset_ns += rate_ppb * elapsed_s
        excess_ns = float(rng.exponential(1e5))
        error_ns = float(rng.uniform(-0.5, 0.5)) * excess_ns
        for bank in banks:
            bank.update(elapsed_s, Measurement(offset_ns + error_ns, excess_ns, 1e4))
    expected, found = (bank.mixture() for bank in banks)

    sd, rate_sd = expected.variance.v0**0.5, expected.variance.v2**0.5
    assert found.x == pytest.approx(expected.x, rel=1e-12, abs=1e-6 * sd)
    assert found.y == pytest.approx(expected.y, abs=1e-6 * rate_sd)
    assert found.variance == pytest.approx(expected.variance, rel=1e-6)


@needs_c
def test_no_variance_falls_below_what_is_physical() -> None:
    """However often the same is heard at once: the floor is the same, too."""
    tuning = BankTuning(one_sided_jitter_ns=(1e-6,), jitter_ns=(1e-6,), white_fm=0.0)
    assert BANK is not None
    ours, theirs = States.first(tuning), States.first(tuning)
    arithmetics = InNumpy(ours, tuning), InC(BANK, theirs, tuning)
    for arithmetic in arithmetics:
        for _ in range(50):
            arithmetic.learn(1e-3, SURE)
    assert theirs.pxx.min() == ours.pxx.min() == 1e-6
    for states in (ours, theirs):
        states.pyy[:], states.pxy[:] = 1e-9, 0.0
    for arithmetic in arithmetics:
        arithmetic.learn(0.0, SURE)
    assert theirs.pyy.min() == ours.pyy.min() == 1e-6


@needs_c
def test_of_equals_the_first_is_the_best() -> None:
    """In both, so that both follow the same one: of three grids that are alike."""
    tuning = BankTuning(random_walk_fm=(4.0, 4.0, 4.0))
    sided, normal = len(tuning.one_sided_jitter_ns), 2 * len(tuning.jitter_ns)
    first = {*range(sided), *range(3 * sided, 3 * sided + normal)}
    assert BANK is not None
    for arithmetic in (
        InNumpy(States.first(tuning), tuning),
        InC(BANK, States.first(tuning), tuning),
    ):
        best, _ = arithmetic.learn(16.0, Measurement(0.0, 0.0, 1.0))
        assert best in first


@needs_c
def test_whoever_is_just_loud_enough_is_heard() -> None:
    """A weight that equals the least is one."""
    ours, in_numpy, theirs, in_c = both()
    for states in (ours, theirs):
        states.weight[:] = 0.0
        states.weight[[3, 7]] = 0.25, 0.75
        states.x[[3, 7]] = 100.0, 200.0
    assert in_c.mix(0.25).x == in_numpy.mix(0.25).x == 175.0
    assert in_c.mix(0.26).x == in_numpy.mix(0.26).x == 200.0


@needs_c
@pytest.mark.parametrize("value_ns", [1e200, float("inf")])
def test_what_no_filter_can_have_seen_is_an_error(value_ns: float) -> None:
    """And no number."""
    _, in_numpy, _, in_c = both()
    for arithmetic in (in_numpy, in_c):
        with pytest.raises(ZeroDivisionError), np.errstate(all="ignore"):
            arithmetic.learn(16.0, Measurement(value_ns, 0.0, 1.0))


def test_a_module_of_another_version_is_left_alone() -> None:
    """One that an upgrade has left behind would write into other rows."""
    fits, other = ModuleType("_bank"), ModuleType("_bank")
    fits.ROWS, other.ROWS = ROWS, ROWS + 1  # type: ignore[attr-defined]
    assert fitting(fits, "") == (fits, "")
    for found in (other, ModuleType("_bank")):
        assert fitting(found, "")[0] is None
        assert "another version" in fitting(found, "")[1]
    assert fitting(None, "as it is") == (None, "as it is")


@needs_c
def test_a_copy_is_taught_alone() -> None:
    """The original's matrix isn't the copy's."""
    _, _, theirs, in_c = both()
    before = theirs.matrix.copy()
    copied = copy.deepcopy(in_c)
    copied.learn(16.0, Measurement(5e3, 1e3, 1.0))
    assert (theirs.matrix == before).all()
    assert copied.mix(0.0) != in_c.mix(0.0)


@needs_c
@pytest.mark.parametrize(
    ("buffer", "error"),
    [
        (bytearray(), ValueError),
        (bytearray(15 * 8 - 1), ValueError),
        (bytearray(16 * 8), ValueError),
        (memoryview(bytearray(15 * 8 + 8))[1 : 15 * 8 + 1], ValueError),
        (bytes(15 * 8), TypeError),
        (np.zeros((15, 4))[:, ::2], TypeError),
        (1.0, TypeError),
    ],
    ids=["empty", "short", "16 rows", "askew", "read-only", "strided", "no buffer"],
)
def test_c_touches_nothing_but_a_matrix(buffer: object, error: type[Exception]) -> None:
    """A wrong size would be somebody else's memory."""
    assert isinstance(BANK, ModuleType)
    with pytest.raises(error):
        BANK.learn(buffer, 1.0, 1e-4, 0.99, 1e4, 16.0, 0.0, 0.0, 1.0)
    with pytest.raises(error):
        BANK.mix(buffer, 0.0)
