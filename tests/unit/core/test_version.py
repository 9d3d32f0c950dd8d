"""`core.version`: what is told of a source tree that nobody installed."""

from __future__ import annotations

from importlib import metadata
from typing import NoReturn

import pytest
from click.testing import CliRunner

import chronotick
from chronotick.cli import checks, cli
from chronotick.cli.checks import Verdict
from chronotick.core.errors import NotInstalled
from chronotick.core.version import installed_version
from chronotick.eval.accuracy.made_with import versions

WORDS = "chronotick is not installed: `pip install -e .` in its folder"


@pytest.fixture
def _no_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a Python that has the modules on its path, and nothing more."""

    def missing(name: str) -> NoReturn:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    # Kept where somebody has asked before.
    monkeypatch.delitem(vars(chronotick), "__version__", raising=False)


def test_an_installation_has_a_version() -> None:
    """The one that its installer knows."""
    assert installed_version() == metadata.version("chronotick")


@pytest.mark.usefixtures("_no_metadata")
def test_a_tree_without_one_says_what_to_do() -> None:
    """Nothing that asks takes it for a package that is missing."""
    for ask in (installed_version, versions, lambda: chronotick.__version__):
        with pytest.raises(NotInstalled, match="not installed: `pip install -e"):
            ask()


@pytest.mark.usefixtures("_no_metadata")
def test_its_doctor_and_its_version_flag_say_so_in_a_line() -> None:
    """No traceback."""
    check = checks.check_python()
    told = CliRunner().invoke(cli, ["--version"])

    assert check.verdict is Verdict.FAIL
    assert WORDS in check.detail
    assert (told.exit_code, told.stderr) == (1, f"chronotick: error: {WORDS}\n")
