"""Numbers with a unit as people write them: ``250ms``, ``15ppm``, ``100Hz``.

Decides which suffixes exist and what a bare number means. It does not decide which
values are allowed where: the schema in `chronotick.daemon.config` does.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DURATION", "FREQUENCY", "PPM", "UNITS", "Unit", "format_duration"]

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([a-zA-Zµμ]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One dimension: its base unit and the suffixes that scale it."""

    noun: str
    """What a value is called in a sentence, without its article."""
    symbol: str
    """The base unit: what a bare number is in."""
    scale: Mapping[str, Decimal]
    """Suffix → how many base units it is."""

    def parse(self, value: str | float) -> float:
        """Return `value` in the base unit.

        The text is scaled in decimal before it becomes a float, so that ``20us`` is
        the float nearest to 20e-6 and not the product of two rounded numbers.

        Raises:
            ValueError: not a finite number, or a suffix that does not exist. The
                message is a clause that can follow the name of the key.
        """
        if not isinstance(value, str):
            return self._finite(float(value))
        match = _QUANTITY.fullmatch(value.strip())
        if match is None:
            raise ValueError(f"is not a {self.noun}")
        number, suffix = match.groups()
        factor = self.scale.get(suffix) if suffix else Decimal(1)
        if factor is None:
            known = ", ".join(filter(str.isascii, self.scale))
            raise ValueError(f"has the unknown unit {suffix!r} (known: {known})")
        return self._finite(float(Decimal(number) * factor))

    def format(self, value: float) -> str:
        """Return `value`, given in the base unit, the way it would be written."""
        if self is DURATION:
            return format_duration(value)
        return f"{value:.12g} {self.symbol}"

    def _finite(self, value: float) -> float:
        if not math.isfinite(value):
            raise ValueError("is not a finite number")
        return value


DURATION = Unit(
    noun="duration",
    symbol="s",
    scale={
        "ns": Decimal("1e-9"),
        "us": Decimal("1e-6"),
        "µs": Decimal("1e-6"),  # U+00B5, what keyboards type
        "μs": Decimal("1e-6"),  # U+03BC, what Unicode normalises it to
        "ms": Decimal("1e-3"),
        "s": Decimal(1),
        "m": Decimal(60),
        "h": Decimal(3600),
        "d": Decimal(86400),
    },
)
FREQUENCY = Unit(
    noun="frequency",
    symbol="Hz",
    scale={"Hz": Decimal(1), "kHz": Decimal(1000)},
)
PPM = Unit(
    noun="frequency error",
    symbol="ppm",
    scale={"ppm": Decimal(1), "ppb": Decimal("1e-3")},
)
UNITS: Mapping[str, Unit] = {unit.symbol: unit for unit in (DURATION, FREQUENCY, PPM)}
"""Every dimension by its base unit, which is how the schema names it."""


def format_duration(duration_s: float) -> str:
    """Return `duration_s` in the largest suffix that needs no fraction.

    ``129600`` → ``36h``, ``64`` → ``64s``, ``1.5`` → ``1.5s``, ``0.05`` → ``50ms``.
    """
    if duration_s and duration_s % 60 == 0:
        divides = [
            s for s in ("d", "h", "m") if duration_s % int(DURATION.scale[s]) == 0
        ]
        suffix = divides[0]
    else:
        small = ("s", "ms", "us", "ns")
        size = abs(duration_s)
        fits = [s for s in small if size >= float(DURATION.scale[s])]
        suffix = (fits or ["ns"])[0] if duration_s else "s"
    return f"{float(Decimal(repr(duration_s)) / DURATION.scale[suffix]):.6g}{suffix}"
