"""The list of tools, resources and prompts as Markdown, for the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chronotick.agents.guidance import PROMPTS
from chronotick.agents.resources import HISTORY_TEMPLATE, RESOURCES
from chronotick.agents.tools import TOOLS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chronotick.agents.schema import Schema

__all__ = ["tools_as_markdown"]


def tools_as_markdown() -> str:
    """Return the reference's generated part."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "## Tools"
    for tool in TOOLS.values():
        yield f"\n### {tool.name}\n\n{tool.description}\n"
        yield from _arguments(tool.input_schema)
        fields = ", ".join(f"`{name}`" for name in tool.output_schema["properties"])
        yield f"Returns {fields}."
    yield "\n## Resources\n\n| address | content |\n|---|---|"
    for resource in RESOURCES.values():
        yield f"| `{resource.uri}` | {resource.title}. {resource.description} |"
    yield f"| `{HISTORY_TEMPLATE}` | Corrections of the last so many seconds. |"
    yield "\n## Prompts\n\n| name | arguments | what for |\n|---|---|---|"
    for prompt in PROMPTS.values():
        arguments = ", ".join(prompt.arguments) or "–"
        yield f"| `{prompt.name}` | {arguments} | {prompt.description} |"


def _arguments(schema: Schema) -> Iterator[str]:
    if not schema["properties"]:
        return
    yield "| argument | type | |\n|---|---|---|"
    for name, what in schema["properties"].items():
        told = _description(what)
        if name not in schema["required"]:
            told += " Optional" + (
                f", default {what['default']}." if what.get("default") else "."
            )
        yield f"| `{name}` | {_type(what)} | {told.strip()} |"
    yield ""


def _description(what: Schema) -> str:
    if "description" in what:
        return str(what["description"])
    return next((_description(w) for w in what.get("anyOf", []) if _description(w)), "")


def _type(what: Schema) -> str:
    if "anyOf" in what:
        kinds = [_type(w) for w in what["anyOf"] if w.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in what:
        return ", ".join(str(choice) for choice in what["enum"])
    if what["type"] == "array":
        return f"list of {_type(what['items'])}"
    return f"{what['type']}{_range(what)}"


def _range(what: dict[str, Any]) -> str:
    if "maximum" not in what:
        return ""
    return f" {what['minimum']:g} to {what['maximum']:g}"
