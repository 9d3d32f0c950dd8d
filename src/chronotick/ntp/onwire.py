"""Turn the four timestamps of one exchange into a sample whose span is sound.

Decides the arithmetic of the bound, and refuses exchanges that cannot be one. RFC 5905
§8 (on-wire protocol) and §10. It believes the server's word about itself; whether the
server lies is for `select`.

Why the span holds
------------------
Let θ(r) = UTC − RAW when RAW reads r, and t1…t4 the true instants of the exchange. Let
Λ = root delay / 2 + root dispersion, what the server says of its own error; ρ the
reading error of its clock; σ how far the arrival stamp T4 may be off; s the most by
which the local oscillator is wrong, |dθ/dr| ≤ s. The send stamp T1 has no error of
its own: it is taken before the packet leaves, so being early is path delay.

* A packet can't arrive before it left: t1 ≤ t2, so θ(T1) ≤ T2 − T1 + Λ + ρ.
* Nor can the answer: t3 ≤ t4, so θ(T4 ± σ) ≥ T3 − T4 − Λ − ρ − σ.

Carrying both to the midpoint M costs s times half of the exchange, since M is at most
(T4 − T1) / 2 away from each end (plus σ where T4 is off). With offset = ((T2 − T1) +
(T3 − T4)) / 2 and delay δ = (T2 − T1) − (T3 − T4) the two lines become ::

    | θ(M) − offset | ≤ δ/2 + Λ + ρ + σ + s · (T4 − T1 + 2σ + 1) / 2

All but δ/2 and Λ is `Sample.precision_ns`. Nothing is assumed of the asymmetry of the
path: δ/2 is all of it. The RFC adds s · (T4 − T1) (its φ, 15 ppm, for a disciplined
clock); half of it is enough here because the sample is anchored at the midpoint, and s
is far larger because RAW is disciplined by nobody.

**Negative delay.** Reading errors can make a very short round trip look negative. The
lines above stay true: the truth is within δ/2 + … of the offset, and δ < 0 only
narrows that. Taking 0 instead of δ widens the span, so clamping is sound. But the same
lines give δ ≥ −2 (ρ + σ + s(…)/2) if Λ, which is common to T2 and T3, cancels; below
that, no choice of true instants explains the stamps: one of the two clocks was stepped
in between, or the server invents them, and the exchange is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chronotick.core.records import Sample
from chronotick.core.units import NS_PER_S, grow_ns
from chronotick.ntp.actions import Drop, DropReason

if TYPE_CHECKING:
    from chronotick.core.records import Datagram
    from chronotick.ntp.packet import Packet

__all__ = ["ExchangeLimits", "measure", "reading_error_ns"]

_ROUNDING_NS: Final = 3
"""1 ns for T4, since clocks truncate (T1 truncates too, but early is safe); ½ each for
T2 and T3 to integers; ½ for halving the offset. Rounded up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeLimits:
    """What an exchange may take and cost."""

    timeout_s: float = 2.0
    """Seconds to wait for an answer. One that takes longer bounds nothing well."""
    max_root_distance_ns: int = 16 * NS_PER_S
    """Largest half width of a usable sample, in ns; MAXDISP of RFC 5905 figure 6.

    Generous on purpose: this only refuses servers that say that they don't know.
    """
    max_skew_ppb: int = 500_000
    """Largest |d(UTC − RAW)/dRAW|, in ppb. 500 ppm is what kernels can discipline
    away (MAXFREQ, RFC 5905 appendix A.1.1); oscillators stay below 100 ppm."""


def reading_error_ns(exponent: int) -> int:
    """Return 2^`exponent` s in ns, rounded up: the reading error of a server's clock.

    The exponent is taken at its word in both directions, except that no error is below
    1 ns. Zero and positive exponents (unset fields, in practice) thus mean seconds and
    more: an honest, hardly usable bound instead of an invented one.
    """
    if exponent >= 0:
        return NS_PER_S << exponent
    return max(1, -(-NS_PER_S >> -exponent))


def measure(
    server: str,
    reply: Packet,
    *,
    sent_raw_ns: int,
    arrival: Datagram,
    limits: ExchangeLimits,
) -> Sample | Drop:
    """Return the sample of one exchange, or why there is none.

    `reply` must already be known to answer the request that left at `sent_raw_ns`.
    """
    t1_ns, t4_ns = sent_raw_ns, arrival.raw_ns
    t2_ns, t3_ns = reply.receive.to_unix_ns(), reply.transmit.to_unix_ns()
    if t4_ns < t1_ns:
        return Drop(reason=DropReason.TIMESTAMPS, detail="arrived before it was sent")
    # Compared after unfolding: a pair that straddles the era floor is nonsense as well.
    if t3_ns < t2_ns:
        return Drop(reason=DropReason.TIMESTAMPS, detail="answered before it was asked")
    # RFC 5905 A.5.1.1. The server was set back since, or its clock is broken: it knows
    # nothing of the error that it states.
    if not reply.reference.is_zero and reply.transmit - reply.reference < 0:
        return Drop(reason=DropReason.TIMESTAMPS, detail="last set in its own future")

    stamp_error_ns = arrival.stamp_error_ns
    skewed_ns = t4_ns - t1_ns + 2 * stamp_error_ns + 1
    precision_ns = (
        reading_error_ns(reply.precision)
        + stamp_error_ns
        + (grow_ns(skewed_ns, limits.max_skew_ppb) + 1) // 2
        + _ROUNDING_NS
    )
    delay_ns = (t4_ns - t1_ns) - (t3_ns - t2_ns)
    if delay_ns < -2 * precision_ns:
        return Drop(
            reason=DropReason.DELAY,
            detail=f"{delay_ns} ns, where reading errors explain {-2 * precision_ns}",
        )
    sample = Sample(
        server=server,
        raw_ns=(t1_ns + t4_ns) // 2,
        offset_ns=((t2_ns - t1_ns) + (t3_ns - t4_ns)) // 2,
        delay_ns=max(delay_ns, 0),
        root_delay_ns=reply.root_delay.to_ns(),
        root_dispersion_ns=reply.root_dispersion.to_ns(),
        precision_ns=precision_ns,
        stratum=reply.stratum,
        leap=reply.leap,
        reference_id=reply.reference_id,
        kernel_stamp=arrival.kernel_stamp,
    )
    if sample.half_width_ns >= limits.max_root_distance_ns:
        return Drop(
            reason=DropReason.DISTANCE,
            detail=f"its bound is {sample.half_width_ns / NS_PER_S:.3g} s",
        )
    return sample
