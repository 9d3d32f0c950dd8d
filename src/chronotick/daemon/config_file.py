"""Read a configuration file: YAML in, `Config` or one line of blame out.

Decides what people may leave out or write shorter than the schema has it: presets, and
servers that are a bare address. How text becomes values and how each mistake is
explained is `chronotick.documents`'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.core.errors import ConfigError
from chronotick.daemon.config import Config
from chronotick.daemon.config_models import PRESETS
from chronotick.documents.schema import build
from chronotick.documents.text import Blame, parse, read_text
from chronotick.documents.words import show

if TYPE_CHECKING:
    import os

    from chronotick.daemon.config_models import Preset

__all__ = ["load_config", "parse_config"]


def load_config(
    path: str | os.PathLike[str], *, preset: Preset | None = None
) -> Config:
    """Return the configuration in the YAML file at `path`.

    `preset` wins over the file's key of that name.

    Raises:
        ConfigError: unreadable, not YAML, an unknown key, a value out of range, or
            keys that contradict each other. One line that starts with the file's name.
    """
    return parse_config(read_text(path), name=str(path), preset=preset)


def parse_config(
    text: str, *, name: str = "config", preset: Preset | None = None
) -> Config:
    """Return the configuration in the YAML `text`; `name` is what errors call it.

    Raises:
        ConfigError: as `load_config`.
    """
    document = parse(text, name)
    try:
        value = _with_preset(document.value, preset)
        return build(Config, _with_addresses(value))
    except (Blame, ConfigError) as error:
        raise document.blamed(error) from None


def _with_preset(document: object, preset: str | None) -> object:
    """Return `document` with what its preset sets, where it does not say otherwise.

    Anything unexpected stays as it is: `build` finds the words for it.
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


def _with_addresses(document: object) -> object:
    """Return `document` with each server that is a bare address as a mapping."""
    if not isinstance(document, dict) or "servers" not in document:
        return document
    servers = document["servers"]
    if not isinstance(servers, list):
        raise Blame(("servers",), f"must be a list of servers; got {show(servers)}")
    entries = [_entry(item, i) for i, item in enumerate(servers)]
    return {**document, "servers": entries}


def _entry(item: object, i: int) -> object:
    if isinstance(item, str):
        return {"address": item}
    if not isinstance(item, dict):
        raise Blame(
            ("servers", i),
            "must be HOST, HOST:PORT or a mapping with `address` (an IPv6 address "
            f"in brackets needs quotes); got {show(item)}",
        )
    return item
