"""What `import chronotick` costs above a bare interpreter.

    python benchmarks/import_time.py [--runs N]

Fresh interpreters in turns, with and without the import; the least of each, since what
others do on this machine only ever adds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

_LIMIT_MS = 30.0


def run_ms(code: str) -> float:
    """Return how long a fresh interpreter takes for `code`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", code], check=True)
    return (time.perf_counter() - start) * 1e3


def main() -> int:
    """Run the benchmark; 1 where the limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=30)
    runs = parser.parse_args().runs
    codes = {
        "bare": "pass",
        "typing": "import typing",
        "chronotick": "import chronotick",
    }
    best = dict.fromkeys(codes, float("inf"))
    for _ in range(runs):
        for name, code in codes.items():
            best[name] = min(best[name], run_ms(code))
    cost = best["chronotick"] - best["bare"]
    print(f"bare interpreter         {best['bare']:6.1f} ms")
    print(f"  and `typing` alone     {best['typing']:6.1f} ms")
    print(f"  and `chronotick`       {best['chronotick']:6.1f} ms")
    print(f"import chronotick costs  {cost:6.1f} ms (at most {_LIMIT_MS:g})")
    return 0 if cost <= _LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
