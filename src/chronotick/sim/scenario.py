"""A scenario: one world written down, with a name; as YAML inside the package or out.

Decides what contradicts itself. It builds no world (`chronotick.sim.world` does) and
knows nothing of the daemon's configuration but how fast the scenario wants to be polled.
"""

from __future__ import annotations

import difflib
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from chronotick.core.errors import ConfigError
from chronotick.documents.schema import build
from chronotick.documents.text import Blame, parse, read_text
from chronotick.sim.server_specs import ServerSpec  # noqa: TC001 - msgspec reads it
from chronotick.sim.specs import HostSpec, Positive

if TYPE_CHECKING:
    import os

__all__ = [
    "LeapSecondSpec",
    "PollingSpec",
    "Scenario",
    "is_path",
    "load_scenario",
    "parse_scenario",
    "scenario_names",
]


class _Spec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mapping in a scenario file."""


class PollingSpec(_Spec, frozen=True, kw_only=True):
    """How fast the scenario is meant to be polled."""

    burst_count: Annotated[int, Meta(ge=1, le=16)] = 8
    min_poll_s: Positive = 16.0
    max_poll_s: Positive = 64.0


class LeapSecondSpec(_Spec, frozen=True, kw_only=True):
    """A leap second that honest servers announce, and step at."""

    at_s: Positive
    """The end of a UTC month: the world begins so long before one."""
    kind: Literal["insert", "delete"] = "insert"
    announced_s: Positive = 86_400.0
    """How long before."""


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
    leap_second: LeapSecondSpec | None = None

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


def is_path(name: str) -> bool:
    """Whether `name` is that of a file; no scenario of the package looks like one."""
    return "." in name or "/" in name


def load_scenario(name: str | os.PathLike[str]) -> Scenario:
    """Return a scenario of the package by name, or one from a file by path.

    Raises:
        ConfigError: there is none of that name, or it is not a valid scenario.
    """
    text = str(name)
    if is_path(text):
        return parse_scenario(read_text(name), name=text)
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
    document = parse(text, name)
    try:
        return build(Scenario, document.value)
    except (Blame, ConfigError) as error:
        raise document.blamed(error) from None
