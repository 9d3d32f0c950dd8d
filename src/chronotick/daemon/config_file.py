"""Read a configuration file: YAML in, `Config` or one line of blame out.

Decides how text becomes values and how each mistake is explained: file, line, key,
what is allowed, the nearest key. Which keys exist is `chronotick.daemon.config`'s
business; nothing here names one.
"""

from __future__ import annotations

import difflib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import msgspec
import yaml
from msgspec import inspect

from chronotick.core.errors import ConfigError
from chronotick.daemon.config import Config, Server
from chronotick.daemon.config_models import PRESETS
from chronotick.daemon.quantities import UNITS, Unit

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from chronotick.daemon.config_models import Preset

__all__ = ["allowed", "load_config", "parse_config"]

Place: TypeAlias = tuple[str | int, ...]
"""Where in the file: ``("servers", 0, "address")``."""

_S = TypeVar("_S", bound=msgspec.Struct)

_DEEPEST_PLACE = 3
_LONGEST_VALUE = 40


def load_config(
    path: str | os.PathLike[str], *, preset: Preset | None = None
) -> Config:
    """Return the configuration in the YAML file at `path`.

    `preset` wins over the file's key of that name.

    Raises:
        ConfigError: unreadable, not YAML, an unknown key, a value out of range, or
            keys that contradict each other. One line that starts with the file's name.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})") from error
    return parse_config(text, name=str(path), preset=preset)


def parse_config(
    text: str, *, name: str = "config", preset: Preset | None = None
) -> Config:
    """Return the configuration in the YAML `text`; `name` is what errors call it.

    Raises:
        ConfigError: as `load_config`.
    """
    document, lines = _parse_yaml(text, name)
    try:
        return _build(Config, _with_preset(document, preset), ())
    except _Blame as blame:
        raise ConfigError(f"{name}{_line(lines, blame.place)}: {blame}") from None
    except ConfigError as error:  # keys that contradict each other
        key = str(error).partition(": ")[0]
        place = next((place for place in lines if spell(place) == key), ())
        raise ConfigError(f"{name}{_line(lines, place)}: {error}") from None


def _with_preset(document: object, preset: str | None) -> object:
    """Return `document` with what its preset sets, where it does not say otherwise.

    Anything unexpected stays as it is: `_build` finds the words for it.
    """
    document = {} if document is None else document
    if not isinstance(document, dict):
        return document
    chosen = preset or document.get("preset", "default")
    merged = {**document, "preset": chosen}
    if not isinstance(chosen, str) or chosen not in PRESETS:
        return merged
    for section, keys in PRESETS[chosen].items():
        said = document.get(section)
        if said is None or isinstance(said, dict):
            merged[section] = {**keys, **(said or {})}
    return merged


def _line(lines: Mapping[Place, int], place: Place) -> str:
    """Return ``:LINE`` of `place` or of the nearest key around it that has one."""
    while place and place not in lines:
        place = place[:-1]
    return f":{lines[place]}" if place else ""


def spell(place: Place) -> str:
    """Return `place` as people write it: ``servers[0].address``."""
    parts = (
        f"[{part}]"
        if isinstance(part, int)
        else f".{part if part.isprintable() else repr(part)}"
        for part in place
    )
    return "".join(parts).removeprefix(".")


class _Blame(Exception):
    """What is wrong, and where; becomes a `ConfigError` once the line is known."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(f"{spell(place)}: {message}" if place else message)
        self.place = place


def _parse_yaml(text: str, name: str) -> tuple[object, dict[Place, int]]:
    """Return the document and the line of each place in it."""
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None, {}
        lines = dict(_lines(node, (), name))
        return loader.construct_document(node), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = " ".join((error.problem or "not YAML").split())
        raise ConfigError(f"{name}{where}: YAML: {problem}") from error
    except RecursionError:
        raise ConfigError(f"{name}: YAML: nested too deeply") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{name}:{line}: YAML: {error.reason}") from error


def _lines(node: yaml.Node, place: Place, name: str) -> Iterator[tuple[Place, int]]:
    """Walk the places that a schema of sections and lists can have; refuse doubles.

    PyYAML lets the last of two equal keys win; here the first would be lost silently.
    """
    if len(place) > _DEEPEST_PLACE:
        return
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            yield (*place, i), item.start_mark.line + 1
            yield from _lines(item, (*place, i), name)
    if isinstance(node, yaml.MappingNode):
        seen: set[Place] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # refused later: no such key is known
            here, line = (*place, key.value), key.start_mark.line + 1
            if here in seen:
                raise ConfigError(f"{name}:{line}: {spell(here)}: given twice")
            seen.add(here)
            yield here, line
            yield from _lines(value, here, name)


