"""Tell a jump of the clock (or of a server) from noise.

Decides only whether measurements have left the prediction for good. What is done about
it is the model's business; which side jumped cannot be known from one server.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from chronotick.core.units import NS_PER_S

__all__ = ["JumpWatch", "Verdict"]

# Two that agree settle it when they are this far apart; spikes come in bursts.
_APART_NS = 60 * NS_PER_S
_NEEDED = 3
# A rate that jumped shortly before the first suspect makes the second a multiple.
_ALIKE = 4.0


class Verdict(enum.Enum):
    """What to do with a measurement."""

    USE = "use"
    """Nothing unusual, or too confusing to be withheld any longer."""
    WITHHOLD = "withhold"
    """A queue cannot explain it; wait for the next one."""
    JUMP = "jump"
    """It and those withheld before it agree: the clock or the server has jumped."""


class _Suspect(NamedTuple):
    raw_ns: int
    innovation_ns: float

    def agrees(self, other: _Suspect) -> bool:
        low, high = sorted((abs(self.innovation_ns), abs(other.innovation_ns)))
        return self.innovation_ns * other.innovation_ns > 0.0 and high <= _ALIKE * low


class JumpWatch:
    """Counts disagreements that no queue can explain.

    An exchange is suspect when the prediction lies outside what its delay allows by
    more than `gate_sd` deviations. Suspects on the same side and of about the same size
    are a jump: three in a row, or two that are a minute apart. Spikes differ from each
    other, and a congested path explains its own errors by its own delay.

    Servers are asked in turn, and a suspect is cleared only by who can tell: an exchange
    that queued for so long that it agrees with the prediction and with the suspect says
    nothing of either. It is used, and the next one is waited for.
    """

    def __init__(self, *, gate_sd: float = 5.0) -> None:
        self._gate_sd = gate_sd
        self._agreeing: list[_Suspect] = []
        self._in_a_row = 0
        self.since_ns = 0
        """Instant of the first of the newest suspects: what they are of began there."""

    @property
    def suspected_ns(self) -> float:
        """By how much the newest suspect left the prediction; 0 if none is waited for."""
        if not self._agreeing or self._in_a_row > _NEEDED:
            return 0.0
        return self._agreeing[-1].innovation_ns

    def judge(
        self, raw_ns: int, innovation_ns: float, allowed_ns: float, sd_ns: float
    ) -> Verdict:
        """Take in one innovation and return what to do with the measurement.

        Args:
            raw_ns: Its instant.
            innovation_ns: Measurement less prediction.
            allowed_ns: What the delay explains, either way.
            sd_ns: Deviation of the prediction.
        """
        reach_ns = allowed_ns + self._gate_sd * sd_ns
        if abs(innovation_ns) <= reach_ns:
            if self._agrees_with_suspect(innovation_ns, reach_ns):
                return Verdict.USE
            return self._settle(Verdict.USE)
        self._in_a_row += 1
        suspect = _Suspect(raw_ns, innovation_ns)
        if self._agreeing and not self._agreeing[-1].agrees(suspect):
            self._agreeing.clear()
        self._agreeing.append(suspect)
        self.since_ns = self._agreeing[0].raw_ns
        apart_ns = raw_ns - self.since_ns
        count = len(self._agreeing)
        if count >= _NEEDED or (count > 1 and apart_ns >= _APART_NS):
            return self._settle(Verdict.JUMP)
        # Suspects that disagree with each other as well mean that the prediction is
        # too sure of itself. Withholding them all would keep it so for ever.
        if self._in_a_row > _NEEDED:
            return Verdict.USE
        return Verdict.WITHHOLD

    def _agrees_with_suspect(self, innovation_ns: float, reach_ns: float) -> bool:
        if not self._agreeing:
            return False
        return abs(innovation_ns - self._agreeing[-1].innovation_ns) <= reach_ns

    def _settle(self, verdict: Verdict) -> Verdict:
        self._agreeing.clear()
        self._in_a_row = 0
        return verdict
