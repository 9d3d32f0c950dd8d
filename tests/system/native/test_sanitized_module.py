"""The C module itself under the sanitizers: the battery, in an interpreter of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from chronotick.core.native import SWITCH

_SOURCES = [
    Path(__file__).parents[3] / "src" / "chronotick" / "shm" / name
    for name in ("_hot.c", "_heart.c")
]
_TESTS = Path(__file__).parents[2]
# The module must not be found where it was installed.
_BOOTSTRAP = """
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ExtensionFileLoader
from importlib.util import spec_from_file_location

class Sanitized(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "chronotick.shm._hot":
            loader = ExtensionFileLoader(name, sys.argv[1])
            return spec_from_file_location(name, sys.argv[1], loader=loader)

sys.meta_path.insert(0, Sanitized())
import chronotick.shm._hot, pytest
assert chronotick.shm._hot.__file__ == sys.argv[1]
sys.exit(pytest.main(sys.argv[2:]))
"""


def _library(name: str) -> str:
    done = subprocess.run(
        ["cc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
    )
    found = done.stdout.strip()
    if "/" not in found:
        pytest.skip(f"this compiler has no {name}")
    return found


@pytest.mark.skipif(not _SOURCES[0].exists(), reason="needs the source tree")
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_battery_finds_nothing_undefined(tmp_path: Path) -> None:
    """No stray access, no undefined behavior, in any path that the battery takes."""
    headers = sysconfig.get_path("include")
    if not (Path(headers) / "Python.h").exists():
        pytest.skip("no headers of Python")
    preload = f"{_library('libasan.so')} {_library('libubsan.so')}"
    module = tmp_path / "_hot.abi3.so"
    subprocess.run(
        [
            "cc", "-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
            "-fno-math-errno", "-ffp-contract=off", "-shared", "-fPIC", "-pthread",
            "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined",
            f"-I{headers}", *map(str, _SOURCES), "-o", str(module),
        ],
        check=True,
    )  # fmt: skip
    done = subprocess.run(
        [
            sys.executable, "-c", _BOOTSTRAP, str(module),
            str(_TESTS / "system" / "native" / "test_battery.py"),
            str(_TESTS / "system" / "native" / "test_heart.py"),
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
