"""Prepare a process for the MCP SDK where it is imported anew for each session.

A client starts its stdio server with each session, and all that it waits for is this
import. Two things in it can wait in turn: what the SDK's packages gather for the
convenience of ``from mcp import ...``, its client and its other server, and the
validators of five hundred messages in three revisions, of which a session needs few.
Nothing is left out: whatever is asked for is made then.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Loader
    from types import ModuleType

__all__ = ["postpone", "prepare"]


def prepare() -> None:
    """Let what follows import the SDK for a third less.

    For processes of our own only: all models of pydantic that are defined from now on
    build their validators when first used.

    Raises:
        ModuleNotFoundError: The SDK is not installed.
    """
    for package in ("mcp", "mcp.server"):
        postpone(package)
    from pydantic import BaseModel  # noqa: PLC0415 - part of the SDK, an extra

    BaseModel.model_config["defer_build"] = True


def postpone(package: str) -> None:
    """Let the body of `package` run when a name is first asked of it.

    ``import a.b.c`` runs the bodies of ``a`` and ``a.b`` first, whatever they gather;
    after this it does not. A package that was imported before is left alone. A parent
    that is to be postponed as well comes first. PEP 810 brings the like to the language.

    Raises:
        ModuleNotFoundError: There is no such package.
    """
    if package in sys.modules:
        return
    spec = find_spec(package)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    module = module_from_spec(spec)
    # A function of this name is asked for what a module lacks (PEP 562).
    module.__dict__["__getattr__"] = partial(_run, module, spec.loader)
    sys.modules[package] = module
    # As the import system does, which never sees this one loaded.
    parent, _, child = package.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)


def _run(module: ModuleType, loader: Loader, name: str) -> object:
    del module.__dict__["__getattr__"]
    loader.exec_module(module)
    return getattr(module, name)
