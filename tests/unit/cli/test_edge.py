"""How a command ends: one line, no traceback, the documented code."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from chronotick.cli import cli
from chronotick.cli.edge import Verb
from chronotick.cli.exit_codes import MEANINGS, ExitCode, exit_code_for
from chronotick.core import errors

if TYPE_CHECKING:
    from collections.abc import Callable


def run(body: Callable[[], object], *words: str) -> tuple[int, str, str]:
    """Run a command whose body is `body`; return code, stdout, stderr."""
    command = Verb("verb", callback=body, params=[click.Option(["--n"], type=int)])
    command.callback = lambda n: body()
    result = CliRunner().invoke(command, list(words))
    return result.exit_code, result.stdout, result.stderr


def failing(error: BaseException) -> Callable[[], object]:
    """Return a body that raises `error`."""

    def body() -> None:
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("a.yaml:1: wrong"), ExitCode.USAGE),
        (errors.AddressError("':' names no server"), ExitCode.USAGE),
        (errors.NoDaemon("/x"), ExitCode.NO_DAEMON),
        (errors.NotSynchronized("/x", "why"), ExitCode.NO_TIME),
        (errors.StaleCorrection("/x", 1.0), ExitCode.NO_TIME),
        (errors.ClockDisrupted("/x", "it slept"), ExitCode.NO_TIME),
        (errors.SegmentVersionMismatch("/x", 2, 1), ExitCode.FAILURE),
        (errors.SegmentLocked("/x", 77), ExitCode.FAILURE),
    ],
)
def test_expected_errors_are_one_line(
    error: errors.ChronotickError, code: ExitCode
) -> None:
    """The message of the error, under the program's name, and nothing else."""
    assert run(failing(error)) == (code, "", f"chronotick: error: {error}\n")


def test_every_error_has_a_code() -> None:
    """A new error is mapped by its place in the tree; none falls through."""
    kinds = [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.ChronotickError)
    ]

    assert len(kinds) > 15
    for kind in kinds:
        code = exit_code_for(kind.__new__(kind))
        assert code in MEANINGS
        assert code is not ExitCode.OK


def test_every_code_has_a_meaning() -> None:
    """The reference table is complete."""
    assert set(MEANINGS) == set(ExitCode)


def test_ctrl_c_is_quiet() -> None:
    """Whoever interrupts knows that they did."""
    assert run(failing(KeyboardInterrupt())) == (ExitCode.INTERRUPTED, "", "")


def test_errors_of_the_operating_system_are_one_line() -> None:
    """A full disk is weather, not a bug."""
    code, _, stderr = run(failing(OSError(28, "No space left on device")))

    assert code == ExitCode.FAILURE
    assert stderr == "chronotick: error: [Errno 28] No space left on device\n"


def test_wrong_usage_points_to_the_help() -> None:
    """One line, with the command whose help explains it."""
    code, stdout, stderr = run(int, "--n", "many")

    assert (code, stdout) == (ExitCode.USAGE, "")
    assert stderr.startswith("chronotick: error: invalid value for '--n'")
    assert stderr.endswith("(see `verb --help`)\n")
    assert stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "path"),
    [
        ("daemon --server", "chronotick daemon"),
        ("read --segment", "chronotick read"),
        ("eval run --nodes", "chronotick eval run"),
    ],
)
def test_a_missing_value_points_to_the_help_of_the_verb(words: str, path: str) -> None:
    """The parser knows no context, so click would name the program alone."""
    result = CliRunner().invoke(cli, words.split(), prog_name="chronotick")

    assert result.exit_code == ExitCode.USAGE
    assert result.stderr.endswith(f"requires an argument (see `{path} --help`)\n")


def test_a_bug_keeps_its_traceback() -> None:
    """What nobody expected must stay visible."""
    command = Verb("verb", callback=failing(ZeroDivisionError()))
    result = CliRunner().invoke(command, [])

    assert isinstance(result.exception, ZeroDivisionError)


@pytest.mark.parametrize(("value", "code"), [(None, 0), (3, 3), (ExitCode.TIMEOUT, 4)])
def test_a_body_may_return_its_code(value: object, code: int) -> None:
    """Outcomes that are no errors, such as a time-out, are returned."""
    assert run(lambda: value)[0] == code


def test_a_group_alone_shows_its_help(capfd: pytest.CaptureFixture[str]) -> None:
    """As it is, not squeezed into the one line of an error."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["eval"], prog_name="chronotick")
    said = capfd.readouterr().err
    assert caught.value.code == ExitCode.USAGE
    assert said.startswith("Usage: chronotick eval")
    assert "\n  analyze " in said
