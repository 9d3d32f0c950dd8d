"""Where tasks wait: what has to be known of the event loop."""

from __future__ import annotations

import pytest
import trio.lowlevel

from chrono_daemon import open_channel


@pytest.mark.anyio
async def test_a_trio_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also beside asyncio, if the program has it: which of them runs is not known."""
    monkeypatch.delattr(trio.lowlevel, "in_trio_task")

    with pytest.raises(RuntimeError, match=r"needs trio 0\.29 or later"):
        await open_channel(1).recv.receive()
