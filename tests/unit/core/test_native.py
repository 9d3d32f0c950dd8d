"""`core.native`: which C modules run, and the reason that people are told."""

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.util
import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chronotick.core import native
from chronotick.core.native import FOR_OTHERS, SWITCH, are_for_this, load_native

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

MODULES = ["chronotick.shm._hot", "chronotick.models._bank"]
_HEADER = Path(sysconfig.get_path("include")) / "Python.h"
modules = pytest.mark.parametrize("name", MODULES)


@modules
@pytest.mark.parametrize("wanted", ["no", "auto", "yes", ""])
def test_only_no_switches_it_off(name: str, wanted: str) -> None:
    """And the reason says so."""
    found, why = load_native(name, wanted)

    is_built = importlib.util.find_spec(name) is not None
    assert (found is None) == (wanted == "no" or not is_built or not are_for_this())
    if wanted == "no":
        assert why == f"${SWITCH} is no"


@modules
def test_without_a_word_the_environment_decides(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The same for all of them."""
    monkeypatch.setenv(SWITCH, "no")
    assert load_native(name)[0] is None
    monkeypatch.delenv(SWITCH)
    assert load_native(name) == load_native(name, "")


@pytest.mark.parametrize(
    ("of", "fact", "value"),
    [
        (sys, "platform", "darwin"),
        (sys, "byteorder", "big"),
        (sys, "maxsize", 2**31 - 1),
        (sys, "abiflags", "t"),
        (sys, "abiflags", "td"),
        (sys.implementation, "name", "pypy"),
    ],
)
def test_one_that_another_interpreter_left_is_not_touched(
    monkeypatch: pytest.MonkeyPatch, of: object, fact: str, value: object
) -> None:
    """In a source tree all find it; without a GIL its mere import ends the program."""
    monkeypatch.setattr(of, fact, value)
    monkeypatch.setattr(native, "import_module", pytest.fail)

    assert load_native(MODULES[0], "") == (None, FOR_OTHERS)
    assert "C compiler" not in FOR_OTHERS


def test_a_module_that_was_not_built_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is needed to build it."""
    monkeypatch.setattr(native, "are_for_this", lambda: True)
    monkeypatch.setitem(sys.modules, MODULES[0], None)
    found, why = load_native(MODULES[0], "")

    assert found is None
    assert "was not built (install a C compiler" in why


def test_a_module_that_does_not_load_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that it was not made for says why; no error reaches the user."""

    class Refusing(importlib.abc.MetaPathFinder):
        def find_spec(
            self,
            name: str,
            path: Sequence[str] | None,
            target: ModuleType | None = None,
        ) -> None:
            if name == MODULES[0]:
                raise ImportError("module does not support loading in subinterpreters")

    monkeypatch.setattr(native, "are_for_this", lambda: True)
    monkeypatch.delitem(sys.modules, MODULES[0], raising=False)
    monkeypatch.setattr(sys, "meta_path", [Refusing(), *sys.meta_path])
    found, why = load_native(MODULES[0], "")

    assert found is None
    assert "does not load here (module does not support loading in sub" in why


@modules
@pytest.mark.skipif(os.environ.get(SWITCH) == "no", reason="switched off")
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.skipif(not _HEADER.exists(), reason="no headers of Python")
@pytest.mark.skipif(not are_for_this(), reason=FOR_OTHERS)
def test_where_it_can_be_built_it_was(name: str) -> None:
    """A build may fail without a word, and every test of it would be skipped."""
    found, why = load_native(name, "")
    assert found is not None, why


def test_what_was_built_is_what_is_here() -> None:
    """A module that an older source left behind would compute as that did."""
    bank, why = load_native(MODULES[1], "")
    if bank is None:
        pytest.skip(why)
    source = Path(bank.__file__ or "").with_name("_bank.c")
    assert hashlib.sha256(source.read_bytes()).hexdigest()[:12] == bank.SOURCE
