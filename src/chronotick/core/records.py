"""The frozen records that travel along the pipeline: one per arrow.

``Datagram → Exchange → Estimate → Correction → Frame``; a reader turns a Frame into an
`Interval` (`chronotick.core.reading`). Stages share these nouns, never code. Units
and signs: `chronotick.core.units`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.span import Span
from chronotick.core.status import Leap, Reason, Smear, Source, Status
from chronotick.core.units import SUSPEND_SLACK_NS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Audit",
    "ClockPair",
    "Correction",
    "DaemonReport",
    "Datagram",
    "Endpoint",
    "Estimate",
    "Exchange",
    "Frame",
    "Sample",
    "SourceReport",
    "Variance",
]


class Endpoint(NamedTuple):
    """A numeric UDP address. IPv6 link-local addresses carry ``%scope``."""

    address: str
    port: int

    def __str__(self) -> str:
        """Return ``address:port``, IPv6 in brackets (RFC 3986 §3.2.2)."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


class ClockPair(NamedTuple):
    """The host's clocks read together.

    `realtime_ns` belongs to `raw_ns` within ± `error_ns` (half the time that the
    bracketing reads took). `suspend_ns` is CLOCK_BOOTTIME − CLOCK_MONOTONIC: it grows
    when the machine sleeps, and only then. `disruption_marker` is vmclock's counter,
    which changes when a virtual machine is moved or restored; None where there is none.
    """

    raw_ns: int
    realtime_ns: int
    error_ns: int
    suspend_ns: int
    disruption_marker: int | None = None

    def is_continuous_with(self, earlier: ClockPair) -> bool:
        """Say whether RAW ran through from `earlier` to here, as far as can be seen."""
        slept_ns = self.suspend_ns - earlier.suspend_ns
        return (
            slept_ns <= SUSPEND_SLACK_NS
            and self.disruption_marker == earlier.disruption_marker
        )


