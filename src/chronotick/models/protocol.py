"""What every oscillator model offers; decides nothing about which one to believe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from chronotick.core.records import Estimate, Sample

__all__ = ["OscillatorModel"]


class OscillatorModel(Protocol):
    """Learns UTC − RAW from raw measurements and extrapolates it.

    A model's state is a function of the samples it has observed and of nothing else:
    never of another model's prediction, never of what was published.
    """

    def observe(self, sample: Sample) -> None:
        """Take in one measurement. Samples come in the order of their `raw_ns`."""
        ...

    def predict(self, raw_ns: int) -> Estimate | None:
        """Return what the model believes at `raw_ns`; None before the first sample."""
        ...

    def bias_ns(self, server: str) -> float:
        """Return by how much `server` is known to read high, compared with the others.

        What the model subtracts from that server's measurements; 0 for a model that
        keeps no such account. Only differences show: never an error they all share.
        """
        ...
