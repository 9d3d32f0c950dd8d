"""The C modules under the sanitizers: their batteries, in an interpreter of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from chronotick.core.native import SWITCH

_SOURCE = Path(__file__).parents[3] / "src" / "chronotick"
_TESTS = Path(__file__).parents[2]
# The module must not be found where it was installed.
_BOOTSTRAP = """
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ExtensionFileLoader
from importlib.util import spec_from_file_location

class Sanitized(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == sys.argv[1]:
            loader = ExtensionFileLoader(name, sys.argv[2])
            return spec_from_file_location(name, sys.argv[2], loader=loader)

sys.meta_path.insert(0, Sanitized())
import importlib, pytest
assert importlib.import_module(sys.argv[1]).__file__ == sys.argv[2]
sys.exit(pytest.main(sys.argv[3:]))
"""


def _library(name: str) -> str:
    done = subprocess.run(
        ["cc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
    )
    found = done.stdout.strip()
    if "/" not in found:
        pytest.skip(f"this compiler has no {name}")
    return found


@pytest.mark.skipif(not _SOURCE.exists(), reason="needs the source tree")
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize(
    ("name", "sources", "batteries"),
    [
        (
            "chronotick.shm._hot",
            ["shm/_hot.c", "shm/_heart.c"],
            ["system/native/test_battery.py", "system/native/test_heart.py"],
        ),
        (
            "chronotick.models._bank",
            ["models/_bank.c"],
            ["unit/models/test_arithmetic.py", "unit/models/test_filters.py"],
        ),
    ],
    ids=["_hot", "_bank"],
)
def test_the_battery_finds_nothing_undefined(
    tmp_path: Path, name: str, sources: list[str], batteries: list[str]
) -> None:
    """No stray access, no undefined behavior, in any path that the battery takes."""
    headers = sysconfig.get_path("include")
    if not (Path(headers) / "Python.h").exists():
        pytest.skip("no headers of Python")
    preload = f"{_library('libasan.so')} {_library('libubsan.so')}"
    module = tmp_path / f"{name.rpartition('.')[2]}.abi3.so"
    subprocess.run(
        [
            "cc", "-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
            "-fno-math-errno", "-ffp-contract=off", "-shared", "-fPIC", "-pthread",
            "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined",
            f"-I{headers}", *(str(_SOURCE / source) for source in sources),
            "-o", str(module), "-lm",
        ],
        check=True,
    )  # fmt: skip
    done = subprocess.run(
        [
            sys.executable, "-c", _BOOTSTRAP, name, str(module),
            *(str(_TESTS / battery) for battery in batteries),
            "-q", "-p", "no:cacheprovider", "--rootdir", str(_TESTS.parent),
        ],
        env=os.environ
        | {
            "LD_PRELOAD": preload,
            "ASAN_OPTIONS": "detect_leaks=0",
            "PYTHONMALLOC": "malloc",
            SWITCH: "",
        },
        cwd=_TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "skipped" not in done.stdout
    assert "runtime error" not in done.stderr
