"""The layout table in print: the C header's block and the ABI page's tables.

Decides nothing: both files carry what these functions return between two marks, and a
test fails where they differ from the table.
"""

from __future__ import annotations

from chronotick.shm import layout
from chronotick.shm.layout import SECTIONS, Field

__all__ = ["BEGIN", "END", "header_block", "page_block", "replace_block"]

BEGIN = "layout table: begin"
END = "layout table: end"

_C_TYPES = {
    "u8": "uint8_t",
    "u16": "uint16_t",
    "i16": "int16_t",
    "u32": "uint32_t",
    "u64": "uint64_t",
    "i64": "int64_t",
    "f32": "float",
    "f64": "double",
    "16 B": "uint8_t",
}
_CONSTANTS = (
    ("CHRONOTICK_MAGIC", f"UINT64_C(0x{layout.MAGIC:016x})"),
    ("CHRONOTICK_LAYOUT_VERSION", layout.VERSION),
    ("CHRONOTICK_SEGMENT_SIZE", layout.SEGMENT_SIZE),
    ("CHRONOTICK_HEADER_AT", layout.HEADER_AT),
    ("CHRONOTICK_SEQUENCE_AT", layout.SEQUENCE_AT),
    ("CHRONOTICK_SLOT_AT", layout.SLOT_AT),
    ("CHRONOTICK_SLOT_SIZE", layout.SLOT_SIZE),
    ("CHRONOTICK_RING_AT", layout.RING_AT),
    ("CHRONOTICK_RING_ENTRIES_AT", layout.RING_ENTRIES_AT),
    ("CHRONOTICK_RING_ENTRY_SIZE", layout.RING_ENTRY_SIZE),
    ("CHRONOTICK_RING_ENTRIES", layout.RING_ENTRIES),
    ("CHRONOTICK_STATE_LIVE", layout.State.LIVE),
    ("CHRONOTICK_STATE_RETIRED", layout.State.RETIRED),
)


def header_block() -> str:
    """Return constants, one struct a section, and the proof of every offset."""
    lines = [f"#define {name} {value}" for name, value in _CONSTANTS]
    lines += ["", "/* A slot that carries a time keeps within [-limit, limit). */"]
    for name, limit in layout.LIMITS.items():
        lines.append(f"#define CHRONOTICK_LIMIT_{name.upper()} INT64_C({limit})")
    lines.append("")
    lines.append("/* The packed compatibility record: copy from these, do not cast. */")
    for field in layout.COMPATIBILITY:
        name = f"CHRONOTICK_RECORD_{field.name.upper()}_AT"
        lines.append(f"#define {name} {field.offset} /* {field.kind} {field.unit} */")
    for section in ("header", "slot", "ring_entry"):
        fields, _, size = SECTIONS[section]
        lines += ["", *_struct(f"chronotick_{section}", fields, size)]
    return "\n".join(lines) + "\n"


def _struct(name: str, fields: tuple[Field, ...], size: int) -> list[str]:
    lines = [f"struct {name} {{"]
    for field in fields:
        array = "[16]" if field.kind == "16 B" else ""
        note = f"{field.unit + ': ' if field.unit else ''}{field.meaning}"
        declared = f"    {_C_TYPES[field.kind]} {field.name}{array};"
        lines.append(f"{declared} /* {note} */" if note else declared)
    lines.append("};")
    lines.append(f"CHRONOTICK_ASSERT(sizeof(struct {name}) == {size});")
    lines += [
        f"CHRONOTICK_ASSERT(offsetof(struct {name}, {f.name}) == {f.offset});"
        for f in fields
    ]
    return lines


_TITLES = {
    "compatibility": "Compatibility record, bytes 0–127 (packed)",
    "header": "Header, bytes 128–191",
    "publication": "Publication word, bytes 192–255",
    "slot": "Slot, bytes 256–383 and 384–511",
    "ring": "Ring of recent corrections: head, bytes 512–575",
    "ring_entry": "Ring entry, 44 of 80 bytes from byte 576",
}


_LIMITED = (
    "In a slot that carries a time (`status` is not UNKNOWN) these lie in [−limit, limit); "
    "what a reader computes\nthen fits 64 bits."
)


def _limits() -> list[str]:
    rows = [f"| `{name}` | {limit} |" for name, limit in layout.LIMITS.items()]
    return ["| field | limit |", "|---|---|", *rows]


def page_block() -> str:
    """Return the tables of the ABI page, in Markdown."""
    parts = []
    for section, (fields, _, _) in SECTIONS.items():
        rows = [
            f"| {f.offset} | {f.kind} | `{f.name}` | {f.unit} | {f.meaning} |"
            for f in fields
        ]
        head = ["| offset | type | field | unit | meaning |", "|---|---|---|---|---|"]
        parts.append("\n".join([f"### {_TITLES[section]}", "", *head, *rows]))
        if section == "slot":
            parts.append("\n".join([_LIMITED, "", *_limits()]))
    return "\n\n".join(parts) + "\n"


def replace_block(text: str, block: str) -> str:
    """Return `text` with what is between its marks replaced by `block`.

    Raises:
        ValueError: the marks are not there.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("no marks of the layout table in this file")
    first_line, _, _ = rest.partition("\n")
    closing = text[text.rindex("\n", 0, text.index(END)) + 1 : text.index(END)]
    return f"{before}{begin}{first_line}\n{block}{closing}{end}{after}"
