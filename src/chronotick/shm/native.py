"""Which reader runs: the C module where it was built and loads, else pure Python.

Decides that once, at import, and says why. Nothing else changes with it: one battery of
tests holds both to the same answers.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chronotick.core.native import load_native
from chronotick.core.reading import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

__all__ = ["HOT", "WHY", "load"]

_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_OF_A_TUPLE = (
    "__add__", "__contains__", "__getitem__", "__getnewargs__", "__hash__", "__iter__",
    "__len__", "__mul__", "__repr__", "__rmul__", "_asdict", "_replace", "count",
    "index",
)  # fmt: skip


def load(wanted: str | None = None) -> tuple[ModuleType | None, str]:
    """Return the C module, or None, and a clause that says why.

    Args:
        wanted: As `chronotick.core.native.load_native` takes it.
    """
    hot, why = load_native("chronotick.shm._hot", wanted)
    if hot is None:
        return None, f"pure Python: {why}"
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

    def add_to(self: object, other: object) -> object:
        return other + core(self)  # type: ignore[operator]

    for name in _OF_A_TUPLE:
        setattr(native, name, delegate(name))
    native.__radd__ = add_to
    # So that `case (earliest_ns, latest_ns, *_)` matches: the stable interface has no
    # other way to say so.
    Sequence.register(native)
    for name in _COMPARISONS:
        setattr(native, f"__{name}__", compare(getattr(operator, name)))
    native._fields = Interval._fields
    setattr(native, "__reduce__", reduce)  # noqa: B010


HOT, WHY = load()
