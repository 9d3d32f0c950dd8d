"""Options that take a number with a fraction: NaN and infinities are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from chronotick.cli import cli
from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.group import VERBS

if TYPE_CHECKING:
    from collections.abc import Iterator

_WHOLE_OR_WORDS = (
    click.types.BoolParamType,
    click.types.IntParamType,
    click.types.StringParamType,
    click.Choice,
    click.Path,
)


def options(
    command: click.Command, *path: str
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the words and the flag of each option below `command` that may be a float."""
    if isinstance(command, click.Group):
        for name, verb in command.commands.items():
            yield from options(verb, *path, name)
    for param in command.params:
        if isinstance(param, click.Option) and not isinstance(
            param.type, _WHOLE_OR_WORDS
        ):
            yield path, param.opts[0]


FLOATS = [found for name, verb in VERBS.items() for found in options(verb.load(), name)]


def test_the_walk_finds_them() -> None:
    """Ranges, durations and lists of them, of verbs and of verbs below verbs."""
    found = {(*words, flag) for words, flag in FLOATS}

    assert found >= {
        ("simulate", "--hours"),
        ("bench", "--horizons"),
        ("daemon", "--freq"),
        ("demo", "--for"),
        ("eval", "analyze", "--level"),
        ("eval", "analyze", "--window"),
    }


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    ("words", "flag"), FLOATS, ids=[" ".join([*words, flag]) for words, flag in FLOATS]
)
def test_what_is_not_finite_is_refused(
    words: tuple[str, ...], flag: str, value: str
) -> None:
    """One line that names the option, before anything else is looked at."""
    result = CliRunner().invoke(cli, [*words, f"{flag}={value}"])

    assert result.exit_code == ExitCode.USAGE
    assert f"'{flag}'" in result.stderr
    assert result.stderr.count("\n") == 1
