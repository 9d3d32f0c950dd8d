"""What a world is made of: oscillators, paths, servers, hosts; plain values.

Decides which physical facts can be stated and in which ranges. It imagines nothing
itself. The same records are the Python API and, key by key, the scenario files
(`chronotick.sim.scenario`); units are in the names. ``*_s`` keys of events count from
the world's start. Ranges are checked where a file is read; Python callers are trusted
with theirs.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct, field

__all__ = [
    "ClockStep",
    "Congestion",
    "Exponential",
    "Gamma",
    "HostSpec",
    "Jitter",
    "Jump",
    "LegSpec",
    "Outage",
    "OscillatorSpec",
    "Pareto",
    "PathSpec",
    "RateStep",
    "RealtimeSpec",
    "Shift",
    "Slew",
    "Stop",
    "TemperatureSpec",
]

# A billion seconds are thirty years, a billion microseconds a quarter of an hour: what is
# beyond is a slip of the pen, and no clock of 64 bits counts in it.
Positive: TypeAlias = Annotated[float, Meta(gt=0.0, le=1e9)]
NonNegative: TypeAlias = Annotated[float, Meta(ge=0.0, le=1e9)]
Signed: TypeAlias = Annotated[float, Meta(ge=-1e9, le=1e9)]
Lasting: TypeAlias = Annotated[float, Meta(gt=0.0)]
"""How long something lasts: ``.inf`` for ever."""
NoisePpb: TypeAlias = Annotated[float, Meta(ge=0.0, le=1e6)]
Probability: TypeAlias = Annotated[float, Meta(ge=0.0, le=1.0)]
Celsius: TypeAlias = Annotated[float, Meta(ge=0.0, le=1000.0)]
RatePpb: TypeAlias = Annotated[float, Meta(ge=-1e7, le=1e7)]


class _Spec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mapping in a scenario file."""


# ── The oscillator ───────────────────────────────────────────────────────────


class TemperatureSpec(_Spec, frozen=True, kw_only=True):
    """What the surroundings do to the crystal, and what it does then."""

    ppb_per_c: RatePpb = 0.0
    """Temperature coefficient, ppb/°C, in the project's sign; 0 switches all off."""
    diurnal_c: Celsius = 0.0
    """Amplitude of the day, °C."""
    diurnal_phase: Annotated[float, Meta(ge=0.0, le=1.0)] | None = None
    """Where in the day the world starts, 0..1 from the rising mean; None: seeded."""
    hvac_c: Celsius = 0.0
    """Half the saw-tooth of a thermostat, °C."""
    hvac_period_s: Positive = 1800.0
    load_c: Celsius = 0.0
    """How much the machine's own load warms it, °C."""
    load_on_s: Annotated[float, Meta(ge=1.0, le=1e9)] = 600.0
    """Mean time under load, exponential."""
    load_off_s: Annotated[float, Meta(ge=1.0, le=1e9)] = 1800.0
    """Mean time idle, exponential."""
    lag_s: NonNegative = 300.0
    """Time constant of the case."""


class RateStep(_Spec, frozen=True, kw_only=True):
    """The frequency changes at once and stays changed."""

    at_s: Positive
    by_ppb: RatePpb


class Jump(_Spec, frozen=True, kw_only=True):
    """RAW leaps forward, as after a migration that the guest was not told about.

    RAW never goes back; for time that is lost, see `Stop`.
    """

    at_s: Positive
    by_s: Positive


class Stop(_Spec, frozen=True, kw_only=True):
    """The host stands still: its clock, its timers and its network card."""

    at_s: Positive
    for_s: Positive


class OscillatorSpec(_Spec, frozen=True, kw_only=True):
    """CLOCK_MONOTONIC_RAW of one host. Rates in the project's sign: positive is slow."""

    rate_ppb: RatePpb = 0.0
    """Rate at the start."""
    white_fm_ppb: NoisePpb = 1.0
    """ADEV at 1 s, falling as 1/√τ."""
    flicker_fm_ppb: NoisePpb = 0.0
    """Flicker floor of the ADEV."""
    random_walk_ppb: NoisePpb = 0.1
    """Random walk of the rate, ppb/√s. A quiet VM 0.1, an office PC 0.3."""
    aging_ppb_per_day: RatePpb = 0.0
    temperature: TemperatureSpec = TemperatureSpec()
    rate_steps: tuple[RateStep, ...] = ()
    jumps: tuple[Jump, ...] = ()
    suspends: tuple[Stop, ...] = ()
    """The kernel knows: CLOCK_BOOTTIME goes on."""
    stalls: tuple[Stop, ...] = ()
    """Nobody knows: a hypervisor paused the machine."""
    grid_s: Annotated[float, Meta(ge=0.01, le=3600.0)] = 1.0
    """How often the noise is drawn; the clock runs straight in between."""


