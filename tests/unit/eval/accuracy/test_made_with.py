"""`eval.accuracy.made_with`: whatever decides a number's last digit is named."""

from __future__ import annotations

import pytest

from chronotick.eval.accuracy import made_with
from chronotick.models.arithmetic import ARITHMETIC


@pytest.mark.parametrize("arithmetic", ["C", "numpy"])
def test_what_filters_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, arithmetic: str
) -> None:
    """C and numpy round otherwise, so their cells don't stand side by side."""
    monkeypatch.setattr(made_with, "ARITHMETIC", arithmetic)
    made_with.made_with.cache_clear()
    try:
        assert f"filters in {arithmetic})" in made_with.made_with()
        assert made_with.versions()["filters"] == arithmetic
    finally:
        made_with.made_with.cache_clear()


def test_it_is_that_of_this_process() -> None:
    """Nobody says so by hand."""
    assert made_with.versions()["filters"] == ARITHMETIC
