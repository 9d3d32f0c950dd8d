"""An estimator driven by exchanges whose truth is known."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from chronotick.core.records import Endpoint, Exchange
from chronotick.core.status import Status
from chronotick.core.units import NS_PER_S
from chronotick.daemon.estimator import Estimator, EstimatorSettings
from unit.oscillators import Wandering, sample

STEADY = Wandering((20_000,))


@dataclass
class Server:
    """A server behind a path with the given delay, honest but for `lie_ns`."""

    name: str
    delay_ns: int = 1_000_000
    lie_ns: int = 0
    jitter_ns: int = 200_000
    queue_ns: float = 0.0
    """Mean of an exponential queue on each leg, beyond the jitter."""
    claim_ns: int = 0
    """What it says of its own error."""
    endpoint: Endpoint | None = None
    """The address that answers."""


@dataclass
class Bench:
    """Drives an estimator with exchanges whose truth is known."""

    servers: list[Server]
    clock: Wandering = STEADY
    seed: int = 0
    required: int = 1
    raw_ns: int = 0
    leapt_ns: int = 0
    """By how much RAW has leapt, unseen."""
    silences: int = 0
    """How often in a row nothing was published that could have been wrong."""
    estimator: Estimator = field(init=False)
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.estimator = Estimator(
            EstimatorSettings(
                servers=tuple(s.name for s in self.servers), required=self.required
            )
        )
        self.rng = random.Random(self.seed)

    def poll(self, server: Server, held_up_ns: int = 0) -> None:
        """One exchange, its delay split at random; may be held up on its way there."""
        there_ns = server.delay_ns // 2 + self.rng.randrange(server.jitter_ns)
        there_ns += held_up_ns
        back_ns = server.delay_ns // 2 + self.rng.randrange(server.jitter_ns)
        if server.queue_ns:
            there_ns += round(self.rng.expovariate(1.0 / server.queue_ns))
            back_ns += round(self.rng.expovariate(1.0 / server.queue_ns))
        middle_ns = self.raw_ns + (there_ns + back_ns) // 2
        truth_ns = self.clock.offset_ns(middle_ns) + self.leapt_ns
        self.raw_ns += there_ns + back_ns
        self.send(
            server,
            Exchange(
                server=server.name,
                endpoint=server.endpoint,
                state="ok",
                sample=sample(
                    middle_ns,
                    truth_ns + (there_ns - back_ns) // 2 + server.lie_ns,
                    server=server.name,
                    delay_ns=there_ns + back_ns,
                    dispersion_ns=server.claim_ns,
                ),
                useful=not held_up_ns,
                reach=1,
                poll_s=16.0,
            ),
        )

    def lose(self, server: Server, reach: int = 0) -> None:
        """One poll that nobody answers."""
        self.send(
            server,
            Exchange(
                server=server.name, endpoint=None, state="lost", reach=reach, poll_s=16
            ),
        )

    def send(self, _server: Server, exchange: Exchange) -> None:
        """Hand the estimator how a poll ended."""
        self.estimator.observe(exchange)

    def round(self, gap_ns: int = 16 * NS_PER_S) -> None:
        """Poll everyone once, then let time pass."""
        for server in self.servers:
            self.poll(server)
            self.check()
        self.raw_ns += gap_ns

    def check(self) -> None:
        """Whatever is published holds the truth, now and extrapolated."""
        correction = self.estimator.correction(self.raw_ns)
        if correction.status is Status.UNKNOWN:
            self.silences += 1
            return
        self.silences = 0
        for ahead_ns in (0, NS_PER_S, 3600 * NS_PER_S):
            at_ns = self.raw_ns + ahead_ns
            truth_ns = at_ns + self.clock.offset_ns(at_ns) + self.leapt_ns
            moved_ns = round(ahead_ns * (1e9 + correction.rate_ppb) / 1e9)
            reach_ns = (
                correction.bound_ns + ahead_ns * correction.bound_growth_ppb // NS_PER_S
            )
            # 2 ns: this test's own rounding of the truth and of the extrapolation.
            assert abs(correction.utc_ns + moved_ns - truth_ns) <= reach_ns + 2

    def verdicts(self) -> dict[str, str]:
        """Return what is said of each server."""
        reports = self.estimator.reports(self.estimator.correction(self.raw_ns))
        return {report.server: report.verdict for report in reports}
