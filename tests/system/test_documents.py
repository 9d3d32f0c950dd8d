"""What README, docs and examples show runs, against a real daemon."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

from chronotick import Clock, ClockError
from system.peers import chronyd, running_daemon, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "docs/tutorial/first-steps.md",
    "docs/howto/order-events.md",
]
EXAMPLES = ["commit_wait.py", "order_events.py"]


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A segment on which a daemon publishes a chronyd's time."""
    folder = tmp_path_factory.mktemp("documents")
    segment = folder / "segment"
    with (
        chronyd(folder / "chrony") as port,
        running_daemon(segment, "--server", f"127.0.0.1:{port}"),
        Clock(segment) as clock,
    ):

        def publishes() -> bool:
            try:
                return clock.interval().latest_ns > 0
            except ClockError:
                return False

        wait_until(publishes)
        yield segment


def python_blocks(page: Path) -> list[str]:
    """Return the page's fenced Python blocks."""
    tokens = MarkdownIt().parse(page.read_text())
    return [t.content for t in tokens if t.type == "fence" and t.info == "python"]


def run(code: list[str], segment: Path) -> subprocess.CompletedProcess[str]:
    """Run Python on the segment, warnings being errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", *code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "CHRONOTICK_SEGMENT": str(segment)},
    )


@pytest.mark.parametrize("page", PAGES)
def test_every_python_block_of_a_page_runs(page: str, segment: Path) -> None:
    """The blocks of one page, top to bottom, in one process."""
    blocks = python_blocks(ROOT / page)
    assert blocks
    done = run(["-c", "\n".join(blocks)], segment)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "page",
    sorted(p for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]),
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    """Links to files of the project exist; those to the web are not followed."""
    targets = [
        str(child.attrs.get("href") or child.attrs.get("src"))
        for token in MarkdownIt().parse(page.read_text())
        for child in token.children or []
        if child.type in {"link_open", "image"}
    ]
    local = [t.partition("#")[0] for t in targets if "://" not in t]
    assert not [t for t in local if t and not (page.parent / t).exists()]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_runs(name: str, segment: Path) -> None:
    """It ends well and prints something."""
    done = run([str(ROOT / "examples" / name)], segment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
