"""Errors tell the same wherever they get to."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING

import pytest

from chronotick.core import errors
from chronotick.core.errors import ChronotickError

if TYPE_CHECKING:
    from collections.abc import Callable

SAID = (
    errors.NoDaemon("/path"),
    errors.NotSynchronized("/path", "no server has answered", is_silent=True),
    errors.StaleCorrection("/path", 1.5),
    errors.ClockDisrupted("/path", "the host slept"),
    errors.TornRead("/path", 1000),
    errors.SegmentUnreadable("/path", "Permission denied"),
    errors.SegmentCorrupt("/path", "no magic number"),
    errors.SegmentVersionMismatch("/path", 2, 1),
    errors.SegmentLocked("/path", None),
    errors.SegmentUnwritable("/path", "Read-only file system"),
    errors.ConfigError("servers: none"),
    errors.NotInstalled(),
)


def pickled(error: ChronotickError) -> ChronotickError:
    """Return `error` as another process gets it."""
    found = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert isinstance(found, ChronotickError)
    return found


@pytest.mark.parametrize("again", [pickled, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("error", SAID, ids=lambda error: type(error).__name__)
def test_an_error_comes_through(
    error: ChronotickError, again: Callable[[ChronotickError], ChronotickError]
) -> None:
    """Of the same kind, with the same words and facts."""
    error.add_note("on node 7")

    found = again(error)

    assert type(found) is type(error)
    assert str(found) == str(error)
    assert vars(found) == vars(error)


def test_every_error_that_builds_its_message_is_among_them() -> None:
    """A new one must come through, too."""
    makers = {
        kind
        for name in errors.__all__
        if "__init__" in vars(kind := getattr(errors, name))
    }
    assert makers <= {type(error) for error in SAID}
