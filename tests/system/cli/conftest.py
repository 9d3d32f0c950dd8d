"""A real NTP server on loopback whose truth is this machine's CLOCK_REALTIME."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import pytest

from chronotick.sim.server import HonestServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from chronotick.sim.server import NtpResponder

    Serve: TypeAlias = Callable[[NtpResponder], AbstractContextManager[str]]


@contextmanager
def _serve(responder: NtpResponder) -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.05)
        stop = threading.Event()

        def answer() -> None:
            while not stop.is_set():
                try:
                    request, client = sock.recvfrom(1280)
                except TimeoutError:
                    continue
                now_ns = time.time_ns()
                reply = responder.reply(
                    request, receive_utc_ns=now_ns, transmit_utc_ns=time.time_ns()
                )
                if reply is not None:
                    sock.sendto(reply, client)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{sock.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


@pytest.fixture
def serve() -> Serve:
    """Return a context manager that runs a responder and gives its address."""
    return _serve


@pytest.fixture
def honest() -> Iterator[str]:
    """The address of a server that tells this machine's CLOCK_REALTIME."""
    with _serve(HonestServer()) as address:
        yield address
