"""A scenario: one world written down, with a name; as YAML inside the package or out.

Decides what contradicts itself, and how each mistake is
explained: file, key, what is wrong, the nearest key. It builds no world
(`chronotick.sim.world` does) and knows nothing of the daemon's configuration but how
fast the scenario wants to be polled.
"""

from __future__ import annotations

import difflib
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import yaml
from msgspec import Meta, Struct

from chronotick.core.errors import ConfigError
from chronotick.sim.server_specs import ServerSpec  # noqa: TC001 - msgspec reads it
from chronotick.sim.specs import HostSpec, Positive

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

__all__ = [
    "PollingSpec",
    "Scenario",
    "load_scenario",
    "parse_scenario",
    "scenario_names",
]

_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_UNKNOWN = re.compile(r"contains unknown field `(.*)`")


class _Spec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mapping in a scenario file."""


class PollingSpec(_Spec, frozen=True, kw_only=True):
    """How fast the scenario is meant to be polled."""

    burst_count: Annotated[int, Meta(ge=1, le=16)] = 8
    min_poll_s: Positive = 16.0
    max_poll_s: Positive = 64.0


class Scenario(_Spec, frozen=True, kw_only=True):
    """A world, written down.

    Raises:
        ConfigError: a server that is called honest is off by more than it claims.
    """

    name: Annotated[str, Meta(min_length=1)]
    summary: str = ""
    """One sentence that says what the situation is."""
    duration_s: Positive = 86_400.0
    host: HostSpec = HostSpec()
    servers: Annotated[tuple[ServerSpec, ...], Meta(min_length=1)]
    polling: PollingSpec = PollingSpec()

    def __post_init__(self) -> None:
        for i, server in enumerate(self.servers):
            worst_us = abs(server.error_us) + server.wander_us
            if server.is_honest and worst_us > server.claims.root_distance_us:
                raise ConfigError(
                    f"servers[{i}]: is off by up to {worst_us:g} µs but claims "
                    f"{server.claims.root_distance_us:g}: raise "
                    "claims.root_dispersion_us, or say `serves: {kind: lying}`"
                )

    def server_names(self) -> tuple[str, ...]:
        """Return each server name once, with ``:port`` where it is not 123."""
        names = (
            s.name if s.port == 123 else f"{s.name}:{s.port}"  # noqa: PLR2004 - NTP's
            for s in self.servers
        )
        return tuple(dict.fromkeys(names))


def scenario_names() -> tuple[str, ...]:
    """Return the names of the scenarios in the package, sorted."""
    files = resources.files("chronotick.sim") / "scenarios"
    return tuple(
        sorted(
            entry.name.removesuffix(".yaml")
            for entry in files.iterdir()
            if entry.name.endswith(".yaml")
        )
    )


def load_scenario(name: str | os.PathLike[str]) -> Scenario:
    """Return a scenario of the package by name, or one from a file by path.

    Raises:
        ConfigError: there is none of that name, or it is not a valid scenario.
    """
    text = str(name)
    if text.endswith((".yaml", ".yml")):
        try:
            return parse_scenario(Path(name).read_text(encoding="utf-8"), name=text)
        except OSError as error:
            raise ConfigError(f"{text}: cannot read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{text}: not UTF-8 text") from error
    known = scenario_names()
    if text not in known:
        near = difflib.get_close_matches(text, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        raise ConfigError(f"no scenario is called {text!r} ({hint})")
    file = resources.files("chronotick.sim") / "scenarios" / f"{text}.yaml"
    return parse_scenario(file.read_text(encoding="utf-8"), name=f"{text}.yaml")


def parse_scenario(text: str, *, name: str = "scenario") -> Scenario:
    """Return the scenario in the YAML `text`; `name` is what errors call it.

    Raises:
        ConfigError: not YAML, an unknown key, a value out of range, a contradiction.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise ConfigError(f"{name}: YAML: {problem}") from error
    try:
        return msgspec.convert(document, Scenario)
    except ConfigError as error:  # keys that contradict each other
        raise ConfigError(f"{name}: {error}") from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name}: {_explained(str(error))}") from None


def _explained(message: str) -> str:
    """Return msgspec's message with the place first and the nearest key last."""
    place = _PLACE.search(message)
    if place:
        message = message[: place.start()]
    unknown = _UNKNOWN.search(message)
    if unknown:
        message = f"unknown key `{unknown[1]}`"
        near = difflib.get_close_matches(unknown[1], sorted(set(_keys(Scenario))), n=1)
        message += f", did you mean `{near[0]}`?" if near else ""
    return f"{place[1]}: {message}" if place and place[1] else message


def _keys(kind: Any) -> Iterator[str]:  # noqa: ANN401 - any annotation
    """Yield every key that `kind` and what it holds can have."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        for item in msgspec.structs.fields(kind):
            yield item.encode_name
            yield from _keys(item.type)
    for inner in getattr(kind, "__args__", ()):
        yield from _keys(inner)
