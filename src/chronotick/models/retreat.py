"""What a lone server's filters knew before it went another way, to go back to.

Whatever is heard on a detour shows clock and constant together. When it is over, the
filters have either gained (a long detour tells the rate), or they know less than
coasting over it would have told: a queue that swells for minutes passes for one detour
after another, and each would add the doubt of the last. Decides which of the two it is.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.units import NS_PER_S

if TYPE_CHECKING:
    from chronotick.models.filters import FilterBank, Mixture

__all__ = ["Retreat"]


class Retreat(NamedTuple):
    """The filters as they were when the usual way was left."""

    filters: FilterBank
    believed: Mixture
    """Of that instant, by them and whoever else was asked."""
    raw_ns: int

    @classmethod
    def of(cls, filters: FilterBank, believed: Mixture, raw_ns: int) -> Retreat:
        """Keep `filters`, which go on to learn."""
        return cls(copy.deepcopy(filters), believed, raw_ns)

    def again(self) -> FilterBank:
        """Return the filters, to learn from here; more detours may follow."""
        return copy.deepcopy(self.filters)

    def is_surer(self, raw_ns: int, variance: float) -> bool:
        """Whether coasting from here to `raw_ns` leaves less than `variance`, ns²."""
        age_s = (raw_ns - self.raw_ns) / NS_PER_S
        return self.believed.variance.at(age_s) < variance
