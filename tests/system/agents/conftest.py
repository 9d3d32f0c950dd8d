"""A daemon with a real time server, for all tests of agents."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chronotick import Clock, ClockError
from system.agents.servers import without_network
from system.peers import chronyd, running_daemon, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS_VARIABLE = "CHRONOTICK_AGENT_CLIENTS"
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs foreign clients, unless they are said to be installed.

    With the variable set nothing here is skipped: what is missing then fails.
    """
    if CLIENTS_VARIABLE in os.environ:
        return
    skip = pytest.mark.skip(reason="needs real clients: make test-agents")
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(skip)


def pytest_report_header() -> str:
    """Say whether Claude Code is tried without a network; it passes either way."""
    cut = "has loopback only" if without_network() else "is NOT cut off: no unshare"
    return f"agents: the network of Claude Code {cut}"


@pytest.fixture(scope="session")
def clients() -> Path:
    """The folder into which `make test-agents` has installed the clients."""
    return Path(os.environ[CLIENTS_VARIABLE]).resolve()


@pytest.fixture(scope="session")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A segment on which a daemon publishes a chronyd's time."""
    folder = tmp_path_factory.mktemp("agents")
    path = folder / "segment"
    with (
        chronyd(folder / "chrony") as port,
        running_daemon(path, "--server", f"127.0.0.1:{port}"),
        Clock(path) as clock,
    ):

        def publishes() -> bool:
            try:
                clock.now_ns()
            except ClockError:
                return False
            return True

        wait_until(publishes, limit_s=30.0)
        yield path
