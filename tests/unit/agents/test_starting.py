"""What an import leaves for later comes when it is asked for, and not before."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from chronotick.agents.starting import postpone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STARTED = """
import sys
from chronotick.agents.starting import prepare

prepare()
import chronotick.agents.server
from mcp_types import Tool

print("mcp.client" in sys.modules, "mcp.server.mcpserver" in sys.modules)
print(Tool.__pydantic_complete__)
from mcp import Client
from mcp.server import MCPServer, Server

print(Client.__module__, MCPServer.__module__, Server is chronotick.agents.server.Server)
print(Tool.model_validate({"name": "a", "inputSchema": {"type": "object"}}).name)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package `gathered` with a heavy body, and `gathered.inner` beside `.heavy`."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("gathered", "gathered.inner", "gathered.inner.core", "gathered.heavy"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    inner = tmp_path / "gathered" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "gathered" / "__init__.py").write_text(
        "from .heavy import weight\nfrom .inner.core import answer\n"
    )
    (tmp_path / "gathered" / "heavy.py").write_text("weight = 1_000\n")
    (inner / "__init__.py").write_text("from ..heavy import weight as load\n")
    (inner / "core.py").write_text("answer = 42\n")
    yield "gathered"
    for name in [each for each in sys.modules if each.split(".")[0] == "gathered"]:
        del sys.modules[name]


def test_a_submodule_comes_without_what_its_packages_gather(package: str) -> None:
    """No body runs for an import of something below."""
    postpone(package)
    postpone("gathered.inner")
    core = importlib.import_module("gathered.inner.core")
    assert core.answer == 42
    assert "gathered.heavy" not in sys.modules


def test_what_is_asked_of_a_package_is_there(package: str) -> None:
    """Bodies run late, and bind what they always bind."""
    postpone(package)
    postpone("gathered.inner")
    core = importlib.import_module("gathered.inner.core")
    gathered = importlib.import_module(package)
    assert (gathered.weight, gathered.answer) == (1_000, 42)
    assert gathered.inner.load == 1_000
    assert gathered.inner.core is core
    assert importlib.import_module("gathered.inner.core") is core


def test_what_is_not_there_is_missing_as_always(package: str) -> None:
    """Also when asked again, once the body has run."""
    postpone(package)
    gathered = importlib.import_module(package)
    for _ in range(2):
        with pytest.raises(
            AttributeError, match="'gathered' has no attribute 'nothing'"
        ):
            _ = gathered.nothing


def test_a_package_that_was_imported_is_left_alone(package: str) -> None:
    """Its names are in use already."""
    gathered = importlib.import_module(package)
    postpone(package)
    assert sys.modules[package] is gathered
    assert "__getattr__" not in vars(gathered)


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("absent", ["absent_altogether", "gathered.absent"])
def test_a_package_that_is_not_there_is_named(absent: str) -> None:
    """The hint at the extra is made of the name."""
    with pytest.raises(ModuleNotFoundError) as caught:
        postpone(absent)
    assert caught.value.name == absent


def test_the_server_starts_without_what_it_does_not_need() -> None:
    """What is saved, and that the SDK is whole afterwards."""
    run = subprocess.run(
        [sys.executable, "-c", STARTED], capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines() == [
        "False False",
        "False",
        "mcp.client.client mcp.server.mcpserver.server True",
        "a",
    ]
