"""How this program is called here: what a person can type to run it again."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

__all__ = ["program"]

_NAME = "chronotick"


def program() -> str:
    """Return `chronotick` where the shell finds it, else the path of what runs."""
    if shutil.which(_NAME):
        return _NAME
    script = Path(sys.argv[0])
    if script.name == "__main__.py":
        return f"{_typed(Path(sys.executable))} -m {_NAME}"
    return _typed(script)


def _typed(file: Path) -> str:
    """Return the path of `file` as a shell takes it, short below the working folder."""
    # Not resolved: the interpreter of a virtual environment is a link out of it.
    whole, here = file.absolute(), Path.cwd()
    short = str(whole.relative_to(here) if whole.is_relative_to(here) else whole)
    return shlex.quote(short if "/" in short else f"./{short}")
