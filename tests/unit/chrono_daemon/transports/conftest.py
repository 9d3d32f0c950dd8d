"""Fixtures for ZeroMQ's channels: addresses of each kind that nobody uses."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import zmq
import zmq.asyncio

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def anyio_backend() -> str:
    """ZeroMQ's futures are asyncio's."""
    return "asyncio"


@pytest.fixture
def free_port() -> int:
    """Return a port that nobody listens at."""
    with zmq.Context() as context, context.socket(zmq.PAIR) as probe:
        return probe.bind_to_random_port("tcp://127.0.0.1")


@pytest.fixture(params=["inproc", "ipc", "tcp"])
def address(request: pytest.FixtureRequest, tmp_path: object, free_port: int) -> str:
    """Return an unused address of each kind."""
    if request.param == "inproc":
        return f"inproc://{uuid4()}"
    if request.param == "ipc":
        return f"ipc://{tmp_path}/s"
    return f"tcp://127.0.0.1:{free_port}"


@pytest.fixture
def inproc() -> str:
    """Return an unused in-process address."""
    return f"inproc://{uuid4()}"


@pytest.fixture(autouse=True)
def _context() -> Iterator[None]:
    yield
    zmq.asyncio.Context.instance().destroy(linger=0)
