"""`core.commands`: a command does what it is told to mend."""

from __future__ import annotations

import shlex

from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.commands import at_segment


def test_the_default_segment_goes_without_saying() -> None:
    """As in the documentation."""
    path = "/dev/shm/chronotick_shm"  # noqa: S108
    assert at_segment("chronotick daemon", path) == "chronotick daemon"


@given(st.text(min_size=1))
def test_a_shell_reads_the_path_as_it_is(path: str) -> None:
    """Blanks and quotes included."""
    words = shlex.split(at_segment("chronotick wait", path))
    assert words == ["chronotick", "wait", "--segment", path]
