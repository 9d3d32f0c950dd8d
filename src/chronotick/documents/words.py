"""Words for types and values: ``a duration from 50ms to 36h``, ``'fast'``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import inspect

if TYPE_CHECKING:
    from chronotick.documents.quantities import Unit

__all__ = ["allowed_by", "show"]

_LONGEST_VALUE = 40
_SIMPLE: dict[type[inspect.Type], str] = {
    inspect.BoolType: "true or false",
    inspect.NoneType: "null",
}


def allowed_by(info: inspect.Type, unit: Unit | None) -> str:
    """Return what a type admits, as a phrase.

    Raises:
        AssertionError: a schema holds a type that has no words yet.
    """
    match info:
        case inspect.Metadata():
            words = allowed_by(info.type, unit)
        case inspect.FloatType(ge=low, le=high) if unit is not None:
            words = f"a {unit.noun} from {_bound(low, unit)} to {_bound(high, unit)}"
        case inspect.FloatType():
            words = f"a number{_range(info)}"
        case inspect.IntType():
            words = f"a whole number{_range(info)}"
        case inspect.LiteralType(values=values):
            words = "one of " + ", ".join(map(str, values))
        case inspect.StrType(pattern=pattern):
            words = f"a text of the form {pattern}" if pattern else "a text"
        case inspect.VarTupleType(item_type=item):
            words = f"a list, each {allowed_by(item, unit)}"
        case inspect.UnionType(types=types):
            words = " or ".join(sorted((allowed_by(t, unit) for t in types), key=len))
        case _ if type(info) in _SIMPLE:
            words = _SIMPLE[type(info)]
        case _:
            raise AssertionError(f"the schema holds a type without words: {info}")
    return words


def _range(info: inspect.IntType | inspect.FloatType) -> str:
    if info.ge is not None and info.le is not None:
        return f" from {_plain(info.ge)} to {_plain(info.le)}"
    ends = (("above", info.gt), ("of at least", info.ge), ("of at most", info.le))
    parts = [f"{words} {_plain(end)}" for words, end in ends if end is not None]
    return f" {' and '.join(parts)}" if parts else ""


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _bound(value: float | None, unit: Unit) -> str:
    return unit.format(value) if value is not None else "any"


def show(value: object, unit: Unit | None = None) -> str:
    """Return `value` as the file would show it, cut to a length that fits a line."""
    if value is None:
        return "nothing"
    if isinstance(value, float) and math.isnan(value):
        return "not a number"
    if isinstance(value, float) and unit is not None and math.isfinite(value):
        return unit.format(value)
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."
