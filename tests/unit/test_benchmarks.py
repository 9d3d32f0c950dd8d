"""Every benchmark can at least be begun; how long it takes is not a test's business."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    "script", sorted(BENCHMARKS.glob("[!_]*.py")), ids=lambda path: path.stem
)
def test_it_finds_what_it_imports(script: Path) -> None:
    """As a script is run, but for its main part: nobody would notice otherwise."""
    run = "import runpy, sys; sys.path.insert(0, sys.argv[1]); runpy.run_path(sys.argv[2])"
    ended = subprocess.run(
        [sys.executable, "-c", run, str(BENCHMARKS), str(script)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
