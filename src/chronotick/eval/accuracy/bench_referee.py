"""The product as an estimator of ntpstats' bench: an independent judge with known truth.

The only door to ntpstats, a development dependency. Decides how its series of exchanges
become what our daemon's sources would have handed on, and nothing about the estimate.
Its bench gives raw exchanges (instant, offset, delay) of each server, so what is judged
is `chronotick.daemon.estimator.Estimator`, selection and bounds included.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from ntpstats.estimators import Estimator as Plugin
from ntpstats.series import TimeSeries

from chronotick.core.records import Exchange, Sample
from chronotick.core.status import Status
from chronotick.core.units import NS_PER_S
from chronotick.daemon.estimator import Estimator, EstimatorSettings
from chronotick.daemon.panel import PanelSettings
from chronotick.daemon.weights import packaged_network
from chronotick.ntp import SampleFilter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from chronotick.core.records import Correction

    Vector = NDArray[np.float64]

__all__ = ["BOUNDS", "Referee", "exchanges"]

BOUNDS = ("hard", "calibrated_99", "calibrated_999")
"""Columns of the answer: half widths in s, NaN where nothing is claimed."""

_EPOCH_S = 1_700_000_000
# Where RAW stands when the series begins: any instant but 0.
_BEGIN_NS = 3600 * NS_PER_S
# Its servers' stamps err by a normal deviate of 1 µs. A server that knew so would state
# this, and six of those deviates as what it can be off by.
_PRECISION_NS = 1_000
_ROOT_DISPERSION_NS = 5_000
_REACH = 0b1111_1111
_MISSED_POLLS = 1.5


class _Heard(NamedTuple):
    raw_ns: int
    server: str
    sample: Sample | None
    """None for a poll without answer."""


class Referee(Plugin):
    """The daemon's estimator behind the interface of ntpstats' bench.

    Answers at each exchange, by what has been heard so far and nothing later.

    Args:
        all_servers: Whether it is given every server of a scenario, or the first alone,
            as most of the bench's own estimators are.
    """

    def __init__(self, *, all_servers: bool = True) -> None:
        self.multi = all_servers
        self.name = "chronotick" if all_servers else "chronotick-1"
        self.description = "ChronoTick's daemon, on the same exchanges"

    def fit(self, data: TimeSeries | Sequence[TimeSeries]) -> TimeSeries:
        """Return the published offsets, with the half widths as extra columns."""
        series = [data] if isinstance(data, TimeSeries) else list(data)
        names = tuple(f"s{k}" for k in range(len(series)))
        models = PanelSettings(network=packaged_network())
        estimator = Estimator(EstimatorSettings(servers=names, models=models))
        filters = {name: SampleFilter() for name in names}
        reach = dict.fromkeys(names, 0)
        rows: list[tuple[float, ...]] = []
        for raw_ns, name, sample in exchanges(series):
            reach[name] = (reach[name] << 1 | (sample is not None)) & _REACH
            useful = sample is not None and filters[name].add(sample).is_worth_using
            estimator.observe(
                Exchange(
                    server=name,
                    endpoint=None,
                    state="lost" if sample is None else "ok",
                    sample=sample,
                    useful=useful,
                    reach=reach[name],
                )
            )
            if sample is not None:
                rows.append((raw_ns, *_published(estimator.correction(raw_ns))))
        return _series(rows)


def exchanges(series: Sequence[TimeSeries]) -> Iterator[_Heard]:
    """Yield the polls of all servers in their order, the unanswered ones too.

    Args:
        series: One per server; instants on the local clock, offset and ``delay`` in s.
    """
    heard = [each for k, one in enumerate(series) for each in _polls(f"s{k}", one)]
    yield from sorted(heard)


def _polls(name: str, series: TimeSeries) -> Iterator[_Heard]:
    period_s = float(np.median(np.diff(series.t)))
    before_s: float | None = None
    for t_s, offset_s, delay_s in zip(
        series.t, series.offset, series.extra["delay"], strict=True
    ):
        while before_s is not None and t_s - before_s > _MISSED_POLLS * period_s:
            before_s += period_s
            yield _Heard(_raw_ns(before_s), name, None)
        before_s = float(t_s)
        raw_ns = _raw_ns(before_s)
        yield _Heard(
            raw_ns,
            name,
            Sample(
                server=name,
                raw_ns=raw_ns,
                offset_ns=round(float(offset_s) * NS_PER_S),
                delay_ns=max(round(float(delay_s) * NS_PER_S), 0),
                root_delay_ns=0,
                root_dispersion_ns=_ROOT_DISPERSION_NS,
                precision_ns=_PRECISION_NS,
                stratum=1,
            ),
        )


def _raw_ns(t_s: float) -> int:
    # Relative while still a float: at the size of a Unix time one resolves 240 ns.
    return _BEGIN_NS + round((t_s - _EPOCH_S) * NS_PER_S)


def _published(correction: Correction) -> tuple[float, ...]:
    """Return offset and half widths in s; NaN where nothing is claimed."""
    if correction.status is Status.UNKNOWN:
        return (np.nan,) * (1 + len(BOUNDS))
    sigma_ns = sqrt(max(correction.variance.v0, 0.0))
    hard_ns = float(correction.bound_ns)
    calibrated = (
        min(factor * sigma_ns, hard_ns) / NS_PER_S if factor > 0.0 else np.nan
        for factor in (correction.coverage_99, correction.coverage_999)
    )
    offset_ns = correction.utc_ns - correction.raw_ns
    return (offset_ns / NS_PER_S, hard_ns / NS_PER_S, *calibrated)


def _series(rows: Sequence[tuple[float, ...]]) -> TimeSeries:
    columns: Vector = np.array(rows, np.float64).T
    return TimeSeries(
        _EPOCH_S + (columns[0] - _BEGIN_NS) / NS_PER_S,
        columns[1],
        name="chronotick",
        extra=dict(zip(BOUNDS, columns[2:], strict=True)),
        meta={"estimator": "chronotick"},
    )
