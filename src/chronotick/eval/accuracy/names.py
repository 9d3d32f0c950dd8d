"""What recordings are called in tables and figures.

Decides how much of a path is shown. Logs of several machines are all called alike.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["names_of"]


def names_of(paths: Iterable[str]) -> dict[str, str]:
    """Return what to call each of `paths`: as much of its end as no other one has.

    Where another path ends in the whole of it, all of both is shown.
    """
    asked = list(dict.fromkeys(paths))
    found: dict[str, str] = {}
    for path in asked:
        others = [PurePath(other).parts for other in asked if other != path]
        parts = PurePath(path).parts
        ends = (parts[-count:] for count in range(1, len(parts) + 1))
        alone = (end for end in ends if end not in {o[-len(end) :] for o in others})
        end = next(alone, None)
        found[path] = path if end is None else str(PurePath(*end))
    return found
