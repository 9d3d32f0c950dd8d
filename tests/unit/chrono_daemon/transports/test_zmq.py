"""The ZeroMQ channel behaves like a channel; its ends in one process."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from typing import Any

import anyio
import anyio.lowlevel
import msgspec
import pytest
import zmq
import zmq.asyncio

from chrono_daemon import (
    Channel,
    ChannelClosed,
    ChannelInUse,
    EndOfStream,
    WouldBlock,
)
from chrono_daemon.clock import settle
from chrono_daemon.recipes.coordination import select
from chrono_daemon.transports.zmq import (
    MsgpackSerde,
    ZmqConfig,
    open_zmq_channel,
    open_zmq_receive,
    open_zmq_send,
)

pytestmark = pytest.mark.anyio


async def close(ch: Channel[Any]) -> None:
    """Close both ends."""
    await ch.send.aclose()
    await ch.recv.aclose()


class TestConfig:
    """Limits and serialization."""

    def test_limits_are_checked_before_any_socket_exists(self) -> None:
        """The message names the argument; an address that can't work isn't reached."""
        with pytest.raises(ValueError, match="maxsize"):
            ZmqConfig(maxsize=-1)
        with pytest.raises(ValueError, match="linger_ms"):
            ZmqConfig(linger_ms=-2)
        for opener in (open_zmq_send, open_zmq_receive, open_zmq_channel):
            with pytest.raises(ValueError, match="maxsize"):
                opener("nonsense", maxsize=-1)

    @pytest.mark.parametrize(("maxsize", "hwm"), [(0, 2), (1, 2), (2, 3), (100, 101)])
    def test_a_slot_is_reserved_for_the_close_frame(
        self, maxsize: int, hwm: int
    ) -> None:
        """The high-water mark is never 0, which would mean no limit."""
        assert ZmqConfig(maxsize).hwm == hwm

    def test_a_peer_timeout_of_no_time_is_refused(self) -> None:
        """And leaves no socket behind."""
        with pytest.raises(ValueError, match="peer_timeout_ms"):
            open_zmq_send("inproc://x", peer_timeout_ms=0)

    async def test_half_a_channel_is_none(self) -> None:
        """Bound to a port of the system's choice, which the send end can't know."""
        made: list[zmq.asyncio.Socket] = []

        class Maker:
            def socket(self, socket_type: int, /) -> object:
                made.append(zmq.asyncio.Context.instance().socket(socket_type))
                return made[-1]

        with pytest.raises(zmq.ZMQError):
            open_zmq_channel("tcp://127.0.0.1:*", context=Maker())
        assert [socket.closed for socket in made] == [True, True]

    def test_trio_is_refused_by_name(self) -> None:
        """The transport stands on asyncio's futures."""

        async def main() -> None:
            open_zmq_send("inproc://x")

        with pytest.raises(RuntimeError, match="asyncio"):
            anyio.run(main, backend="trio")

    def test_msgpack_validates(self) -> None:
        """Decoding checks the type; without one anything goes."""
        serde = MsgpackSerde[dict[str, Any]]()
        assert serde.decode(serde.encode({"a": [1, None]})) == {"a": [1, None]}
        strict = MsgpackSerde[int](int)
        with pytest.raises(msgspec.ValidationError):
            strict.decode(b"\xa1x")

    def test_without_the_extra_the_import_error_names_it(self) -> None:
        """A bare environment is told what to install."""
        code = (
            "import sys; sys.modules['zmq'] = None\nimport chrono_daemon.transports.zmq"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert done.returncode != 0
        assert "chronotick[zmq]" in done.stderr


class TestChannel:
    """Both ends in one process."""

    @pytest.mark.parametrize("bind_receive", [True, False])
    async def test_items_arrive_in_order_and_the_end_is_told(
        self, address: str, bind_receive: bool
    ) -> None:
        """First in, first out; after the close EndOfStream for ever."""
        ch: Channel[Any] = open_zmq_channel(
            address, bind_receive=bind_receive, maxsize=200
        )
        for n in range(100):
            await ch.send.send({"n": n})
        await ch.send.aclose()
        await ch.send.aclose()
        assert [x["n"] async for x in ch.recv] == list(range(100))
        for _ in range(2):
            with pytest.raises(EndOfStream):
                await ch.recv.receive()
            with pytest.raises(EndOfStream):
                ch.recv.receive_nowait()
        assert ch.recv.statistics().open_send_streams == 0
        await ch.recv.aclose()

    async def test_a_full_queue_does_not_drop_the_end(self, address: str) -> None:
        """Filled to the last slot and closed, the stream still ends."""
        ch: Channel[Any] = open_zmq_channel(address, maxsize=3)
        sent = 0
        with anyio.move_on_after(0.2):
            while True:
                await ch.send.send(sent)
                sent += 1
        await ch.send.aclose()
        got = [x async for x in ch.recv]
        # The last send may have been cancelled with its frame just accepted.
        assert got in (list(range(sent)), list(range(sent + 1)))
        await ch.recv.aclose()

    async def test_a_closed_receiver_is_noticed_within_twenty_sends(
        self, address: str
    ) -> None:
        """Sends with single yields in between meet ChannelClosed."""
        ch: Channel[Any] = open_zmq_channel(address, maxsize=100)
        await ch.send.send(0)
        assert await ch.recv.receive() == 0
        await ch.recv.aclose()
        await ch.recv.aclose()
        with pytest.raises(ChannelClosed):
            for n in range(20):
                await ch.send.send(n)
                await anyio.lowlevel.checkpoint()
        assert ch.send.statistics().open_receive_streams == 0
        with pytest.raises(ChannelClosed):
            ch.send.send_nowait(0)
        await ch.send.aclose()

    async def test_closing_ones_own_side(self, inproc: str) -> None:
        """ChannelClosed and EndOfStream, at once."""
        ch: Channel[Any] = open_zmq_channel(inproc)
        await close(ch)
        with pytest.raises(ChannelClosed):
            await ch.send.send(1)
        with pytest.raises(ChannelClosed):
            ch.send.send_nowait(1)
        with pytest.raises(EndOfStream):
            await ch.recv.receive()
        with pytest.raises(EndOfStream):
            ch.recv.receive_nowait()

    @pytest.mark.parametrize("side", ["own", "peer"])
    async def test_closing_ends_a_parked_receive(self, inproc: str, side: str) -> None:
        """With EndOfStream, not with a stray CancelledError."""
        ch: Channel[Any] = open_zmq_channel(inproc)
        seen: list[type[BaseException]] = []

        async def receive() -> None:
            try:
                await ch.recv.receive()
            except BaseException as error:  # noqa: BLE001
                seen.append(type(error))

        async with anyio.create_task_group() as group:
            group.start_soon(receive)
            await settle()
            assert ch.recv.statistics().waiters_receive == 1
            await (ch.recv if side == "own" else ch.send).aclose()
        assert seen == [EndOfStream]
        await close(ch)

    @pytest.mark.parametrize("side", ["own", "peer"])
    async def test_closing_ends_a_parked_send(self, inproc: str, side: str) -> None:
        """With ChannelClosed."""
        ch: Channel[Any] = open_zmq_channel(inproc, maxsize=1)
        seen: list[type[BaseException]] = []

        async def send() -> None:
            try:
                while True:
                    await ch.send.send(1)
            except BaseException as error:  # noqa: BLE001
                seen.append(type(error))

        async with anyio.create_task_group() as group:
            group.start_soon(send)
            await settle()
            assert ch.send.statistics().waiters_send == 1
            await (ch.send if side == "own" else ch.recv).aclose()
        assert seen == [ChannelClosed]
        await close(ch)

    async def test_one_owner_an_end(self, inproc: str) -> None:
        """A second operation, nowait ones included, meets ChannelInUse."""
        ch: Channel[Any] = open_zmq_channel(inproc, maxsize=1)

        async def fill() -> None:
            for n in range(50):
                await ch.send.send(n)

        async with anyio.create_task_group() as group:
            group.start_soon(fill)
            await settle()
            with pytest.raises(ChannelInUse):
                await ch.send.send(1)
            with pytest.raises(ChannelInUse):
                ch.send.send_nowait(1)
            got = [await ch.recv.receive() for _ in range(50)]
            assert got == list(range(50))
            group.start_soon(ch.recv.receive)
            await settle()
            with pytest.raises(ChannelInUse):
                await ch.recv.receive()
            with pytest.raises(ChannelInUse):
                ch.recv.receive_nowait()
            group.cancel_scope.cancel()
        await close(ch)

    async def test_a_cancelled_receive_loses_nothing(self, inproc: str) -> None:
        """Cancelled at any moment, the endpoint goes on with the next item."""
        ch: Channel[Any] = open_zmq_channel(inproc, maxsize=100)
        got: list[int] = []

        async def receive(scope: anyio.CancelScope) -> None:
            with scope:
                got.append(await ch.recv.receive())

        for n in range(60):
            async with anyio.create_task_group() as group:
                scope = anyio.CancelScope()
                group.start_soon(receive, scope)
                for _ in range(n % 4):
                    await anyio.lowlevel.checkpoint()
                ch.send.send_nowait(n)
                for _ in range(n % 3):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()
        await ch.send.aclose()
        got += [x async for x in ch.recv]
        assert got == list(range(60))
        await ch.recv.aclose()

    @pytest.mark.parametrize("turns", range(6))
    async def test_a_cancelled_send_was_not_sent(self, inproc: str, turns: int) -> None:
        """However many turns it is after room was made; the endpoint stays usable."""
        ch: Channel[Any] = open_zmq_channel(inproc, maxsize=1)
        sent: list[Any] = []
        with suppress(WouldBlock):
            while True:
                ch.send.send_nowait(len(sent))
                sent.append(len(sent))

        async def send(scope: anyio.CancelScope) -> None:
            with scope:
                await ch.send.send("last")
                sent.append("last")

        got: list[Any] = []
        async with anyio.create_task_group() as group:
            scope = anyio.CancelScope()
            group.start_soon(send, scope)
            await settle()
            with suppress(WouldBlock):
                while True:
                    got.append(ch.recv.receive_nowait())
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            scope.cancel()
        await ch.send.send("after")
        sent.append("after")
        await ch.send.aclose()
        got += [x async for x in ch.recv]
        assert got == sent
        await ch.recv.aclose()

    async def test_nowait_says_when_it_would_block(self, inproc: str) -> None:
        """No item, no peer, or no room."""
        recv: Any = open_zmq_receive(inproc)
        with pytest.raises(WouldBlock):
            recv.receive_nowait()
        lonely: Any = open_zmq_send(f"{inproc}-other", bind=True)
        with pytest.raises(WouldBlock):
            lonely.send_nowait(1)
        await lonely.aclose()
        send: Any = open_zmq_send(inproc)
        with pytest.raises(WouldBlock):
            for n in range(100):
                send.send_nowait(n)
        assert recv.receive_nowait() == 0
        await send.aclose()
        await recv.aclose()

    async def test_what_is_malformed_is_refused_and_passed_over(
        self, inproc: str
    ) -> None:
        """Unknown tags are ChannelClosed; wrong payloads the serde's own error."""
        recv: Any = open_zmq_receive(inproc, serde=MsgpackSerde[int](int), maxsize=9)
        peer: zmq.asyncio.Socket = zmq.asyncio.Context.instance().socket(zmq.PAIR)
        peer.connect(inproc)
        for frame in (b"X1", b"", b"D\xa1x", b"C", b"D\x07"):
            await peer.send(frame)
        for _ in range(2):
            with pytest.raises(ChannelClosed, match="malformed"):
                await recv.receive()
        with pytest.raises(msgspec.ValidationError):
            await recv.receive()
        assert await recv.receive() == 7
        peer.close(0)
        await recv.aclose()

    async def test_statistics_admit_what_cannot_be_known(self, inproc: str) -> None:
        """-1 where only the other side knows."""
        ch: Channel[Any] = open_zmq_channel(inproc, maxsize=5)
        s, r = ch.send.statistics(), ch.recv.statistics()
        assert (s.current_buffer_used, s.max_buffer_size) == (-1, 5)
        assert (s.open_send_streams, s.open_receive_streams) == (1, -1)
        assert (s.waiters_send, s.waiters_receive) == (0, -1)
        assert (r.open_send_streams, r.open_receive_streams) == (-1, 1)
        assert (r.waiters_send, r.waiters_receive) == (-1, 0)
        await close(ch)
        assert ch.send.statistics().open_send_streams == 0
        assert ch.recv.statistics().open_receive_streams == 0

    async def test_closing_without_a_peer_is_prompt(self, address: str) -> None:
        """Neither end waits for somebody who never comes."""
        send: Any = open_zmq_send(address, bind=False, linger_ms=50)
        await send.aclose()
        recv: Any = open_zmq_receive(address, linger_ms=50)
        await recv.aclose()

    async def test_an_item_can_be_put_back(self, inproc: str) -> None:
        """So a select over several loses nothing."""
        one: Channel[Any] = open_zmq_channel(inproc, maxsize=9)
        two: Channel[Any] = open_zmq_channel(f"{inproc}-2", maxsize=9)
        for n in range(3):
            await one.send.send(n)
            await two.send.send(n)
        got: list[tuple[int, Any]] = [
            await select(one.recv, two.recv) for _ in range(6)
        ]
        for index in range(2):
            assert [x for i, x in got if i == index] == [0, 1, 2]
        await close(one)
        await close(two)

    async def test_a_busy_receiver_lets_others_run(self, inproc: str) -> None:
        """It yields every few dozen items."""
        ch: Channel[Any] = open_zmq_channel(inproc, maxsize=1000)
        for n in range(320):
            ch.send.send_nowait(n)
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                await anyio.lowlevel.checkpoint()
                turns += 1

        async with anyio.create_task_group() as group:
            group.start_soon(other)
            for _ in range(320):
                await ch.recv.receive()
            group.cancel_scope.cancel()
        assert turns >= 9
        await close(ch)
