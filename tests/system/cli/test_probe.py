"""One request to a real socket, and every way in which it can end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chronotick.cli.probe import probe_all
from chronotick.daemon.config import Server
from chronotick.sim.refusal import DenyingServer, SilentServer
from chronotick.sim.server import UnsynchronizedServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from chronotick.sim.server import NtpResponder


def test_an_honest_server_agrees_with_the_system_clock(honest: str) -> None:
    """It serves CLOCK_REALTIME, so the offset lies within the bound that it gives."""
    (probe,) = probe_all([Server(honest)], 5.0)

    assert probe.trouble == ""
    assert probe.endpoint == honest
    assert probe.sample is not None
    assert probe.system_offset_ns is not None
    assert abs(probe.system_offset_ns) <= probe.sample.half_width_ns


@pytest.mark.parametrize(
    ("responder", "timeout_s", "trouble"),
    [
        (SilentServer(), 0.2, "no answer in time"),
        (DenyingServer("DENY"), 5.0, "refuses to serve us (kiss code DENY)"),
        (UnsynchronizedServer(), 5.0, "unsynchronized: leap 3"),
    ],
)
def test_what_went_wrong_is_said(
    serve: Callable[[NtpResponder], AbstractContextManager[str]],
    responder: NtpResponder,
    timeout_s: float,
    trouble: str,
) -> None:
    """Silence, a kiss of death and a server without time each have their clause."""
    with serve(responder) as address:
        (probe,) = probe_all([Server(address)], timeout_s)

    assert probe.sample is None
    assert probe.trouble == trouble


def test_a_closed_port_and_a_name_that_does_not_exist_are_told_apart() -> None:
    """Servers are asked at the same time and reported in their order."""
    refused, unknown = probe_all(
        [Server("127.0.0.1:1"), Server("no-such-host.invalid")], 20.0
    )

    assert refused.trouble == "Connection refused"
    assert unknown.trouble.startswith("cannot resolve no-such-host.invalid: ")
