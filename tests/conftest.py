"""Fixtures that every kind of test shares."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

# A loaded machine is no failure: tests assert no wall-clock limit.
settings.register_profile("chronotick", deadline=None)
# pytest --hypothesis-profile=deep: a search as long as twenty runs of CI.
settings.register_profile("deep", deadline=None, max_examples=2_000)
settings.load_profile("chronotick")

# Programs that we start are to run as their users run them: with these set, nothing is left
# unwritten at their end, and no bytecode is kept.
for name in ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"):
    os.environ.pop(name, None)

# Started in the background by a shell without job control, we and all our children would
# ignore Ctrl-C, and the programs that are ended with it would never end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# The same for a terminal that closes, under nohup.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run every async test on both backends."""
    return str(request.param)
