"""Where weights come from, and where they run.

Decides nothing about a model: a directory is used as it is, anything else is a hub's
repository, at a revision if one is named.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["Place", "pick_device", "place"]


class Place(NamedTuple):
    """A directory, or a repository at a revision."""

    where: str
    revision: str | None


def place(weights: str | None, usual: str) -> Place:
    """Return where `weights` are; `usual` is the repository used if none are named.

    Raises:
        ValueError: A path was written, and there is no such directory.
    """
    named = weights or usual
    if Path(named).expanduser().is_dir():
        return Place(str(Path(named).expanduser()), None)
    if named.startswith(("/", ".", "~")):
        raise ValueError(f"{named} is no directory")
    where, _, revision = named.partition("@")
    return Place(where, revision or None)


def pick_device(device: str) -> str:
    """Return ``cpu`` or ``cuda`` for ``cpu``, ``cuda`` or ``auto``.

    Raises:
        ValueError: Another word, or cuda where there is none.
    """
    import torch  # noqa: PLC0415 - a second of imports, only where a model is loaded

    if device not in {"auto", "cpu", "cuda"}:
        raise ValueError(f"device {device!r}: cpu, cuda or auto")
    there = bool(torch.cuda.is_available())
    if device == "cuda" and not there:
        raise ValueError("device cuda: this machine shows none")
    return "cuda" if there and device != "cpu" else "cpu"
