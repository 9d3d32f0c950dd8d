"""The long run of the torn-read tests: full-speed writers, readers in C and Python.

    python benchmarks/read_soak.py [--c-reads 100000000] [--python-reads 1000000]

C readers and a C writer are threads of one program (tests/system/native/programs); the
Python readers copy, with both implementations, from a process that publishes whole
frames as fast as it can. Every frame carries a checksum. Exits 1 if one was torn.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from chronotick.core.errors import NoDaemon, TornRead  # noqa: E402
from chronotick.shm.native import HOT  # noqa: E402
from chronotick.shm.reader import SegmentReader  # noqa: E402
from system.native.compiling import STRICT, compiled  # noqa: E402
from system.shm.storm import checked_number  # noqa: E402

if TYPE_CHECKING:
    from types import ModuleType


def soak_c(reads: int, readers: int) -> bool:
    """Run the C program; say whether nothing was torn."""
    program = compiled("stress.c", "-std=gnu11", "-pthread", *STRICT)
    start = time.monotonic()
    done = subprocess.run(
        [str(program), str(readers), str(reads // readers)],
        capture_output=True,
        text=True,
        check=False,
    )
    print(
        f"C, {readers} readers: {done.stdout.strip()} in {time.monotonic() - start:.1f} s"
    )
    return done.returncode == 0


def soak_python(path: str, reads: int, hot: ModuleType | None) -> bool:
    """Read from the storm at `path`; say whether nothing was torn."""
    reader = SegmentReader(path, hot=hot)
    start, last, changes, gave_up = time.monotonic(), 0, 0, 0
    for _ in range(reads):
        reader._seen = None  # noqa: SLF001 - copy and decode every time
        try:
            n = checked_number(reader.read())
        except TornRead:
            gave_up += 1
            continue
        if n < last:
            return False
        changes += n != last
        last = n
    kind = "Python" if hot is None else "Python with C copies"
    elapsed_s = time.monotonic() - start
    print(
        f"{kind}: reads {reads} torn 0 gave_up {gave_up} "
        f"frames seen {changes} in {elapsed_s:.1f} s"
    )
    return True


def main() -> int:
    """Run all; 1 if anything was torn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--c-reads", type=int, default=100_000_000)
    parser.add_argument("--python-reads", type=int, default=1_000_000)
    parser.add_argument("--readers", type=int, default=2)
    given = parser.parse_args()
    good = soak_c(given.c_reads, given.readers)
    storm = ROOT / "tests" / "system" / "shm" / "storm.py"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests")}
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        path = os.path.join(directory, "segment")
        with subprocess.Popen(
            [sys.executable, str(storm), path, "c"], env=environment
        ) as writer:
            while writer.poll() is None:
                try:
                    SegmentReader(path).read()
                    break
                except NoDaemon:
                    time.sleep(0.01)
            for hot in (None, HOT):
                good &= soak_python(path, given.python_reads, hot)
            writer.kill()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
