"""Shared options: durations are read as in the configuration."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from chronotick.cli import cli
from chronotick.cli.options import Duration, Real, Scheduler


def test_a_duration_is_read_with_its_unit() -> None:
    """The same spelling as in the configuration file."""
    assert Duration().convert("250ms", None, None) == 0.25
    assert Duration().convert("3", None, None) == 3.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("100Hz", "'100Hz' is not a number in the range 1<=x<=1000"),
        ("0.5", "0.5 is not in the range 1<=x<=1000"),
        ("nan", "nan is not a finite number"),
    ],
)
def test_a_wrong_number_says_what_is_allowed(text: str, message: str) -> None:
    """And that no unit is asked for."""
    with pytest.raises(click.BadParameter, match=message):
        Real(1, 1000).convert(text, None, None)


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


@pytest.mark.parametrize(
    "address",
    ["tcp://10.0.0.1:8786", "tcp://[::1]:8786", "tcp://head.example:1", "tls://a:2"],
)
def test_a_scheduler_is_left_as_it_was_written(address: str) -> None:
    """Dask reads it; we look at its form alone."""
    assert Scheduler().convert(address, None, None) == address


@pytest.mark.parametrize(
    "address",
    ["foo", "", "foo:8786", "tcp://", "tcp://foo", "tcp://:8786", "tcp://foo:0",
     "tcp://foo:port", "tcp://foo:99999", "http://foo:8786", "tcp://[foo:1"],
)  # fmt: skip
def test_a_scheduler_of_another_form_is_refused(address: str) -> None:
    """The form is named, and the address too."""
    with pytest.raises(click.BadParameter, match=r"expected tcp://HOST:PORT") as found:
        Scheduler().convert(address, None, None)
    assert repr(address) in str(found.value.message)


@pytest.mark.parametrize("verb", ["bench", "eval analyze", "eval run"])
def test_a_wrong_scheduler_is_wrong_usage(verb: str) -> None:
    """Exit status 2, before Dask is asked."""
    result = CliRunner().invoke(cli, [*verb.split(), "--scheduler", "foo"])

    assert result.exit_code == 2
    assert "'--scheduler': 'foo': expected tcp://HOST:PORT" in result.stderr
    assert result.stderr.count("\n") == 1
