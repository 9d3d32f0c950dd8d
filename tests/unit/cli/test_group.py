"""The list of verbs: complete, in step with the verbs, and cheap."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import chronotick.cli
from chronotick.cli import cli, client
from chronotick.cli.group import READER_VERBS, VERBS


@pytest.mark.parametrize("name", list(VERBS))
def test_every_verb_has_the_summary_of_the_list(name: str) -> None:
    """The list is printed without importing verbs, so it must say what they say."""
    command = VERBS[name].load()

    assert command.name == name
    assert command.get_short_help_str(limit=200) == VERBS[name].summary


@pytest.mark.parametrize("name", list(VERBS))
def test_every_option_is_explained(name: str) -> None:
    """`--help` of every verb works and leaves no option without a sentence."""
    command = VERBS[name].load()
    result = CliRunner().invoke(cli, [name, "--help"])

    assert result.exit_code == 0
    assert all(getattr(param, "help", None) for param in command.params)


def test_without_a_verb_the_list_is_shown() -> None:
    """A newcomer who types the name learns what there is, without an error."""
    result = CliRunner().invoke(cli, [])

    assert result.exit_code == 0
    assert all(verb.summary in result.stdout for verb in VERBS.values())


def test_a_mistyped_verb_names_the_nearest() -> None:
    """One line, code 2."""
    result = CliRunner().invoke(cli, ["monitro"], prog_name="chronotick")

    assert result.exit_code == 2
    assert result.stderr == (
        "chronotick: error: there is no command 'monitro', did you mean monitor? "
        "(see `chronotick --help`)\n"
    )


def test_the_client_has_the_reader_verbs_only() -> None:
    """`chronotick-client` cannot start a daemon."""
    assert client.list_commands(None) == list(READER_VERBS)  # type: ignore[arg-type]
    assert CliRunner().invoke(client, ["daemon"]).exit_code == 2


def test_every_file_of_the_room_is_reachable() -> None:
    """No verb is left out of the list."""
    room = Path(chronotick.cli.__file__).parent
    commands = {
        path.stem
        for path in room.glob("*.py")
        if "\ncommand = " in path.read_text() or "def command(" in path.read_text()
    }

    assert commands == {verb.module for verb in VERBS.values()}


def test_listing_the_verbs_imports_none() -> None:
    """Start-up cost: neither terminals nor validators are loaded for a list."""
    code = (
        "import sys; from chronotick.cli import cli; "
        "cli.main(['--help'], standalone_mode=False); "
        "print([m for m in ('rich', 'msgspec', 'yaml', 'anyio') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert out.splitlines()[-1] == "[]"
