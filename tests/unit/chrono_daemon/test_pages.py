"""What the pages about the runtime show runs, and every name has its place on one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import chrono_daemon
from chrono_daemon import testing
from chrono_daemon.recipes import coordination, hosting, routing, state

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize(
    ("page", "least"),
    [
        ("tutorial/chrono-daemon.md", 5),
        ("howto/chrono-daemon-recipes.md", 5),
        ("explanation/chrono-daemon.md", 1),
    ],
)
def test_every_python_block_of_a_page_runs(page: str, least: int) -> None:
    """Top to bottom in one process, warnings being errors."""
    tokens = MarkdownIt().parse((DOCS / page).read_text())
    blocks = [t.content for t in tokens if t.type == "fence" and t.info == "python"]
    assert len(blocks) >= least
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(blocks)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "module", [chrono_daemon, routing, coordination, state, hosting, testing]
)
def test_every_public_name_is_on_the_reference_page(module: object) -> None:
    """A name that nobody can find is a defect."""
    page = (DOCS / "reference/chrono-daemon.md").read_text()
    internal = {"__version__", "OnError", "DaemonState", "DaemonFailurePhase"}
    internal |= {"ReceiveStream", "SendStream"}
    for name in getattr(module, "__all__", ()):
        assert name in page or name in internal, name


def test_pages_link_to_pages_that_exist() -> None:
    """Relative links lead somewhere."""
    pages = [*DOCS.glob("*/chrono-daemon*.md"), *DOCS.glob("adr/003?-*.md")]
    assert len(pages) >= 9
    for page in pages:
        for token in MarkdownIt().parse(page.read_text()):
            for child in token.children or ():
                target = str(child.attrGet("href") or "")
                if target and "://" not in target:
                    assert (page.parent / target.partition("#")[0]).exists(), (
                        page,
                        target,
                    )
