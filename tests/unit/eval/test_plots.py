"""The door to matplotlib lets none of its own words through."""

from __future__ import annotations

import os
import subprocess
import sys


def test_a_home_that_cannot_be_written_is_no_news() -> None:
    """Where the library keeps its fonts meanwhile is nothing to tell a user."""
    own = ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    inherited = {k: v for k, v in os.environ.items() if k not in own}
    code = "from chronotick.eval.plots import blank, to_png; to_png(blank(1, 1))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=inherited | {"HOME": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
