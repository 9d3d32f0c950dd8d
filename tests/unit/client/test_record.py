"""The original design's client: float seconds, flags, and honest refusals."""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chronotick.client.record import ChronoTickClient, ChronoTickData
from chronotick.core.errors import ClockError, NoDaemon, NotSynchronized
from chronotick.core.records import Variance
from chronotick.core.status import Source, Status
from chronotick.core.units import NS_PER_S
from chronotick.shm.layout import COMPATIBILITY
from chronotick.shm.writer import SegmentWriter
from unit.shm.frames import RAW_NS, UTC_NS, make_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unit.client.virtual import VirtualHost


@pytest.fixture
def client(path: str, host: VirtualHost) -> Iterator[ChronoTickClient]:
    """Return a client that is not attached yet."""
    with ChronoTickClient(path, clocks=host) as client:
        yield client


def test_it_has_every_field_of_the_record() -> None:
    """By the record's names; the sequence number and padding are no data."""
    names = [field.name for field in COMPATIBILITY]
    for name in ("sequence_number", "reserved", "reserved_tail"):
        names.remove(name)

    assert sorted(ChronoTickData._fields) == sorted(names)


def test_the_time_is_that_of_the_call(
    writer: SegmentWriter, client: ChronoTickClient, host: VirtualHost
) -> None:
    """Not that of the last heartbeat."""
    writer.publish(make_frame())
    host.advance(0.75)
    got = client.get_time()

    assert got.corrected_timestamp == pytest.approx(UTC_NS / 1e9 + 0.75, abs=1e-5)
    assert got.offset_correction == pytest.approx(1e-6, abs=3e-7)
    assert got.prediction_time == got.system_timestamp
    assert got.valid_until == pytest.approx(got.system_timestamp + 99.25, abs=1e-5)
    assert got.daemon_uptime == pytest.approx(60.75, abs=1e-5)
    assert got.source is Source.FUSION
    assert got.source.name == "FUSION"
    assert got.is_valid
    assert got.is_ntp_ready
    assert got.is_models_ready
    assert got.is_warmup_complete


def test_it_agrees_with_the_record_in_the_segment(
    path: str, writer: SegmentWriter, client: ChronoTickClient, host: VirtualHost
) -> None:
    """A reader that knows only the original document computes the same time."""
    for second in range(3):
        writer.publish(make_frame(raw_ns=RAW_NS + second * NS_PER_S, rate_ppb=500.0))
        host.advance(1.0)
    host.advance(0.5)
    got = client.get_time()
    offset, drift = struct.unpack_from("<2d", Path(path).read_bytes(), 16)
    (predicted,) = struct.unpack_from("<d", Path(path).read_bytes(), 48)
    theirs = got.system_timestamp + offset + drift * (got.system_timestamp - predicted)

    assert theirs == pytest.approx(got.corrected_timestamp, abs=1e-6)


def test_corrected_time_follows_offset_and_drift() -> None:
    """corrected(t) = t + offset + drift · (t − prediction time)."""
    data = _data(offset_correction=0.5, drift_rate=1e-3, prediction_time=1000.0)

    assert data.get_corrected_time_at(1000.0) == 1000.5
    assert data.get_corrected_time_at(1010.0) == pytest.approx(1010.51)


def test_uncertainty_grows_with_the_square_root_of_squares() -> None:
    """sigma(t) = √(offset² + (drift · t)²)."""
    data = _data(offset_uncertainty=3e-3, drift_uncertainty=1e-3)

    assert data.get_time_uncertainty() == pytest.approx(3e-3)
    assert data.get_time_uncertainty(4.0) == pytest.approx(5e-3)


def test_a_daemon_is_ready_when_a_time_can_be_had(
    path: str, client: ChronoTickClient
) -> None:
    """Neither without a daemon, nor without a time."""
    assert not client.is_daemon_ready()
    with SegmentWriter(path) as writer:
        writer.publish(make_frame(status=Status.UNKNOWN))
        assert not client.is_daemon_ready()
        writer.publish(make_frame())
        assert client.is_daemon_ready()


def test_no_time_is_an_error(path: str, client: ChronoTickClient) -> None:
    """There is no invalid record to forget to check."""
    with pytest.raises(NoDaemon):
        client.get_time()
    with SegmentWriter(path) as writer:
        writer.publish(make_frame(status=Status.UNKNOWN))
        with pytest.raises(NotSynchronized):
            client.get_time()


def test_waiting_reaches_the_target(
    writer: SegmentWriter, client: ChronoTickClient, host: VirtualHost
) -> None:
    """On corrected time, within the tolerance."""
    writer.publish(make_frame())

    assert client.wait_until(UTC_NS / 1e9 + 2.0)
    assert host.utc_ns >= UTC_NS + 2 * NS_PER_S - 1_000


