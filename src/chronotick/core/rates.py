"""What a forecaster of the oscillator's rate is told, and what it answers.

Both travel between processes as they are (JSON), so they hold plain numbers only.
Nothing here decides whether a forecast is believed.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RateForecast", "RateHistory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateHistory:
    """Rates of the past, equally spaced, the newest last."""

    raw_ns: int
    """RAW instant of the newest rate."""
    step_s: int
    """Seconds between rates."""
    rates_ppb: tuple[float, ...]
    """d(UTC − RAW)/dRAW."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateForecast:
    """Mean rates over the time after `raw_ns`."""

    raw_ns: int
    """`RateHistory.raw_ns` of the history that it was made from."""
    step_s: int
    means_ppb: tuple[float, ...]
    """Mean rate over the next 1, 2, … steps, each from `raw_ns` on."""
