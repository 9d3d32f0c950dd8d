"""`chronotick json`: the documented keys, in order, and strict JSON."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from click.testing import CliRunner

from chronotick.cli import cli
from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.json_record import as_document
from chronotick.client.record import ChronoTickClient
from chronotick.core.status import Status

if TYPE_CHECKING:
    from unit.cli.conftest import Publication

KEYS = [
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
]


def test_the_keys_are_those_of_the_document_in_its_order(
    publication: Publication,
) -> None:
    """Programs written against the original design find what they look for."""
    publication.publish(ahead_ns=1_000_000)

    result = CliRunner().invoke(cli, ["json", "--segment", publication.path])

    document = json.loads(result.stdout)
    assert list(document)[: len(KEYS)] == KEYS
    assert result.stdout.count("\n") == 1
    assert document["source"] == "CPU_MODEL"
    assert document["is_valid"] is True
    assert document["measurement_count"] == 12
    assert document["total_corrections"] == 7
    assert math.isclose(document["offset_correction"], 1e-3, abs_tol=1e-4)
    corrected = document["system_time"] + document["offset_correction"]
    assert math.isclose(document["corrected_time"], corrected, abs_tol=1e-6)


def test_pretty_changes_the_layout_only(publication: Publication) -> None:
    """One key a line, the same keys."""
    publication.publish()

    result = CliRunner().invoke(
        cli, ["json", "--pretty", "--segment", publication.path]
    )

    assert list(json.loads(result.stdout))[: len(KEYS)] == KEYS
    assert len(result.stdout.splitlines()) >= len(KEYS)


def test_what_is_not_known_is_null(publication: Publication) -> None:
    """NaN is not JSON, and a program must not take it for a number."""
    publication.publish()
    with ChronoTickClient(publication.path) as client:
        data = client.get_time()._replace(drift_rate=math.nan, valid_until=math.inf)

    document = as_document(data)

    assert document["drift_rate"] is None
    assert document["valid_until"] is None


def test_no_time_prints_no_document(publication: Publication) -> None:
    """Unknown is an exit code, not a plausible document."""
    publication.publish(status=Status.UNKNOWN)

    result = CliRunner().invoke(cli, ["json", "--segment", publication.path])

    assert (result.exit_code, result.stdout) == (ExitCode.NO_TIME, "")
