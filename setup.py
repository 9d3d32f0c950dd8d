"""Build the optional C modules; everything else is in pyproject.toml.

Without a compiler, or for an interpreter that they are not meant for, the package
installs without them, and what they stand in for serves (`chronotick doctor` says which
and why). CHRONOTICK_NATIVE=no leaves them out; CHRONOTICK_NATIVE=yes makes it an error
that they fail, or are not meant for this interpreter. CHRONOTICK_CFLAGS adds compiler
flags, e.g. ``-fsanitize=address``.
"""

from __future__ import annotations

import hashlib
import os
import runpy
from pathlib import Path
from typing import TYPE_CHECKING

from setuptools import Extension, setup

if TYPE_CHECKING:
    from collections.abc import Sequence

WANTED = os.environ.get("CHRONOTICK_NATIVE", "auto")
# Run, not imported: what the package needs is not there while it is built.
NATIVE = runpy.run_path("src/chronotick/core/native.py")
BANK = "src/chronotick/models/_bank.c"
FLAGS = os.environ.get("CHRONOTICK_CFLAGS", "").split()


def extensions() -> list[Extension]:
    """Return the C modules where they are wanted, and made for what runs this."""
    if WANTED == "no":
        return []
    if not NATIVE["are_for_this"]():
        if WANTED == "yes":
            raise SystemExit(f"$CHRONOTICK_NATIVE is yes, but {NATIVE['FOR_OTHERS']}")
        return []
    return [
        extension(
            "chronotick.shm._hot",
            ["src/chronotick/shm/_hot.c", "src/chronotick/shm/_heart.c"],
            depends=[
                "src/chronotick/shm/heart.h",
                "src/chronotick/shm/publish.h",
                "src/chronotick/shm/include/chronotick.h",
            ],
        ),
        extension(
            "chronotick.models._bank",
            [BANK],
            macros=[("BANK_SOURCE", f'"{digest(BANK)}"')],
        ),
    ]


def extension(
    name: str,
    sources: list[str],
    *,
    depends: Sequence[str] = (),
    macros: Sequence[tuple[str, str]] = (),
) -> Extension:
    """Return one of them, for the stable interface of every Python from 3.11 on."""
    return Extension(
        name,
        sources,
        depends=[*depends],
        define_macros=[("Py_LIMITED_API", "0x030B0000"), *macros],
        # No contraction into fused operations: every reader computes the same bits.
        extra_compile_args=[
            "-std=c11",
            "-O2",
            "-Wall",
            "-Wextra",
            "-pthread",
            "-fvisibility=hidden",
            "-fno-math-errno",
            "-ffp-contract=off",
            *FLAGS,
        ],
        extra_link_args=["-pthread", *FLAGS],
        libraries=["m"],
        py_limited_api=True,
        optional=WANTED != "yes",
    )


def digest(source: str) -> str:
    """Return what tells this source from others."""
    return hashlib.sha256(Path(source).read_bytes()).hexdigest()[:12]


setup(
    ext_modules=extensions(),
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if extensions() else {},
)
