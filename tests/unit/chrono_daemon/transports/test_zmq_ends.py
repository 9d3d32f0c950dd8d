"""Ends of a ZeroMQ channel in programs, threads and contexts that end before it."""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
import threading
import warnings
from contextlib import suppress
from typing import Any
from uuid import uuid4

import anyio
import pytest
import zmq
import zmq.asyncio

from chrono_daemon import Channel, ChannelClosed, WouldBlock
from chrono_daemon.clock import settle
from chrono_daemon.transports._wire import Wire
from chrono_daemon.transports.zmq import (
    open_zmq_channel,
    open_zmq_receive,
    open_zmq_send,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", ["inproc", "ipc"])
async def test_a_full_queue_tells_a_foreign_peer_of_the_end(
    kind: str, tmp_path: object
) -> None:
    """Filled without a wait and closed, it still sends its end frame."""
    address = f"inproc://{uuid4()}" if kind == "inproc" else f"ipc://{tmp_path}/s"
    send: Any = open_zmq_send(address, bind=True, linger_ms=2000)
    peer: zmq.asyncio.Socket = zmq.asyncio.Context.instance().socket(zmq.PAIR)
    peer.connect(address)
    await send.send(0)
    with pytest.raises(WouldBlock):
        while True:
            send.send_nowait(1)
    await send.aclose()
    while await peer.recv() != b"E":
        pass
    if kind == "ipc":
        await peer.send(b"C")
    peer.close(0)


async def test_a_crashed_peer_is_noticed_when_asked_to(tmp_path: object) -> None:
    """A process that dies without a word ends the channel by peer_timeout_ms."""
    address = f"ipc://{tmp_path}/s"
    recv: Any = open_zmq_receive(address, peer_timeout_ms=300)
    code = (
        "import asyncio, os\n"
        "from chrono_daemon.transports.zmq import open_zmq_send\n"
        "async def main():\n"
        f"    send = open_zmq_send({address!r}, maxsize=9)\n"
        "    for n in range(3):\n"
        "        await send.send(n)\n"
        "    await asyncio.sleep(0.3)\n"
        "    os._exit(9)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    got = []
    with pytest.raises(ChannelClosed, match="gone"):
        async for item in recv:
            got.append(item)
    assert got == [0, 1, 2]
    assert await process.wait() == 9
    await recv.aclose()


def test_ends_in_two_threads_close_each_other(inproc: str) -> None:
    """Each end belongs to its own event loop; debug mode would find a trespass."""
    is_parked, is_closed = threading.Event(), threading.Event()

    async def send() -> str:
        end: Any = open_zmq_send(inproc, bind=True)
        await end.send(0)
        with suppress(WouldBlock):
            while True:
                end.send_nowait(1)
        waiting = asyncio.create_task(end.send(2))
        await settle()
        is_parked.set()
        # The loop stands still, so the other end can't be heard before it has closed.
        is_closed.wait()
        with pytest.raises(ChannelClosed) as caught:
            await waiting
        await end.aclose()
        return str(caught.value)

    async def receive() -> None:
        end: Any = open_zmq_receive(inproc, bind=False)
        assert await end.receive() == 0
        await asyncio.to_thread(is_parked.wait)
        try:
            await end.aclose()
        finally:
            is_closed.set()

    said: list[str] = []
    thread = threading.Thread(
        target=lambda: said.append(asyncio.run(send(), debug=True)), daemon=True
    )
    thread.start()
    asyncio.run(receive(), debug=True)
    thread.join()
    assert said == ["the receive side of this channel is closed"]


async def test_the_end_waits_for_a_peer_that_is_late(tmp_path: object) -> None:
    """Connected to nobody yet and full, it is told to whoever comes in the linger."""
    address = f"ipc://{tmp_path}/s"
    send: Any = open_zmq_send(address, maxsize=3, linger_ms=-1)
    accepted = 0
    with suppress(WouldBlock):
        while True:
            send.send_nowait(accepted)
            accepted += 1
    await send.aclose()
    recv: Any = open_zmq_receive(address, maxsize=3)
    assert [n async for n in recv] == list(range(accepted))
    await recv.aclose()


@pytest.mark.parametrize("kind", ["ipc", "tcp"])
@pytest.mark.parametrize("waits", [False, True])
async def test_a_program_that_ends_has_said_so(
    kind: str, waits: bool, tmp_path: object, free_port: int
) -> None:
    """What was accepted arrives, and the end, though its event loop ends at once."""
    address = f"ipc://{tmp_path}/s" if kind == "ipc" else f"tcp://127.0.0.1:{free_port}"
    recv: Any = open_zmq_receive(address, maxsize=2)
    code = (
        "import asyncio\n"
        "from chrono_daemon import WouldBlock\n"
        "from chrono_daemon.transports.zmq import open_zmq_send\n"
        "async def main():\n"
        f"    send = open_zmq_send({address!r}, maxsize=2, linger_ms=-1)\n"
        "    await send.send(0)\n"
        "    n = 1\n"
        "    try:\n"
        f"        while n < 30 or not {waits}:\n"
        f"            if {waits}:\n"
        "                await send.send([n, bytes(200_000)])\n"
        "            else:\n"
        "                send.send_nowait([n, bytes(200_000)])\n"
        "            n += 1\n"
        "    except WouldBlock:\n"
        "        pass\n"
        "    await send.aclose()\n"
        "    print(n, flush=True)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    if not waits:
        # Only read when all is sent: the queue is full, then.
        said = int(await process.stdout.readline())
    got = [item async for item in recv]
    if waits:
        said = int(await process.stdout.readline())
    assert len(got) == said
    assert await process.wait() == 0
    await recv.aclose()


@pytest.mark.parametrize("kind", ["ipc", "tcp"])
async def test_a_program_that_lingers_without_end_ends_with_its_peer(
    kind: str, tmp_path: object, free_port: int
) -> None:
    """Its loop has ended with a full queue; the peer goes without reading."""
    address = f"ipc://{tmp_path}/s" if kind == "ipc" else f"tcp://127.0.0.1:{free_port}"
    code = (
        "import asyncio\n"
        "from chrono_daemon import WouldBlock\n"
        "from chrono_daemon.transports.zmq import open_zmq_send\n"
        "async def main():\n"
        f"    send = open_zmq_send({address!r}, bind=True, maxsize=2, linger_ms=-1)\n"
        "    await send.send(0)\n"
        "    try:\n"
        "        while True:\n"
        "            send.send_nowait(bytes(200_000))\n"
        "    except WouldBlock:\n"
        "        pass\n"
        "    await send.aclose()\n"
        "    print('closed', flush=True)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=subprocess.PIPE
    )
    peer: zmq.asyncio.Socket = zmq.asyncio.Context.instance().socket(zmq.PAIR)
    peer.setsockopt(zmq.RCVHWM, 2)
    peer.connect(address)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"closed\n"
    peer.close(0)
    assert await process.wait() == 0


@pytest.mark.parametrize("step", [1, -1])
async def test_ends_of_several_streams_do_not_wait_for_each_other(
    step: int, tmp_path: object
) -> None:
    """A program has ended with full queues; its peer reads them in an order of its own."""
    addresses = [f"ipc://{tmp_path}/{n}" for n in range(3)]
    code = (
        "import asyncio\n"
        "from chrono_daemon import WouldBlock\n"
        "from chrono_daemon.transports.zmq import open_zmq_send\n"
        "async def full(address):\n"
        "    send = open_zmq_send(address, bind=True, maxsize=2, linger_ms=-1)\n"
        "    await send.send(0)\n"
        "    for _ in range(50):\n"
        "        try:\n"
        "            send.send_nowait(bytes(200_000))\n"
        "        except WouldBlock:\n"
        "            await asyncio.sleep(0.005)\n"
        "    return send\n"
        "async def main():\n"
        f"    for send in [await full(a) for a in {addresses!r}]:\n"
        "        await send.aclose()\n"
        "    print('closed', flush=True)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=subprocess.PIPE
    )
    ends: list[Any] = [open_zmq_receive(a, bind=False, maxsize=2) for a in addresses]
    assert process.stdout is not None
    assert await process.stdout.readline() == b"closed\n"
    await asyncio.sleep(0.2)
    try:
        with anyio.fail_after(10):
            for recv in ends[::step]:
                assert len([item async for item in recv]) > 1
            assert await process.wait() == 0
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        for recv in ends:
            await recv.aclose()


async def test_whoever_is_sent_away_was_not_the_peer(free_port: int) -> None:
    """Anybody can connect to a port, and even be a PAIR."""
    address = f"tcp://127.0.0.1:{free_port}"
    recv: Any = open_zmq_receive(address, peer_timeout_ms=60_000)
    send: Any = open_zmq_send(address)
    await send.send("first")
    assert await recv.receive() == "first"
    async with anyio.create_task_group() as group:

        async def receive() -> None:
            assert await recv.receive() == "second"

        group.start_soon(receive)
        with socket.create_connection(("127.0.0.1", free_port)) as stranger:
            stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
        second: zmq.asyncio.Socket = zmq.asyncio.Context.instance().socket(zmq.PAIR)
        second.connect(address)
        await asyncio.sleep(0.1)
        second.close(0)
        await asyncio.sleep(0.1)
        await send.send("second")
    await send.aclose()
    await recv.aclose()


def test_many_connections_stop_nothing(free_port: int) -> None:
    """A check of the port every second, for an hour: ZeroMQ's thread waited for ever."""
    address = f"tcp://127.0.0.1:{free_port}"
    code = (
        "import asyncio, socket\n"
        "from chrono_daemon.transports.zmq import open_zmq_receive, open_zmq_send\n"
        "async def main():\n"
        f"    recv = open_zmq_receive({address!r})\n"
        f"    send = open_zmq_send({address!r})\n"
        "    for _ in range(2500):\n"
        f"        socket.create_connection(('127.0.0.1', {free_port})).close()\n"
        "    await asyncio.sleep(0.2)\n"
        "    await send.send(1)\n"
        "    print(await recv.receive())\n"
        "    await send.aclose()\n"
        "    await recv.aclose()\n"
        "asyncio.run(main())\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=30, check=True
    )
    assert ran.stdout == b"1\n"


@pytest.mark.parametrize("before", [True, False])
async def test_a_destroyed_context_takes_its_ends_along(
    before: bool, tmp_path: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Before an end was closed, or while it still says so."""
    context = zmq.asyncio.Context()
    address = f"ipc://{tmp_path}/s"
    send: Any = open_zmq_send(address, bind=True, context=context, linger_ms=-1)
    peer: zmq.asyncio.Socket = zmq.asyncio.Context.instance().socket(zmq.PAIR)
    peer.setsockopt(zmq.RCVHWM, 2)
    peer.connect(address)
    await send.send(0)
    for _ in range(30):
        try:
            send.send_nowait(bytes(500_000))
        except WouldBlock:
            await asyncio.sleep(0.005)
    if before:
        context.destroy(0)
    await send.aclose()
    await asyncio.sleep(0.01)
    context.destroy(0)
    await asyncio.sleep(0.01)
    peer.close(0)
    gc.collect()
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("bound", "connected"),
    [
        ("tcp://*:{port}", "tcp://127.0.0.1:{port}"),
        ("tcp://127.0.0.1:{port}", "tcp://localhost:{port}"),
    ],
)
async def test_a_peer_in_this_thread_is_not_seen_to_go(
    bound: str, connected: str, free_port: int
) -> None:
    """However its address is spelt: who waits for it here without end, hangs."""
    into = Wire(bound.format(port=free_port), True, 2, -1, None, None)
    out = Wire(connected.format(port=free_port), False, 2, -1, None, None)
    assert not out.is_watched()
    into.close()
    assert out.is_watched()
    out.close()


def test_a_loop_that_ends_waits_for_nobody_who_lives_in_it(inproc: str) -> None:
    """The other end can't read any more, for however long one lingers."""

    async def main() -> None:
        ch: Channel[Any] = open_zmq_channel(inproc, maxsize=1, linger_ms=-1)
        with suppress(WouldBlock):
            while True:
                ch.send.send_nowait(0)
        await ch.send.aclose()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the receive end is left open
        asyncio.run(main())
