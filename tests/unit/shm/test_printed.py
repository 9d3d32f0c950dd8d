"""The table in print: in the header, on the page, and at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronotick.core.status import Reason, Source, Status
from chronotick.shm.__main__ import include_dir, main
from chronotick.shm.layout import SECTIONS
from chronotick.shm.printed import (
    BEGIN,
    END,
    header_block,
    page_block,
    replace_block,
)

_PAGE = Path(__file__).parents[3] / "docs" / "reference" / "shm-protocol.md"


def test_the_page_is_in_step_with_the_layout_table() -> None:
    """`python -m chronotick.shm --write FILE` changes nothing."""
    text = _PAGE.read_text("utf-8")

    assert replace_block(text, page_block()) == text


def test_every_field_is_in_print() -> None:
    """In the C header and on the page."""
    for fields, _, _ in SECTIONS.values():
        for field in fields:
            assert f"`{field.name}`" in page_block()
    for section in ("header", "slot", "ring_entry"):
        for field in SECTIONS[section][0]:
            assert f"offsetof(struct chronotick_{section}, {field.name})" in (
                header_block()
            )


@pytest.mark.parametrize("kind", [Status, Reason, Source])
def test_every_number_has_its_name_on_the_page(
    kind: type[Status | Reason | Source],
) -> None:
    """Readers in other languages have nothing else."""
    text = _PAGE.read_text("utf-8")

    for member in kind:
        assert f"{member.name} {member.value}" in text


def test_a_block_is_replaced_between_its_marks() -> None:
    """And what surrounds it is left alone."""
    text = f"before\n/* {BEGIN} (how) */\nold\n/* {END} */\nafter\n"
    got = replace_block(text, "new\n")

    assert got == f"before\n/* {BEGIN} (how) */\nnew\n/* {END} */\nafter\n"
    assert replace_block(got, "new\n") == got


def test_a_file_without_marks_is_refused() -> None:
    """Rather than written to at a guess."""
    with pytest.raises(ValueError, match="no marks"):
        replace_block("nothing here", "new")


def test_the_include_directory_holds_the_header(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is printed can be given to a compiler as it is."""
    assert main(["--include-dir"]) == 0
    printed = capsys.readouterr().out.strip()

    assert printed == include_dir()
    assert (Path(printed) / "chronotick.h").is_file()


def test_files_are_written_in_place(tmp_path: Path) -> None:
    """A header and a page, each with its own kind of table."""
    header, page = tmp_path / "a.h", tmp_path / "a.md"
    for file in (header, page):
        file.write_text(f"<!-- {BEGIN} -->\n<!-- {END} -->\n")
    main(["--write", str(header), str(page)])

    assert header_block() in header.read_text()
    assert page_block() in page.read_text()
