"""Draw docs/images/demo.svg: the last panel of a real run of `chronotick demo`.

python tools/demo_picture.py [SECONDS]
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from rich.console import Console

from chronotick.cli import demo, demo_view

if TYPE_CHECKING:
    from rich.console import RenderableType

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "demo.svg"


def main() -> None:
    """Run the demo on a recording console and save what it showed last."""
    seconds = sys.argv[1] if len(sys.argv) > 1 else "30"
    shown: list[RenderableType] = []
    panel = demo_view.panel

    def keep(scene: demo_view.Scene) -> RenderableType:
        shown.append(panel(scene))
        return shown[-1]

    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    with (
        mock.patch.object(demo_view, "panel", keep),
        mock.patch.object(demo, "stdout_console", return_value=screen),
    ):
        demo.command.main(["--for", f"{seconds}s"], standalone_mode=False)
    paper = Console(file=io.StringIO(), record=True, width=92)
    paper.print(shown[-1])
    PICTURE.parent.mkdir(exist_ok=True)
    svg = paper.export_svg(title="make run")
    # The picture must not fetch fonts from anywhere; any monospace will do.
    PICTURE.write_text(re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL))


if __name__ == "__main__":
    main()