# ── The network ──────────────────────────────────────────────────────────────


class Exponential(
    _Spec, frozen=True, kw_only=True, tag_field="kind", tag="exponential"
):
    """Queueing delay with a sharp floor."""

    mean_us: NonNegative


class Gamma(_Spec, frozen=True, kw_only=True, tag_field="kind", tag="gamma"):
    """Many queues in a row: no sharp floor for shapes above 1."""

    shape: Annotated[float, Meta(ge=0.05, le=1000.0)]
    mean_us: NonNegative


class Pareto(_Spec, frozen=True, kw_only=True, tag_field="kind", tag="pareto"):
    """A heavy tail that starts at the floor (Lomax)."""

    alpha: Annotated[float, Meta(gt=1.0, le=100.0)]
    mean_us: NonNegative


Jitter: TypeAlias = Exponential | Gamma | Pareto


class Shift(_Spec, frozen=True, kw_only=True):
    """The route changes: this direction takes longer (or less) for a while."""

    at_s: NonNegative
    for_s: Lasting = float("inf")
    every_s: Positive | None = None
    """Repeats with this period; None: once."""
    by_us: Signed


class Congestion(_Spec, frozen=True, kw_only=True):
    """Queues build up in this direction for a while."""

    at_s: NonNegative
    for_s: Positive
    every_s: Positive | None = None
    """Repeats with this period; None: once."""
    jitter: Jitter
    """Comes on top of the ordinary jitter."""


class LegSpec(_Spec, frozen=True, kw_only=True):
    """One direction of a path."""

    base_us: NonNegative
    """Delay that no packet beats."""
    jitter: Jitter | None = None
    congestion: tuple[Congestion, ...] = ()
    shifts: tuple[Shift, ...] = ()
    loss: Probability = 0.0
    duplication: Probability = 0.0
    reordering: Probability = 0.0
    """Share of packets that are held back by `reordering_us`."""
    reordering_us: NonNegative = 1000.0
    corruption: Probability = 0.0
    """Share of packets that arrive damaged, truncated or inflated."""


class Outage(_Spec, frozen=True, kw_only=True):
    """Nothing gets through, in either direction."""

    at_s: NonNegative
    for_s: Lasting = float("inf")
    every_s: Positive | None = None
    """Repeats with this period; None: once."""


class PathSpec(_Spec, frozen=True, kw_only=True):
    """The way to a server and back."""

    forward: LegSpec
    backward: LegSpec | None = None
    """None: as `forward`, with dice of its own."""
    outages: tuple[Outage, ...] = ()

    @property
    def back(self) -> LegSpec:
        """The way back, with the default filled in."""
        return self.forward if self.backward is None else self.backward


# ── The host ─────────────────────────────────────────────────────────────────


class ClockStep(_Spec, frozen=True, kw_only=True):
    """Somebody sets CLOCK_REALTIME."""

    at_s: NonNegative
    by_s: Signed


class Slew(_Spec, frozen=True, kw_only=True):
    """Somebody slews CLOCK_REALTIME for a while."""

    at_s: NonNegative
    for_s: Positive
    by_ppm: Annotated[float, Meta(ge=-100_000.0, le=100_000.0)]


class RealtimeSpec(_Spec, frozen=True, kw_only=True):
    """CLOCK_REALTIME, which others set: true time plus these errors (local − true)."""

    error_s: Signed = 0.0
    """Error at the start."""
    steps: tuple[ClockStep, ...] = ()
    slews: tuple[Slew, ...] = ()


class HostSpec(_Spec, frozen=True, kw_only=True):
    """The machine that the daemon runs on."""

    oscillator: OscillatorSpec = field(default_factory=OscillatorSpec)
    realtime: RealtimeSpec = RealtimeSpec()
    uptime_s: NonNegative = 3600.0
    """RAW at the world's start."""
    kernel_stamps: bool = True
    """Whether arrivals are stamped by the kernel or by the late user-space read."""
    stamp_error_ns: Annotated[int, Meta(ge=0, le=1_000_000)] = 150
    """Largest error of mapping a kernel stamp to RAW."""
    send_latency_us: NonNegative = 8.0
    """Mean time from reading T1 to the packet's leaving, exponential."""
    wake_latency_us: NonNegative = 40.0
    """Mean time from a packet's arrival to the daemon's reading it, exponential."""
