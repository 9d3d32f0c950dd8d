"""The record of the original design, as an object: float seconds and flags.

Decides how `Clock`'s findings are told in those terms. Everything it returns is derived
from the same publication, with the same checks, as `Clock.interval`; it never reads the
128 bytes at the start of the segment, which a killed writer can leave half done.
"""

from __future__ import annotations

import math
import os  # noqa: TC003 - annotations are read at run time (tests/unit/client/test_hints.py)
from typing import Any, NamedTuple, Self

from chronotick.client.clock import Clock, HostClocks
from chronotick.core.errors import ClockError
from chronotick.core.status import Source, Status
from chronotick.core.units import NS_PER_S
from chronotick.shm.compat import Flag, choose_baseline, derive_record
from chronotick.shm.reader import SegmentReader

__all__ = ["ChronoTickClient", "ChronoTickData"]


class ChronoTickData(NamedTuple):
    """A correction relative to CLOCK_REALTIME. Immutable. Times in float Unix seconds.

    A float Unix time resolves 240 ns: for anything finer there is `Clock.now_ns`.
    """

    corrected_timestamp: float
    """UTC at the moment of the call."""
    system_timestamp: float
    """CLOCK_REALTIME at the same moment."""
    offset_correction: float
    """UTC − CLOCK_REALTIME in s: adding it corrects."""
    drift_rate: float
    """Rate of `offset_correction` in s/s."""
    offset_uncertainty: float
    """Standard deviation of `offset_correction` in s."""
    drift_uncertainty: float
    """Standard deviation of `drift_rate` in s/s."""
    prediction_time: float
    """CLOCK_REALTIME at which offset and drift apply."""
    valid_until: float
    """CLOCK_REALTIME from which the correction is refused."""
    confidence: float
    """Share of the configured servers that agree, 0..1."""
    flags: Flag
    source: Source
    measurement_count: int
    last_ntp_sync: float
    """CLOCK_REALTIME of the newest measurement; 0 where there is none."""
    daemon_uptime: float
    """Seconds between the daemon's start and `prediction_time`."""
    total_corrections: int
    average_latency_ms: float
    """Round trip to the server in use, in ms."""

    def get_corrected_time_at(self, system_time: float) -> float:
        """Return UTC at the moment when CLOCK_REALTIME reads `system_time` (Unix s)."""
        elapsed_s = system_time - self.prediction_time
        return system_time + self.offset_correction + self.drift_rate * elapsed_s

    def get_time_uncertainty(self, dt: float = 0.0) -> float:
        """Return the standard deviation in s, `dt` seconds after `prediction_time`."""
        return math.hypot(self.offset_uncertainty, self.drift_uncertainty * dt)

    @property
    def is_valid(self) -> bool:
        """Whether the record carried a time when it was read."""
        return Flag.VALID in self.flags

    @property
    def is_ntp_ready(self) -> bool:
        """Whether at least one measurement was used."""
        return Flag.NTP_READY in self.flags

    @property
    def is_models_ready(self) -> bool:
        """Whether a model that learns made the correction."""
        return Flag.MODELS_READY in self.flags

    @property
    def is_warmup_complete(self) -> bool:
        """Whether the oscillator's rate has been learned."""
        return Flag.WARMUP_COMPLETE in self.flags


class ChronoTickClient:
    """The client of the original design. Thread-safe; a context manager.

    Args:
        path: The segment; default as in `Clock`.
        clocks: As in `Clock`.

    Methods that read the time raise what `Clock` raises.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        clocks: HostClocks | None = None,
    ) -> None:
        self._clock = Clock(path) if clocks is None else Clock(path, clocks=clocks)

    def get_time(self) -> ChronoTickData:
        """Return the correction that holds now."""
        now = self._clock.publication()
        return ChronoTickData._make(
            derive_record(
                now.snapshot,
                started_raw_ns=now.header.started_raw_ns,
                baseline=choose_baseline(now.snapshot, now.history),
            )
        )

    def is_daemon_ready(self) -> bool:
        """Say whether `get_time` would return a time now."""
        try:
            self._clock.now_ns()
        except ClockError:
            return False
        return True

    def wait_until(self, target: float, tolerance_ms: float = 1.0) -> bool:
        """Block until the corrected time (the midpoint) reaches `target` (Unix s).

        Returns:
            Whether it was reached within `tolerance_ms`. False means too late: the
            target had passed before the call, or the machine was busy. For an order
            that is certain, use `Clock.wait_until_after`.
        """
        return self._clock.wait_until(target) <= tolerance_ms * 1e6

    def get_future_time(self, seconds: float) -> ChronoTickData:
        """Return what the record will say in `seconds`, if no measurement comes.

        Raises:
            ClockError: also where the correction expires before that.
        """
        now = self.get_time()
        at_s = now.system_timestamp + seconds
        if not at_s < now.valid_until:  # nor if it is no number
            raise ClockError(
                f"the correction at {self._clock.path} holds for another "
                f"{now.valid_until - now.system_timestamp:.3g} s: it cannot say what "
                f"will be in {seconds:.3g} s"
            )
        corrected_s = now.get_corrected_time_at(at_s)
        return now._replace(
            corrected_timestamp=corrected_s,
            system_timestamp=at_s,
            offset_correction=now.offset_correction + now.drift_rate * seconds,
            offset_uncertainty=now.get_time_uncertainty(seconds),
            prediction_time=at_s,
        )

    def get_daemon_info(self) -> dict[str, Any]:
        """Return what is known of the daemon, for people; also of one that went silent.

        Keys: path, pid, start_id, owner_uid, layout_version, sequence, status, source,
        heartbeat_hz, uptime_s, measurement_count, total_corrections. Where no time can
        be given, `status` is ``unknown``, and the rest is what was published last.

        Raises:
            NoDaemon: there is no segment at the path.
            NotSynchronized: nothing has been published yet.
            ClockDisrupted: the segment is of another boot or time namespace.
            TornRead, SegmentError: as `Clock`.
            ValueError: the client is closed.
        """
        try:
            snapshot, header, _, owner_uid = self._clock.publication()
        except ClockError:
            # Whose it is and where is wanted most when it gives no time any more.
            reader = SegmentReader(self._clock.path)
            snapshot = reader.read()._replace(status=Status.UNKNOWN)
            header, owner_uid = reader.header, reader.mapping.uid
        uptime_ns = snapshot.as_of_raw_ns - header.started_raw_ns
        gap_ns = snapshot.heartbeat_ns
        return {
            "path": self._clock.path,
            "pid": header.writer_pid,
            "start_id": f"{header.start_id:016x}",
            "owner_uid": owner_uid,
            "layout_version": header.version,
            "sequence": snapshot.sequence,
            "status": snapshot.status.name.lower(),
            "source": snapshot.source.name,
            "heartbeat_hz": NS_PER_S / gap_ns if gap_ns else 0.0,
            "uptime_s": uptime_ns / NS_PER_S,
            "measurement_count": snapshot.measurement_count,
            "total_corrections": snapshot.correction_count,
        }

    def close(self) -> None:
        """Detach; see `Clock.close`."""
        self._clock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
