"""`chronotick json`: the correction in the terms of the original design.

Decides the keys and their order, which programs rely on: the first eighteen are never
renamed, removed or moved.
"""

from __future__ import annotations

import json
import math

import click

from chronotick.cli.edge import Verb
from chronotick.cli.options import segment_option
from chronotick.client.record import ChronoTickClient, ChronoTickData

__all__ = ["KEYS", "as_document", "command"]

KEYS = (
    "corrected_time",
    "system_time",
    "offset_correction",
    "drift_rate",
    "offset_uncertainty",
    "drift_uncertainty",
    "time_uncertainty",
    "confidence",
    "source",
    "prediction_time",
    "valid_until",
    "is_valid",
    "is_ntp_ready",
    "is_models_ready",
    "is_warmup_complete",
    "daemon_uptime",
    "measurement_count",
    "total_corrections",
)
"""The keys of the original design, in its order."""


@click.command("json", cls=Verb)
@click.option("--pretty", is_flag=True, help="One key a line.")
@segment_option
def command(pretty: bool, segment: str | None) -> None:
    """Print the correction as one JSON object.

    Times are Unix seconds, offsets and uncertainties seconds, relative to the system
    clock; uncertainties are standard deviations. For bounds, see `read --json`.
    """
    with ChronoTickClient(segment) as client:
        document = as_document(client.get_time())
    click.echo(json.dumps(document, indent=2 if pretty else None, allow_nan=False))


def as_document(data: ChronoTickData) -> dict[str, object]:
    """Return `data` under the documented keys, then what the design did not have."""
    values: dict[str, object] = {
        "corrected_time": data.corrected_timestamp,
        "system_time": data.system_timestamp,
        "time_uncertainty": data.get_time_uncertainty(
            data.system_timestamp - data.prediction_time
        ),
        "source": data.source.name,
    }
    document = {
        key: values[key] if key in values else getattr(data, key) for key in KEYS
    }
    document["last_ntp_sync"] = data.last_ntp_sync
    document["average_latency_ms"] = data.average_latency_ms
    return {key: _finite(value) for key, value in document.items()}


def _finite(value: object) -> object:
    """Return `value`, or None where it is not known (NaN, which JSON cannot say)."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