def _build(section: type[_S], value: object, place: Place) -> _S:
    """Return `value` as the Struct `section`."""
    if value is None:
        value = {}  # a section whose keys are all commented out
    if not isinstance(value, dict):
        raise _Blame(place, f"must be a mapping of keys; got {_show(value)}")
    fields = {f.encode_name: f for f in msgspec.structs.fields(section)}
    for key in value:
        if key not in fields:
            raise _Blame((*place, str(key)), _unknown(str(key), fields))
    return section(
        **{
            fields[key].name: _value(fields[key].type, item, (*place, key))
            for key, item in value.items()
        }
    )


def _value(kind: Any, value: object, place: Place) -> object:  # noqa: ANN401
    """Return `value` converted to the annotation `kind`."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _build(kind, value, place)
    info = inspect.type_info(kind)
    if _is_servers(info):
        return _servers(value, place)
    unit = _unit(info)
    try:
        if unit is not None and isinstance(value, str):
            value = unit.parse(value)
        return msgspec.convert(value, kind)
    except ValueError as error:  # msgspec.ValidationError is one
        why = f"{_show(value)} {error}" if unit and isinstance(value, str) else ""
        why = why or f"got {_show(value, unit)}"
        raise _Blame(place, f"must be {allowed(kind)}; {why}") from None


def _is_servers(info: inspect.Type) -> bool:
    inner = info.type if isinstance(info, inspect.Metadata) else info
    return isinstance(inner, inspect.VarTupleType) and isinstance(
        inner.item_type, inspect.StructType
    )


def _servers(value: object, place: Place) -> tuple[Server, ...]:
    """Return the list of servers, each a string or a mapping."""
    if not isinstance(value, list):
        raise _Blame(place, f"must be a list of servers; got {_show(value)}")
    servers = []
    for i, item in enumerate(value):
        here = (*place, i)
        entry = {"address": item} if isinstance(item, str) else item
        if not isinstance(entry, dict):
            raise _Blame(
                here,
                "must be HOST, HOST:PORT or a mapping with `address` (an IPv6 address "
                f"in brackets needs quotes); got {_show(item)}",
            )
        if entry.keys() <= {"private"}:
            raise _Blame(here, "lacks `address`")
        servers.append(_build(Server, entry, here))
    return tuple(servers)


def _unit(info: inspect.Type) -> Unit | None:
    extra = info.extra if isinstance(info, inspect.Metadata) else None
    return UNITS[extra["unit"]] if extra and "unit" in extra else None


def allowed(kind: Any) -> str:  # noqa: ANN401
    """Return what the annotation `kind` admits, as a phrase: ``a duration from …``."""
    info = inspect.type_info(kind)
    return _allowed(info, _unit(info))


def _allowed(info: inspect.Type, unit: Unit | None) -> str:
    match info:
        case inspect.Metadata():
            words = _allowed(info.type, unit)
        case inspect.FloatType(ge=low, le=high) if unit is not None:
            words = f"a {unit.noun} from {_bound(low, unit)} to {_bound(high, unit)}"
        case inspect.IntType(ge=low, le=high):
            words = f"a whole number from {low} to {high}"
        case inspect.LiteralType(values=values):
            words = "one of " + ", ".join(map(str, values))
        case inspect.BoolType():
            words = "true or false"
        case inspect.StrType():
            words = "a text"
        case inspect.NoneType():
            words = "null"
        case inspect.VarTupleType(item_type=item):
            words = f"a list, each {_allowed(item, unit)}"
        case inspect.UnionType(types=types):
            words = " or ".join(sorted((_allowed(t, unit) for t in types), key=len))
        case _:
            raise AssertionError(f"the schema holds a type without words: {info}")
    return words


def _bound(value: float | None, unit: Unit) -> str:
    return unit.format(value) if value is not None else "any"


def _show(value: object, unit: Unit | None = None) -> str:
    """Return `value` as the file would show it, cut to a length that fits a line."""
    if value is None:
        return "nothing"
    if isinstance(value, float) and math.isnan(value):
        return "not a number"
    if isinstance(value, float) and unit is not None and math.isfinite(value):
        return unit.format(value)
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def _unknown(key: str, fields: Mapping[str, object]) -> str:
    """Explain an unknown key by the nearest one here, or by where it belongs."""
    near = difflib.get_close_matches(key.lower(), fields, n=1)
    if near:
        return f"unknown key, did you mean {near[0]}?"
    elsewhere = {spell(place): place[-1] for place in _known(Config, ())}
    for path, name in elsewhere.items():
        if difflib.get_close_matches(key.lower(), [str(name)], n=1, cutoff=0.8):
            return f"unknown key, did you mean {path}?"
    return f"unknown key (known here: {', '.join(fields)})"


def _known(section: type[Any], place: Place) -> Iterator[Place]:
    """Yield the place of every key of `section`."""
    for item in msgspec.structs.fields(section):
        here = (*place, item.encode_name)
        yield here
        if isinstance(item.type, type) and issubclass(item.type, msgspec.Struct):
            yield from _known(item.type, here)
