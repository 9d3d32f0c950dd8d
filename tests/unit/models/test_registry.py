"""`models.registry`: names make models; a wrong one lists the right ones."""

from __future__ import annotations

import pytest

from chronotick.models.registry import SHORT_TERM, short_term
from unit.oscillators import EPOCH_NS, sample


@pytest.mark.parametrize("name", list(SHORT_TERM))
def test_each_makes_a_model_that_learns(name: str) -> None:
    """Silent before the first sample, and on the measurement after a few equal ones."""
    model = short_term(name).make()
    assert model.predict(0) is None
    for k in range(5):
        model.observe(sample(k * 10**9, EPOCH_NS))
    estimate = model.predict(5 * 10**9)
    assert estimate is not None
    assert estimate.offset_ns == pytest.approx(EPOCH_NS, abs=1000)
    assert model.bias_ns("a") == 0.0


def test_an_unknown_name_lists_the_known() -> None:
    """The message is what a person needs."""
    with pytest.raises(KeyError, match="bank, kalman"):
        short_term("chronyd")
