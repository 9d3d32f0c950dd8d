"""What a world is made of: immutable values with ranges."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from chronotick.sim import scenario, server_specs, specs
from chronotick.sim.specs import Exponential, LegSpec, OscillatorSpec, PathSpec, Stop

STRUCTS = [
    kind
    for module in (specs, server_specs)
    for kind in vars(module).values()
    if isinstance(kind, type)
    and issubclass(kind, msgspec.Struct)
    and kind.__module__ == module.__name__
]


@pytest.mark.parametrize("kind", STRUCTS)
def test_every_record_is_frozen_and_refuses_unknown_keys(kind: Any) -> None:
    """A typo in a scenario must not be silent, and no world can change under a run."""
    assert kind.__struct_config__.frozen
    assert kind.__struct_config__.forbid_unknown_fields


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (Stop, {"at_s": 0.0, "for_s": 1.0}),
        (Stop, {"at_s": 1.0, "for_s": -1.0}),
        (Stop, {"at_s": 1.0, "for_s": math.inf}),
        (specs.RealtimeSpec, {"error_s": math.inf}),
        (specs.RealtimeSpec, {"error_s": 1e20}),
        (specs.HostSpec, {"uptime_s": 1e300}),
        (specs.Jump, {"at_s": 1.0, "by_s": 1e15}),
        (specs.Exponential, {"kind": "exponential", "mean_us": math.inf}),
        (OscillatorSpec, {"random_walk_ppb": 1e12}),
        (specs.TemperatureSpec, {"load_on_s": 1e-9}),
        (server_specs.Lying, {"kind": "lying", "offset_s": math.inf}),
        (server_specs.Smearing, {"kind": "smearing", "from_s": 0, "for_s": 1e-12}),
        (server_specs.RateLimiting, {"kind": "rate_limiting", "min_interval_s": 1e-10}),
        (server_specs.Claims, {"root_dispersion_us": 1e18}),
        (scenario.PollingSpec, {"max_poll_s": 1e9}),
        (scenario.LeapSecondSpec, {"at_s": 1e9}),
        (LegSpec, {"base_us": 1.0, "loss": 1.1}),
        (OscillatorSpec, {"rate_ppb": 2e7}),
        (OscillatorSpec, {"white_fm_ppb": -1.0}),
        (specs.Pareto, {"kind": "pareto", "alpha": 1.0, "mean_us": 1.0}),
        (server_specs.RateLimiting, {"kind": "rate_limiting", "burst": 0}),
        (server_specs.Claims, {"stratum": 16}),
    ],
)
def test_impossible_values_are_refused_on_reading(
    kind: Any, document: dict[str, Any]
) -> None:
    """Each quantity has the range that physics or the protocol gives it."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, kind)


def test_a_path_without_a_way_back_is_symmetric() -> None:
    """In law; its dice are its own."""
    there = LegSpec(base_us=5.0, jitter=Exponential(mean_us=1.0))
    back = LegSpec(base_us=9.0)

    assert PathSpec(forward=there).back is there
    assert PathSpec(forward=there, backward=back).back is back


def test_what_lasts_may_last_for_ever() -> None:
    """As it does where nobody says for how long."""
    said = {"at_s": 1.0, "for_s": math.inf}

    assert msgspec.convert(said, specs.Outage) == specs.Outage(at_s=1.0)
