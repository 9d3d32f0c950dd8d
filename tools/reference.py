"""Write the generated parts of docs/reference from the code that they describe.

Called by cog from inside the pages; `python -m cogapp` says when they are out of step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec
from msgspec import inspect

from chronotick.cli import cli
from chronotick.cli.eval import command as eval_command
from chronotick.cli.exit_codes import MEANINGS
from chronotick.daemon.config import Config, Server
from chronotick.documents.quantities import UNITS
from chronotick.documents.schema import allowed

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["cli_help", "config_tables", "default_file", "eval_help", "exit_codes"]

_WIDTH = 80


def cli_help() -> str:
    """Return the help of `chronotick` and of every verb, as Markdown."""
    root = _context(cli, "chronotick", None)
    parts = [_help(cli, root)]
    for name in cli.verbs:
        command = cli.get_command(root, name)
        assert command is not None  # noqa: S101
        context = _context(command, name, root)
        parts.append(f"## {name}\n\n{_help(command, context)}")
    return "\n".join(parts)


def eval_help() -> str:
    """Return the help of every verb of `chronotick eval`, as Markdown."""
    group = _context(eval_command, "eval", _context(cli, "chronotick", None))
    parts = []
    for name in eval_command.list_commands(group):
        context = _context(eval_command.commands[name], name, group)
        shown = _help(context.command, context)
        parts.append(f"### `{context.command_path}`\n\n{shown}")
    return "\n".join(parts)


def _context(
    command: click.Command, name: str, parent: click.Context | None
) -> click.Context:
    return click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=_WIDTH,
        **command.context_settings,
    )


def _help(command: click.Command, context: click.Context) -> str:
    return f"```text\n{command.get_help(context)}\n```\n"


def exit_codes() -> str:
    """Return the table of exit codes."""
    rows = (f"| {code:d} | {meaning} |" for code, meaning in MEANINGS.items())
    return "\n".join(["| code | meaning |", "|---:|---|", *rows]) + "\n"


def config_tables() -> str:
    """Return one table a section, from the schema."""
    parts = [_table(_leaves(Config))]
    parts.append("### A server\n\nA string, or a mapping of:\n")
    parts.append(_table(_leaves(Server)))
    for section in msgspec.structs.fields(Config):
        if _is_section(section.type):
            doc = (section.type.__doc__ or "").strip()
            parts.append(f"## {section.encode_name}\n\n{doc}\n")
            parts.append(_table(_leaves(section.type)))
    return "\n".join(parts)


def _is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _leaves(section: type[msgspec.Struct]) -> Iterator[msgspec.structs.FieldInfo]:
    return (f for f in msgspec.structs.fields(section) if not _is_section(f.type))


def _table(fields: Iterator[msgspec.structs.FieldInfo]) -> str:
    rows = [
        "| key | value | default | meaning |",
        "|---|---|---|---|",
        *map(_row, fields),
    ]
    return "\n".join(rows) + "\n"


def _row(item: msgspec.structs.FieldInfo) -> str:
    info = inspect.type_info(item.type)
    assert isinstance(info, inspect.Metadata)  # noqa: S101
    meaning = (info.extra_json_schema or {})["description"]
    cells = (f"`{item.encode_name}`", _value(item.type, info), _default(item), meaning)
    return "| " + " | ".join(cells) + " |"


def _value(kind: Any, info: inspect.Metadata) -> str:  # noqa: ANN401
    if isinstance(info.type, inspect.VarTupleType):
        return "list of servers"
    return allowed(kind)


def _default(item: msgspec.structs.FieldInfo) -> str:
    if item.default is msgspec.NODEFAULT:
        return "required"
    return _shown(item.default, inspect.type_info(item.type))


def _shown(value: object, info: inspect.Type) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"`{server.address}`" for server in value)
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return f"`{value}`".lower()
    extra = info.extra if isinstance(info, inspect.Metadata) else None
    if extra and isinstance(value, float):
        return f"`{UNITS[extra['unit']].format(value)}`"
    return f"`{value}`"


def default_file() -> str:
    """Return the defaults as a configuration file."""
    lines = ["servers:"]
    lines += [f"  - {server.address}" for server in Config().servers]
    for section in msgspec.structs.fields(Config):
        if not _is_section(section.type):
            continue
        lines.append(f"{section.encode_name}:")
        for item in _leaves(section.type):
            shown = _shown(item.default, inspect.type_info(item.type)).strip("`")
            unset = shown == "unset"
            lines.append(
                f"  # {item.encode_name}:"
                if unset
                else f"  {item.encode_name}: {shown}"
            )
    return "```yaml\n" + "\n".join(lines) + "\n```\n"
