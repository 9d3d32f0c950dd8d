"""YAML text with the line of every place in it, and the errors that name it.

Decides what a mistake's line looks like: file, line, place, what is wrong. What may be
written is for `chronotick.documents.schema` and the schemas to say.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import yaml

from chronotick.core.errors import ConfigError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

__all__ = ["Blame", "Document", "Place", "in_file", "parse", "read_text", "spell"]

Place: TypeAlias = tuple[str | int, ...]
"""Where in the file: ``("servers", 0, "address")``."""

# How TOML and INI begin: `[section]`, or `key = value`.
_OTHER = re.compile(r"\[+[\w.\" -]+\]+\s*(#.*)?$|[\w.\"-]+\s*=")
_LONGEST_LINE = 40
# What people write has some kilobytes; a device or a recording ends much later, or never.
_LONGEST_FILE = 1 << 20


class Blame(Exception):
    """What is wrong, and where; becomes a `ConfigError` once the line is known."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(f"{spell(place)}: {message}" if place else message)
        self.place = place


class Document(NamedTuple):
    """What a text says."""

    name: str
    """What errors call it."""
    value: object
    lines: Mapping[Place, int]

    def blamed(self, error: Blame | ConfigError) -> ConfigError:
        """Return `error` with the name and the line.

        A rule between keys, a `ConfigError`, begins with the one that is to change.
        """
        if isinstance(error, Blame):
            place = error.place
        else:
            key = str(error).partition(": ")[0]
            place = next((place for place in self.lines if spell(place) == key), ())
        # The nearest place around it that has a line.
        while place and place not in self.lines:
            place = place[:-1]
        line = f":{self.lines[place]}" if place else ""
        return ConfigError(f"{self.name}{line}: {error}")


def spell(place: Place) -> str:
    """Return `place` as people write it: ``servers[0].address``."""
    parts = (
        f"[{part}]"
        if isinstance(part, int)
        else f".{part if part.isprintable() else repr(part)}"
        for part in place
    )
    return "".join(parts).removeprefix(".")


def read_text(path: str | os.PathLike[str]) -> str:
    """Return the text in the file at `path`.

    Raises:
        ConfigError: it cannot be read, is far too long, or is not UTF-8.
    """
    try:
        with Path(path).open("rb") as file:
            read = file.read(_LONGEST_FILE + 1)
        if len(read) > _LONGEST_FILE:
            raise ConfigError(
                f"{path}: more than {_LONGEST_FILE >> 20} MiB: not for us"
            )
        return read.decode()
    except OSError as error:
        raise ConfigError(f"{path}: cannot read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})") from error


def parse(text: str, name: str) -> Document:
    """Return what the YAML `text` says; nothing in it is executed.

    Raises:
        ConfigError: not YAML, or a key is there twice.
    """
    try:
        value, lines = _parsed(text, name)
    except yaml.MarkedYAMLError as error:
        _refuse_other(text, name)
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = " ".join((error.problem or "not YAML").split())
        raise ConfigError(f"{name}{where}: YAML: {problem}") from error
    except RecursionError:
        raise ConfigError(f"{name}: YAML: nested too deeply") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{name}:{line}: YAML: {error.reason}") from error
    if value is not None and not isinstance(value, dict):
        _refuse_other(text, name)
    return Document(name, value, lines)


def in_file(error: ConfigError, path: str | os.PathLike[str]) -> ConfigError:
    """Return `error` with its line in the file at `path`, which has been parsed before.

    For what shows only when it is put to use, such as CPUs that are not there.
    """
    return parse(read_text(path), str(path)).blamed(error)


def _parsed(text: str, name: str) -> tuple[object, dict[Place, int]]:
    loader = yaml.SafeLoader(text)
    node = loader.get_single_node()
    if node is None:
        return None, {}
    lines = dict(_lines(node, (), name, set()))
    return loader.construct_document(node), lines


def _refuse_other(text: str, name: str) -> None:
    """Say so where the text is in another well-known form."""
    for number, line in enumerate(text.splitlines(), start=1):
        begin = line.strip()
        if begin.startswith(("#", ";")) or not begin:
            continue
        if _OTHER.match(begin):
            raise ConfigError(
                f"{name}:{number}: this is TOML or INI ({begin[:_LONGEST_LINE]}), not "
                "YAML: write `key: value`, and what is in a section indented below "
                "`section:`"
            )
        return


def _lines(
    node: yaml.Node, place: Place, name: str, seen: set[int]
) -> Iterator[tuple[Place, int]]:
    """Walk all places; refuse doubles.

    PyYAML lets the last of two equal keys win; here the first would be lost silently.
    """
    if id(node) in seen:
        return  # An alias: it may contain itself, and aliases of aliases multiply.
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            yield (*place, i), item.start_mark.line + 1
            yield from _lines(item, (*place, i), name, seen)
    if isinstance(node, yaml.MappingNode):
        here_already: set[Place] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # Refused later: no such key is known.
            here, line = (*place, key.value), key.start_mark.line + 1
            if here in here_already:
                raise ConfigError(f"{name}:{line}: {spell(here)}: given twice")
            here_already.add(here)
            yield here, line
            yield from _lines(value, here, name, seen)
