"""Which reader runs: the C module where it was built and loads, else pure Python.

Decides that once, at import, and says why. Nothing else changes with it: one battery of
tests holds both to the same answers.
"""

from __future__ import annotations

import operator
import os
from typing import TYPE_CHECKING, Any

from chronotick.core.reading import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

__all__ = ["HOT", "SWITCH", "WHY", "load"]

SWITCH = "CHRONOTICK_NATIVE"
"""Environment variable: ``no`` switches the C module off."""

_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_OF_A_TUPLE = (
    "__add__", "__contains__", "__getitem__", "__getnewargs__", "__hash__", "__iter__",
    "__len__", "__mul__", "__repr__", "__rmul__", "_asdict", "_replace", "count",
    "index",
)  # fmt: skip


def load(wanted: str) -> tuple[ModuleType | None, str]:
    """Return the C module, or None, and a clause that says why.

    Args:
        wanted: ``no`` for pure Python whatever was built; anything else for C where
            it can be had.
    """
    if wanted == "no":
        return None, f"pure Python: ${SWITCH} is no"
    try:
        import chronotick.shm._hot as hot  # noqa: PLC0415 - absent where not built
    except ModuleNotFoundError:
        return None, (
            "pure Python: the C module was not built (a C compiler is needed when "
            "chronotick is installed)"
        )
    except ImportError as exc:
        # An interpreter that it was not made for, or one with a GIL of its own.
        return None, f"pure Python: the C module does not load here ({exc})"
    _complete(hot.Interval)
    return hot, "C module"


def _complete(native: type[Any]) -> None:
    """Teach the C reader's intervals what tuples of the same fields can do.

    They hold two numbers as objects and make the rest when asked, which is what lets
    `interval()` cost two readings of the clock; a real tuple costs four.
    """

    def core(value: object) -> object:
        if type(value) is not native:
            return value
        return Interval(*(getattr(value, name) for name in Interval._fields))

    def delegate(name: str) -> Callable[..., object]:
        return lambda self, *args, **named: getattr(core(self), name)(*args, **named)

    def compare(how: Callable[..., object]) -> Callable[..., object]:
        return lambda self, other: how(core(self), core(other))

    def reduce(self: Iterable[object]) -> tuple[object, ...]:
        return Interval, tuple(self)

    for name in _OF_A_TUPLE:
        setattr(native, name, delegate(name))
    for name in _COMPARISONS:
        setattr(native, f"__{name}__", compare(getattr(operator, name)))
    native._fields = Interval._fields
    setattr(native, "__reduce__", reduce)  # noqa: B010


HOT, WHY = load(os.environ.get(SWITCH, ""))
