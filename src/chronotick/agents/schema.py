"""JSON Schemas from the request and result classes; decides how they look to clients.

References are written out, because several clients do not follow ``$ref``.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from chronotick.agents.results import Unavailable

__all__ = ["Schema", "input_schema", "output_schema"]

Schema: TypeAlias = dict[str, Any]

_ALWAYS = ("summary",)


def input_schema(request: type[msgspec.Struct]) -> Schema:
    """Return the schema of a tool's arguments; unknown ones are refused by it."""
    schema = _expanded(request)
    schema.setdefault("required", [])
    return schema


def output_schema(result: type[msgspec.Struct]) -> Schema:
    """Return the schema of a tool's structured result.

    Only what a failure carries too is required: a refusal has nothing but a summary,
    and several clients validate failures against the same schema.
    """
    schema = _expanded(result)
    properties = schema["properties"]
    for name, cause in _failure_properties().items():
        properties.setdefault(name, cause)
    schema["required"] = [name for name in _ALWAYS if name in schema["required"]]
    return schema


def _failure_properties() -> Schema:
    properties: Schema = _expanded(Unavailable)["properties"]
    return properties


def _expanded(model: type[msgspec.Struct]) -> Schema:
    (root,), definitions = msgspec.json.schema_components([model])
    schema = _expand(root, definitions)
    assert isinstance(schema, dict)  # noqa: S101 - a Struct's schema is an object
    schema.pop("title", None)
    schema.pop("description", None)
    return schema


def _expand(node: object, definitions: Schema) -> object:
    if isinstance(node, list):
        return [_expand(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[-1]
        rest = {key: value for key, value in node.items() if key != "$ref"}
        target = {k: v for k, v in definitions[name].items() if k != "title"}
        return _expand(target | rest, definitions)
    expanded = {key: _expand(value, definitions) for key, value in node.items()}
    choices: list[object] = node.get("enum", [0])
    if all(isinstance(choice, str) for choice in choices):
        # Some clients want the type beside the values, which JSON Schema does not.
        expanded.setdefault("type", "string")
    return expanded