class Variance(NamedTuple):
    """Variance of the offset against age: ``v0 + v1 t + v2 t² + v3 t³``.

    ns², t in seconds since the anchor. For a two-state oscillator model v0 is the
    offset's variance, v1 twice the covariance plus white FM, v2 the rate's variance
    and v3 a third of the random-walk FM (q2 / 3).
    """

    v0: float
    v1: float = 0.0
    v2: float = 0.0
    v3: float = 0.0

    def at(self, age_s: float) -> float:
        """Return the variance in ns² at `age_s` (negative ages count as 0)."""
        t = max(age_s, 0.0)
        return self.v0 + t * (self.v1 + t * (self.v2 + t * self.v3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Datagram:
    """One received UDP payload with the instant of its arrival on RAW.

    `stamp_error_ns` bounds how far `raw_ns` can be from the true arrival because of
    the mapping from the kernel's CLOCK_REALTIME stamp (or of the late user-space read,
    which only ever makes the delay look longer and so keeps the bound sound).
    """

    payload: bytes
    origin: Endpoint
    raw_ns: int
    kernel_stamp: bool
    stamp_error_ns: int = 0
    destination: str | None = None
    """Our numeric address that it was sent to; None where nobody needs to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One completed exchange with one server (RFC 5905 §8), relative to RAW."""

    server: str
    """Name of the association, unique in the configuration."""
    raw_ns: int
    """Midpoint of send and receive on CLOCK_MONOTONIC_RAW."""
    offset_ns: int
    """UTC − RAW at `raw_ns`: ((T2 − T1) + (T3 − T4)) / 2."""
    delay_ns: int
    """Round trip without the server's share: (T4 − T1) − (T3 − T2), never negative."""
    root_delay_ns: int
    root_dispersion_ns: int
    precision_ns: int
    """Largest reading error of both clocks (server's precision, our stamps)."""
    stratum: int
    leap: Leap = Leap.NONE
    reference_id: int = 0
    kernel_stamp: bool = False

    @property
    def half_width_ns(self) -> int:
        """Root distance at the instant of the exchange, rounded up (RFC 5905 §11.2).

        Half of both round trips (all the asymmetry there can be), what the server says
        of its own error, and the reading errors. It holds if the server tells the
        truth about itself; it does not age here.
        """
        round_trips_ns = self.delay_ns + self.root_delay_ns
        return (round_trips_ns + 1) // 2 + self.root_dispersion_ns + self.precision_ns

    @property
    def reading_variance(self) -> float:
        """Variance of an error that is uniform within the precision, ns²."""
        return max(self.precision_ns, 1) ** 2 / 3.0

    @property
    def span(self) -> Span:
        """Where UTC − RAW must lie at `raw_ns` if the server is truthful."""
        return Span.around(self.offset_ns, self.half_width_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """How one poll of one server ended, with its sample where it gave one."""

    server: str
    endpoint: Endpoint | None
    """Address in use; None while the name is unresolved."""
    state: str
    """`ok`, `lost`, `unresolved`, `denied`, `rejected`, or `duplicate` where the server
    is asked under another name."""
    sample: Sample | None = None
    useful: bool = False
    """Whether the sample filter lets the sample reach the oscillator models. The hard
    bound takes every sample."""
    detail: str = ""
    """One clause that says why there is no sample."""
    reach: int = 0
    """Reachability register after this poll."""
    poll_s: float = 0.0
    """Seconds until the next poll."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Packets dropped so far, by reason."""


class Estimate(NamedTuple):
    """What one oscillator model believes at `raw_ns`."""

    raw_ns: int
    offset_ns: int
    """UTC − RAW at `raw_ns`."""
    rate_ppb: float
    """d(UTC − RAW)/dRAW."""
    variance: Variance
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """The fused answer: UTC against RAW with both bounds, and what it is worth.

    Hard: ``|UTC(t) − predicted(t)| <= bound_ns + growth · |t − raw_ns|`` as long as
    the servers in the majority are truthful and the oscillator stays within the
    configured drift. Calibrated: `variance` times the coverage factors, which are 0
    until a coverage has been earned by measurement.
    """

    raw_ns: int
    utc_ns: int
    rate_ppb: float
    bound_ns: int
    bound_growth_ppb: int
    variance: Variance
    status: Status
    reasons: Reason
    source: Source
    confidence: float
    """Share of the configured servers that agree with the published interval, 0..1."""
    last_sync_raw_ns: int
    """RAW instant of the newest measurement that was used."""
    measurement_count: int
    delay_ns: int
    """Round trip to the server in use (the best of the agreeing ones)."""
    leap: Leap = Leap.NONE
    coverage_99: float = 0.0
    coverage_999: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One publication: a correction carried to the instant at which it is written.

    `as_of_raw_ns` is that instant; the correction's own anchor may be older.
    """

    correction: Correction
    clocks: ClockPair
    """Both host clocks, read when the frame was made."""
    void_after_raw_ns: int
    """RAW instant at which the half width passes the configured limit."""
    heartbeat_ns: int
    """A reader that sees no newer frame for several of these says so."""
    correction_count: int
    started_raw_ns: int
    """RAW instant at which the daemon started."""
    tai_minus_utc_s: int | None = None
    smear: Smear = Smear.UNKNOWN
    disruption_marker: int | None = None
    """vmclock's counter, where the machine has one."""

    @property
    def as_of_raw_ns(self) -> int:
        """RAW instant of the publication."""
        return self.clocks.raw_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """What the daemon knows of one server; a row of `chronotick status`."""

    server: str
    endpoint: str | None
    """Numeric address in use, None while the name is unresolved."""
    verdict: str
    """`selected`, `falseticker`, `jumped`, `unreachable`, `unresolved`, `denied`,
    `rejected`, `duplicate` or `pending`."""
    detail: str = ""
    """One clause that says why, empty when there is nothing to say."""
    reach: int = 0
    """Reachability register, newest poll in the lowest bit (RFC 5905 §13)."""
    stratum: int | None = None
    offset_ns: int | None = None
    """Server − published time at the newest exchange; None until both exist."""
    delay_ns: int | None = None
    bound_ns: int | None = None
    poll_s: float | None = None
    samples: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Dropped packets by reason."""
    leap: Leap = Leap.NONE
    """What it announces for the end of this month, by its newest answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """How published claims did against measurements that were made after them."""

    hard_checks: int = 0
    """Answers of believed servers that were held against the hard interval."""
    hard_misses: int = 0
    """Those that had nothing in common with it: the server or the bound was wrong."""
    calibrated_checks: int = 0
    """Quiet measurements that were held against the calibrated intervals."""
    misses_99: int = 0
    misses_999: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonReport:
    """What a daemon tells people and tools beside the segment."""

    correction: Correction
    sources: tuple[SourceReport, ...]
    audit: Audit = Audit()
