"""What recordings are called in a report."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.eval.accuracy.names import names_of


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/var/log/chrony/measurements.log"], ["measurements.log"]),
        (["one/m.log", "two/m.log", "two/x.log"], ["one/m.log", "two/m.log", "x.log"]),
        (["a/log/m", "b/log/m"], ["a/log/m", "b/log/m"]),
        (["m", "/x/m"], ["m", "x/m"]),
        (["/m", "m"], ["/m", "m"]),
        (["lan, seed 1"], ["lan, seed 1"]),
    ],
)
def test_a_name_is_as_much_of_the_path_as_tells_it_apart(
    paths: list[str], names: list[str]
) -> None:
    """From its end: most logs are called as their program calls them."""
    assert names_of(paths) == dict(zip(paths, names, strict=True))


@given(st.lists(st.text("a/.", min_size=1), unique=True))
def test_no_two_have_the_same_name(paths: list[str]) -> None:
    """Whatever is written."""
    assert len(set(names_of(paths).values())) == len(paths)
