"""Build the optional C module; everything else is in pyproject.toml.

Without a compiler, or for an interpreter that it is not meant for, the package installs
without it and the pure-Python reader serves (`chronotick doctor` says which and why).
CHRONOTICK_NATIVE=no leaves it out; CHRONOTICK_NATIVE=yes makes its failure an error.
CHRONOTICK_CFLAGS adds compiler flags, e.g. ``-fsanitize=address``.
"""

from __future__ import annotations

import os
import sys
import sysconfig

from setuptools import Extension, setup

WANTED = os.environ.get("CHRONOTICK_NATIVE", "auto")


def extensions() -> list[Extension]:
    """Return the C module where it can be used: Linux, little-endian, with a GIL."""
    usable = (
        sys.platform == "linux"
        and sys.byteorder == "little"
        and sys.implementation.name == "cpython"
        and sys.maxsize > 2**32
        and not sysconfig.get_config_var("Py_GIL_DISABLED")
    )
    if WANTED == "no" or not usable:
        return []
    return [
        Extension(
            "chronotick.shm._hot",
            ["src/chronotick/shm/_hot.c", "src/chronotick/shm/_heart.c"],
            depends=[
                "src/chronotick/shm/heart.h",
                "src/chronotick/shm/publish.h",
                "src/chronotick/shm/include/chronotick.h",
            ],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
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
                *os.environ.get("CHRONOTICK_CFLAGS", "").split(),
            ],
            extra_link_args=[
                "-pthread",
                *os.environ.get("CHRONOTICK_CFLAGS", "").split(),
            ],
            py_limited_api=True,
            optional=WANTED != "yes",
        )
    ]


setup(
    ext_modules=extensions(),
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if extensions() else {},
)
