"""``python -m chronotick.shm``: where the C header is, and files kept in step.

Decides nothing about the layout; see `chronotick.shm.layout`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from chronotick.shm.printed import header_block, page_block, replace_block

__all__ = ["include_dir", "main"]


def include_dir() -> str:
    """Return the directory that holds ``chronotick.h``, for ``cc -I``."""
    return str(Path(__file__).parent / "include")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m chronotick.shm")
    parser.add_argument(
        "--include-dir", action="store_true", help="print where chronotick.h is"
    )
    parser.add_argument(
        "--write",
        nargs="+",
        metavar="FILE",
        default=[],
        help="put the layout table into a C header (.h) or a page (.md), at its marks",
    )
    given = parser.parse_args(arguments)
    if given.include_dir:
        sys.stdout.write(include_dir() + "\n")
    for name in given.write:
        path = Path(name)
        block = header_block() if path.suffix == ".h" else page_block()
        path.write_text(replace_block(path.read_text("utf-8"), block), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
