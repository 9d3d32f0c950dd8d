"""A scenario: one world written down, with a name; as YAML inside the package or out.

Decides what contradicts itself. It builds no world (`chronotick.sim.world` does) and
knows nothing of the daemon's configuration but how fast the scenario wants to be polled.
"""

from __future__ import annotations

import difflib
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from chronotick.core.errors import ConfigError
from chronotick.documents.schema import build
from chronotick.documents.text import Blame, parse, read_text
from chronotick.sim.server_specs import ServerSpec, is_numeric
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


# A leap year, as for `chronotick simulate --hours`.
_LONGEST_S = 366.0 * 86_400.0
# RFC 5905 polls no slower than each 2^17 s, nor does the daemon.
_Interval: TypeAlias = Annotated[float, Meta(gt=0.0, le=131_072.0)]


class _Spec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mapping in a scenario file."""


class PollingSpec(_Spec, frozen=True, kw_only=True):
    """How fast the scenario is meant to be polled."""

    burst_count: Annotated[int, Meta(ge=1, le=16)] = 8
    min_poll_s: _Interval = 16.0
    max_poll_s: _Interval = 64.0


class LeapSecondSpec(_Spec, frozen=True, kw_only=True):
    """A leap second that honest servers announce, and step at."""

    at_s: Annotated[float, Meta(gt=0.0, le=_LONGEST_S)]
    """The end of a UTC month: the world begins so long before one."""
    kind: Literal["insert", "delete"] = "insert"
    announced_s: Positive = 86_400.0
    """How long before."""


class Scenario(_Spec, frozen=True, kw_only=True):
    """A world, written down.

    Raises:
        ConfigError: a server that is called honest is off by more than it claims, one
            cannot be found by its name or address, or polls contradict each other.
    """

    name: Annotated[str, Meta(min_length=1)]
    summary: str = ""
    """One sentence that says what the situation is."""
    duration_s: Annotated[float, Meta(gt=0.0, le=_LONGEST_S)] = 86_400.0
    host: HostSpec = HostSpec()
    servers: Annotated[tuple[ServerSpec, ...], Meta(min_length=1)]
    polling: PollingSpec = PollingSpec()
    leap_second: LeapSecondSpec | None = None

    def __post_init__(self) -> None:
        polling = self.polling
        if polling.min_poll_s > polling.max_poll_s:
            raise ConfigError(
                f"polling.min_poll_s: {polling.min_poll_s:g} is longer than "
                f"polling.max_poll_s ({polling.max_poll_s:g})"
            )
        for i, server in enumerate(self.servers):
            if server.address is not None and not is_numeric(server.address):
                raise ConfigError(
                    f"servers[{i}].address: {server.address!r} is not numeric: write it "
                    "as `name`, or an address such as 192.0.2.7"
                )
            if ":" in server.name and not is_numeric(server.name):
                raise ConfigError(
                    f"servers[{i}].name: {server.name!r} is no name: a port goes into "
                    "`port`"
                )
            worst_us = abs(server.error_us) + server.wander_us
            if server.is_honest and worst_us > server.claims.root_distance_us:
                raise ConfigError(
                    f"servers[{i}]: is off by up to {worst_us:g} µs but claims "
                    f"{server.claims.root_distance_us:g}: raise "
                    "claims.root_dispersion_us, or say `serves: {kind: lying}`"
                )

    def server_names(self) -> tuple[str, ...]:
        """Return each server name once, with ``:port`` where it is not 123."""
        return tuple(dict.fromkeys(map(_server_name, self.servers)))


def _server_name(server: ServerSpec) -> str:
    if server.port == 123:  # noqa: PLR2004 - NTP's
        return server.name
    host = f"[{server.name}]" if ":" in server.name else server.name
    return f"{host}:{server.port}"


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
