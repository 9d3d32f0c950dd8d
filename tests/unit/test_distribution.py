"""What the distribution promises of itself: dependencies, size, surface."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import chrono_daemon
import chronotick
from chronotick.backends.registry import LOADERS

if TYPE_CHECKING:
    from types import ModuleType

    from chronotick.backends.registry import Loader

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"


def modules() -> list[str]:
    """Return every module of both packages."""
    return [
        info.name
        for package in (chronotick, chrono_daemon)
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not info.name.endswith("__main__")
    ]


def test_the_unrelated_project_is_never_a_dependency() -> None:
    """`chrono-daemon` on PyPI owns the same import name; we never ask for it."""
    asked = [
        line.split(";")[0].strip().lower() for line in requires("chronotick") or ()
    ]
    assert asked
    assert not [line for line in asked if line.startswith(("chrono-daemon", "chrono_"))]


def test_importing_the_reader_costs_the_standard_library_only() -> None:
    """No third-party module is loaded by `import chronotick` and a first read."""
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import chronotick\n"
        "try: chronotick.now()\n"
        "except chronotick.ChronotickError: pass\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(new - set(sys.stdlib_module_names)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["chronotick"]


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: p.stem)
def test_no_module_is_too_long_to_read(path: Path) -> None:
    """500 lines at most; most are below 270."""
    assert len(path.read_text().splitlines()) <= 500


def test_half_of_the_modules_are_short() -> None:
    """The median module is at most 200 lines."""
    lengths = sorted(len(p.read_text().splitlines()) for p in SOURCE.rglob("*.py"))
    assert lengths[len(lengths) // 2] <= 200


@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)
def test_every_backend_offers_its_loader(loader: Loader) -> None:
    """Read, not imported: each needs a library that is an extra."""
    source = SOURCE / f"{loader.module.replace('.', '/')}.py"
    assert re.search(
        r'^__all__ = \["\w+Backend", "load"\]$', source.read_text(), re.MULTILINE
    )


@pytest.mark.parametrize(
    "name", sorted(set(modules()) - {loader.module for loader in LOADERS.values()})
)
def test_every_public_module_says_what_it_offers(name: str) -> None:
    """`__all__` exists, holds no repeats, and every name in it is there."""
    module: ModuleType = importlib.import_module(name)
    assert module.__doc__
    if name.rpartition(".")[2].startswith("_"):
        return
    offered = list(getattr(module, "__all__", ()))
    assert len(offered) == len(set(offered))
    assert not [missing for missing in offered if not hasattr(module, missing)]
    if not hasattr(module, "__path__"):
        assert offered, f"{name} has no __all__"
