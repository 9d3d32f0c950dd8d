"""Shared options: durations are read as in the configuration."""

from __future__ import annotations

import click
import pytest

from chronotick.cli.options import Duration


def test_a_duration_is_read_with_its_unit() -> None:
    """The same spelling as in the configuration file."""
    assert Duration().convert("250ms", None, None) == 0.25
    assert Duration().convert("3", None, None) == 3.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fast", "'fast' is not a duration"),
        ("3 parsec", "unknown unit 'parsec'"),
        ("10ms", "10ms is not from 100ms to 1h"),
        ("2h", "2h is not from 100ms to 1h"),
        ("-1s", "-1s is not from 100ms to 1h"),
    ],
)
def test_a_wrong_duration_says_what_is_allowed(text: str, message: str) -> None:
    """The limits are shown the way they would be typed."""
    with pytest.raises(click.BadParameter, match=message):
        Duration(0.1, 3600.0).convert(text, None, None)
