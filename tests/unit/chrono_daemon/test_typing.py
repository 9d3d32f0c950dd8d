"""What a user's type checker sees; checked by mypy, run for the record."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_type

import pytest

from chrono_daemon import (
    Channel,
    Clock,
    Context,
    Daemon,
    DaemonHealth,
    ReceiveStream,
    SendStream,
    SimClock,
    Supervisor,
    WallClock,
    daemon,
    open_channel,
)
from chrono_daemon.recipes.coordination import select
from chrono_daemon.recipes.state import DropNewestSend, DropOldestSend, Latest

pytestmark = pytest.mark.anyio


@daemon
async def bare(ctx: Context, n: int, *, word: str = "") -> None:
    """Take arguments."""


@daemon(name="named")
async def named(ctx: Context) -> None:
    """Take none."""


class Animal:
    """Something general."""


class Dog(Animal):
    """Something special."""


async def test_types_are_what_they_should_be() -> None:
    """No Any anywhere; ends are variant; wrappers and clocks fit their protocols."""
    ch: Channel[Dog] = open_channel(9)
    assert_type(ch.send, SendStream[Dog])
    assert_type(ch.recv, ReceiveStream[Dog])
    anything: Channel[Animal] = open_channel(9)
    narrow: SendStream[Dog] = anything.send
    wide: ReceiveStream[Animal] = ch.recv
    await ch.send.send(Dog())
    await ch.send.send(Dog())
    assert_type(await ch.recv.receive(), Dog)
    assert_type(await select(wide), tuple[int, Animal])
    lossy: list[SendStream[Dog]] = [
        DropNewestSend(narrow),
        DropOldestSend(ch.send, ch.recv),
    ]
    clocks: list[Clock] = [SimClock(), WallClock()]
    latest: Latest[Dog] = Latest()
    assert_type(latest.get(), Dog | None)
    assert_type(named, Callable[[], Daemon])
    assert_type(bare(1, word="x"), Daemon)
    bare("x") if not clocks else None  # type: ignore[arg-type]
    assert_type(Supervisor().snapshot(), dict[str, DaemonHealth])
    assert len(lossy) == len(clocks) == 2
