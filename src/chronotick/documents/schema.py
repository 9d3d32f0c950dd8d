"""Values into the Structs of a schema; what does not fit is explained.

Decides how each mistake is put: what is allowed, what was found, the nearest key. Which
keys exist is the schema's business; nothing here names one.
"""

from __future__ import annotations

import difflib
import math
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import msgspec
from msgspec import inspect

from chronotick.documents.quantities import UNITS, Unit
from chronotick.documents.text import Blame, Place, spell
from chronotick.documents.words import allowed_by, show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["allowed", "build"]

_S = TypeVar("_S", bound=msgspec.Struct)
_LONGEST_NUMBER = 20


def build(schema: type[_S], value: object) -> _S:
    """Return `value` as the Struct `schema`.

    Raises:
        Blame: an unknown key, one that is missing, a value out of range.
        ConfigError: the schema's own, where keys contradict each other.
    """
    return _Builder(schema).struct(schema, value, ())


def allowed(kind: Any) -> str:  # noqa: ANN401
    """Return what the annotation `kind` admits, as a phrase: ``a duration from …``."""
    info = inspect.type_info(kind)
    return allowed_by(info, _unit(info))


class _Builder:
    def __init__(self, schema: type[msgspec.Struct]) -> None:
        self._schema = schema

    def struct(self, section: type[_S], value: object, place: Place) -> _S:
        if value is None:
            value = {}  # A section whose keys are all commented out.
        if not isinstance(value, dict):
            raise Blame(place, f"must be a mapping of keys; got {show(value)}")
        fields = {f.encode_name: f for f in msgspec.structs.fields(section)}
        for key in value:
            if key not in fields:
                raise Blame((*place, str(key)), self._unknown(str(key), fields))
        for name, field in fields.items():
            if field.required and name not in value:
                raise Blame(place, f"lacks `{name}`")
        return section(
            **{
                fields[key].name: self._value(fields[key].type, item, (*place, key))
                for key, item in value.items()
            }
        )

    def _value(self, kind: Any, value: object, place: Place) -> object:  # noqa: ANN401
        info = inspect.type_info(kind)
        inner = info.type if isinstance(info, inspect.Metadata) else info
        match inner:
            case inspect.StructType(cls=section):
                return self.struct(section, value, place)
            case inspect.VarTupleType(item_type=inspect.StructType(cls=section)):
                return self._list(inner, section, value, place)
            case inspect.UnionType(types=types) if _structs(types):
                if value is None and inner.includes_none:
                    return None
                return self._one_of(_structs(types), value, place)
        return _converted(kind, value, place, _unit(info))

    def _list(
        self,
        info: inspect.VarTupleType,
        section: type[msgspec.Struct],
        value: object,
        place: Place,
    ) -> tuple[msgspec.Struct, ...]:
        if not isinstance(value, list):
            raise Blame(place, f"must be a list, each with a `-`; got {show(value)}")
        if info.min_length and len(value) < info.min_length:
            raise Blame(place, f"at least {info.min_length} is needed")
        return tuple(
            self.struct(section, item, (*place, i)) for i, item in enumerate(value)
        )

    def _one_of(
        self, structs: list[inspect.StructType], value: object, place: Place
    ) -> msgspec.Struct:
        """Return `value` as that one of `structs` which its tag names."""
        field = structs[0].tag_field
        if field is None:  # The only one, beside None.
            return self.struct(structs[0].cls, value, place)
        kinds = {str(each.tag): each.cls for each in structs}
        if not isinstance(value, dict):
            raise Blame(place, f"must be a mapping with `{field}`; got {show(value)}")
        words = f"one of {', '.join(kinds)}"
        if field not in value:
            raise Blame(place, f"lacks `{field}`: {words}")
        chosen = value[field]
        if not isinstance(chosen, str) or chosen not in kinds:
            raise Blame((*place, field), f"must be {words}; got {show(chosen)}")
        rest = {key: item for key, item in value.items() if key != field}
        return self.struct(kinds[chosen], rest, place)

    def _unknown(self, key: str, fields: Mapping[str, object]) -> str:
        """Explain an unknown key by where it belongs, or by the nearest one."""
        places = list(_known(self._schema, ()))
        exact = next((place for place in places if place[-1] == key), None)
        if exact is not None:
            return f"unknown key, did you mean {spell(exact)}?"
        near = difflib.get_close_matches(key.lower(), fields, n=1)
        if near:
            return f"unknown key, did you mean {near[0]}?"
        for place in places:
            name = str(place[-1])
            if difflib.get_close_matches(key.lower(), [name], n=1, cutoff=0.8):
                return f"unknown key, did you mean {spell(place)}?"
        return f"unknown key (known here: {', '.join(fields)})"


def _converted(kind: Any, value: object, place: Place, unit: Unit | None) -> object:  # noqa: ANN401
    try:
        if unit is not None and isinstance(value, str):
            value = unit.parse(value)
    except ValueError as error:
        why = f"{show(value)} {error}"
    else:
        # Not a number is in no range, and msgspec finds it in those without ends.
        if not (isinstance(value, float) and math.isnan(value)):
            with suppress(msgspec.ValidationError):
                return msgspec.convert(value, kind)
        why = f"got {show(value, unit)}{_as_number(value)}"
    raise Blame(place, f"must be {allowed(kind)}; {why}")


def _as_number(value: object) -> str:
    """Return how a number is to be written that YAML takes for a text: ``1e-6``."""
    try:
        number = Decimal(value) if isinstance(value, str) else Decimal("nan")
    except InvalidOperation:
        return ""
    is_short = number.is_finite() and abs(number.adjusted()) < _LONGEST_NUMBER
    return f", to YAML a text: write {number:f}" if is_short else ""


def _structs(types: tuple[inspect.Type, ...]) -> list[inspect.StructType]:
    return [each for each in types if isinstance(each, inspect.StructType)]


def _unit(info: inspect.Type) -> Unit | None:
    extra = info.extra if isinstance(info, inspect.Metadata) else None
    return UNITS[extra["unit"]] if extra and "unit" in extra else None


def _known(section: type[msgspec.Struct], place: Place) -> Iterator[Place]:
    """Yield the place of every key of `section`, without numbers in lists."""
    for item in msgspec.structs.fields(section):
        here = (*place, item.encode_name)
        yield here
        for inner in _sections(item.type):
            yield from _known(inner, here)


def _sections(kind: Any) -> Iterator[type[msgspec.Struct]]:  # noqa: ANN401
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for inner in get_args(kind):
        yield from _sections(inner)
