"""What numbers are made with: versions, and a digest of our own code.

Decides which numbers may stand side by side. A version alone does not tell: in a checkout
the code changes under it.
"""

from __future__ import annotations

import hashlib
import platform
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import chrono_daemon
import chronotick
from chronotick.core.version import installed_version
from chronotick.models.arithmetic import ARITHMETIC

__all__ = ["made_with", "versions"]

# What decides numbers: code, and weights that were trained.
_KINDS = {".py", ".npz"}


@lru_cache(maxsize=1)
def made_with() -> str:
    """Say what this process computes with, the same on every machine that has the same.

    Of Python the minor version: a patch changes no number.
    """
    python = ".".join(platform.python_version_tuple()[:2])
    return (
        f"chronotick {installed_version()} (code {_digest()[:12]}, filters in "
        f"{ARITHMETIC}), numpy {version('numpy')}, Python {python}"
    )


def versions() -> dict[str, str]:
    """Return what a report says of it."""
    return {
        "chronotick": installed_version(),
        "filters": ARITHMETIC,
        "numpy": version("numpy"),
        "python": platform.python_version(),
    }


def _digest() -> str:
    found = hashlib.sha256()
    for package in (chronotick, chrono_daemon):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*"), key=lambda path: path.parts):
            if path.suffix in _KINDS:
                found.update(path.relative_to(root).as_posix().encode() + b"\0")
                found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()
