"""Compile the C programs beside this file, for the tests that run them."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from chronotick.shm.__main__ import include_dir

PROGRAMS = Path(__file__).parent / "programs"
STRICT = ("-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror")


@functools.cache
def _output_directory() -> Path:
    directory = tempfile.mkdtemp(prefix="chronotick-programs-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Path(directory)


@functools.cache
def compiled(source: str, *flags: str, compiler: str = "cc") -> Path:
    """Return the program made of `source`; skips where there is no compiler.

    Raises:
        AssertionError: it does not compile; with what the compiler says.
    """
    if shutil.which(compiler) is None:
        pytest.skip(f"no C compiler: {compiler} is not installed")
    name = "-".join([Path(source).stem, compiler, *flags]).replace("/", "_")
    program = _output_directory() / name[:200]
    include = Path(include_dir())
    done = subprocess.run(
        [
            compiler,
            *flags,
            f"-I{include}",
            f"-I{include.parent}",
            str(PROGRAMS / source),
            "-o",
            str(program),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if "cannot find -l" in done.stderr or "unrecognized argument" in done.stderr:
        pytest.skip(f"this compiler has no {' '.join(flags)}")
    assert done.returncode == 0, done.stderr
    return program


def run(program: Path, *arguments: str) -> tuple[int, str]:
    """Return the exit code and all output of `program`."""
    done = subprocess.run(
        [str(program), *arguments], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr
