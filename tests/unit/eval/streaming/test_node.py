"""A node without clocks says what is missing, and stamps nothing that it has not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chrono_daemon import Supervisor
from chronotick.eval.streaming.hosts import RealHost
from chronotick.eval.streaming.node import Node, NodeSettings

if TYPE_CHECKING:
    from pathlib import Path


def test_without_a_daemon_it_is_not_ready(tmp_path: Path) -> None:
    """The line says where a daemon was looked for."""
    node = Node(NodeSettings(segment=str(tmp_path / "none")), RealHost())

    assert "no daemon is publishing at" in node.why_not_ready()
    assert str(tmp_path) in node.why_not_ready()


def test_without_clocks_there_are_only_system_stamps(tmp_path: Path) -> None:
    """Null with a reason, never the system clock in another's column."""
    host = RealHost()
    node = Node(NodeSettings(segment=str(tmp_path / "none")), host)
    stamps = node.stamps(host.measured.raw_ns())

    assert stamps.columns() == {
        "ct_status": "NoDaemon",
        "true_time_ns": None,
        "ntp_status": "no server to ask",
    }
    assert node.sigma_ms() is None


def test_a_server_that_has_not_answered_is_another_reason_than_none(
    tmp_path: Path,
) -> None:
    """The reason is in the row."""
    settings = NodeSettings(
        segment=str(tmp_path / "none"), ntp_servers=("127.0.0.1:9",)
    )
    host = RealHost()
    stamps = Node(settings, host).stamps(host.measured.raw_ns())

    assert stamps.columns()["ntp_status"] == "no exchange yet"


@pytest.mark.anyio
async def test_a_server_that_does_not_answer_is_waited_for(tmp_path: Path) -> None:
    """Plain NTP is part of being ready where it was asked for."""
    settings = NodeSettings(
        segment=str(tmp_path / "none"), ntp_servers=("127.0.0.1:9",)
    )
    node = Node(settings, RealHost())
    async with Supervisor() as supervisor:
        node.start(supervisor)
        assert node.why_not_ready() == "plain NTP: no server has answered yet"
        await supervisor.stop(grace=0)
