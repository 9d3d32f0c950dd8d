"""`setup.py`: where the C modules are built, and where that is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chronotick.core.native import FOR_OTHERS, SWITCH, are_for_this

ROOT = Path(__file__).parents[2]
# An interpreter that the modules are not for; after setuptools, which is for this one.
_ELSEWHERE = "sys.byteorder = 'big'"


def setup(wanted: str, where: str = "") -> subprocess.CompletedProcess[str]:
    """Have `setup.py` say what it would build; nothing is written."""
    pytest.importorskip("setuptools")
    code = (
        "import runpy, sys, setuptools\n"
        "def told(**said): print(*(one.name for one in said['ext_modules']))\n"
        "setuptools.setup = told\n"
        f"{where}\n"
        "runpy.run_path('setup.py')"
    )
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        env=os.environ | {SWITCH: wanted},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("wanted", ["auto", "yes"])
@pytest.mark.skipif(not are_for_this(), reason=FOR_OTHERS)
def test_they_are_built_where_they_are_loaded(wanted: str) -> None:
    """Setup asks what the package asks."""
    assert "chronotick.models._bank" in setup(wanted).stdout


@pytest.mark.parametrize(("wanted", "where"), [("no", ""), ("auto", _ELSEWHERE)])
def test_without_them_it_installs_all_the_same(wanted: str, where: str) -> None:
    """Python stands in."""
    done = setup(wanted, where)

    assert done.returncode == 0, done.stderr
    assert not done.stdout.strip()


def test_what_is_insisted_on_and_cannot_be_is_an_error() -> None:
    """Yes means yes: an installation without them would pass for what was asked."""
    done = setup("yes", _ELSEWHERE)

    assert done.returncode == 1
    assert done.stderr == f"${SWITCH} is yes, but {FOR_OTHERS}\n"
