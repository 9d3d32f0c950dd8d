"""What is known of a run besides its events: seed, versions, hosts; `run.json`.

A JSON object of texts that the report repeats, written by whatever ran the nodes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from chronotick.core.errors import ChronotickError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["ABOUT_FILE", "UnreadableAbout", "read_about", "write_about"]

ABOUT_FILE = "run.json"
"""In the folder of the recordings; it need not be there."""


class UnreadableAbout(ChronotickError):
    """The file is there and is no JSON object that can be read."""


def read_about(folder: Path) -> dict[str, str]:
    """Return what `folder` tells of its run; nothing where there is no such file.

    Raises:
        UnreadableAbout: it is damaged.
    """
    path = folder / ABOUT_FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise UnreadableAbout(f"{path} is not a JSON object: it is {_kind(found)}")
        return {str(key): str(value) for key, value in found.items()}
    except FileNotFoundError:
        return {}
    except RecursionError as error:
        raise UnreadableAbout(f"{path} is nested too deeply to be read") from error
    except ValueError as error:
        raise UnreadableAbout(f"{path} is not a JSON object: {error}") from error


def _kind(found: object) -> str:
    """Return what a JSON value that is no object is."""
    kinds = {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return kinds.get(type(found), "a number")


def write_about(folder: Path, about: Mapping[str, str]) -> None:
    """Write `about` for whoever judges the folder."""
    text = json.dumps(dict(about), indent=1, ensure_ascii=False) + "\n"
    (folder / ABOUT_FILE).write_text(text, encoding="utf-8")