def test_waiting_for_the_past_is_too_late(
    writer: SegmentWriter, client: ChronoTickClient
) -> None:
    """False says that the moment was missed."""
    writer.publish(make_frame())

    assert not client.wait_until(UTC_NS / 1e9 - 1.0)
    assert client.wait_until(UTC_NS / 1e9 - 1.0, tolerance_ms=1100)


def test_the_future_is_extrapolated_with_its_uncertainty(
    writer: SegmentWriter, client: ChronoTickClient
) -> None:
    """Later and less certain."""
    writer.publish(make_frame(rate_ppb=1e3, variance=Variance(1e6, 0.0, 1e6)))
    now, later = client.get_time(), client.get_future_time(10.0)

    ahead_s = later.corrected_timestamp - now.corrected_timestamp
    assert ahead_s == pytest.approx(10.0 + 10e-6, abs=3e-6)
    assert later.offset_uncertainty > now.offset_uncertainty
    assert later.valid_until == pytest.approx(now.valid_until, abs=1e-5)


def test_the_future_beyond_expiry_is_refused(
    writer: SegmentWriter, client: ChronoTickClient
) -> None:
    """With how far it can be told."""
    writer.publish(make_frame())

    with pytest.raises(ClockError, match=r"holds for another 100 s.*in 101 s"):
        client.get_future_time(101.0)


@pytest.mark.parametrize("seconds", [math.inf, math.nan, 1e9])
def test_a_future_that_is_not_told_is_refused(
    writer: SegmentWriter, client: ChronoTickClient, seconds: float
) -> None:
    """Never a record of no numbers."""
    writer.publish(make_frame())

    with pytest.raises(ClockError, match="cannot say what will be"):
        client.get_future_time(seconds)


def test_the_daemon_is_described(
    path: str, writer: SegmentWriter, client: ChronoTickClient
) -> None:
    """For people: who publishes, since when, how."""
    writer.publish(make_frame())
    info = client.get_daemon_info()

    assert info["path"] == path
    assert info["pid"] == os.getpid()
    assert info["owner_uid"] == os.getuid()
    assert info["heartbeat_hz"] == 100.0
    assert info["status"] == "synchronized"
    assert info["uptime_s"] == pytest.approx(60.0, abs=1e-3)


def test_a_daemon_that_tells_no_heartbeat_has_none(
    writer: SegmentWriter, client: ChronoTickClient
) -> None:
    """Readers are patient with it; a gap of 0 is no division."""
    writer.publish(make_frame(frame={"heartbeat_ns": 0}))

    assert client.get_daemon_info()["heartbeat_hz"] == 0.0


@pytest.mark.parametrize(
    ("age_s", "changes"),
    [
        (200.0, {}),
        (0.0, {"status": Status.UNKNOWN}),
        (0.0, {"frame": {"disruption_marker": 8}}),
        (-5.0, {}),
    ],
    ids=["silent", "unknown", "moved", "future"],
)
def test_a_daemon_that_gives_no_time_is_told_of(
    writer: SegmentWriter,
    client: ChronoTickClient,
    host: VirtualHost,
    monkeypatch: pytest.MonkeyPatch,
    age_s: float,
    changes: dict[str, Any],
) -> None:
    """Whose it is and where is wanted most when it has gone silent."""
    monkeypatch.setattr("chronotick.client.attachment.DisruptionMarker", _Marker)
    writer.publish(make_frame(**changes))
    host.advance(age_s)
    with pytest.raises(ClockError):
        client.get_time()
    info = client.get_daemon_info()

    assert (info["path"], info["pid"]) == (writer.path, os.getpid())
    assert info["status"] == "unknown"
    assert info["uptime_s"] == pytest.approx(60.0, abs=1e-3)


class _Marker:
    words = (0, 0, 7)


def test_where_there_is_no_daemon_there_is_nothing_to_tell(
    path: str, client: ChronoTickClient
) -> None:
    """Nor of one that has published nothing, nor to one that has closed."""
    with pytest.raises(NoDaemon):
        client.get_daemon_info()
    with SegmentWriter(path), pytest.raises(NotSynchronized):
        client.get_daemon_info()
    client.close()
    with pytest.raises(ValueError, match="closed"):
        client.get_daemon_info()


def _data(**changes: float) -> ChronoTickData:
    zeros = dict.fromkeys(ChronoTickData._fields, 0.0)
    return ChronoTickData(**(zeros | changes))  # type: ignore[arg-type]
