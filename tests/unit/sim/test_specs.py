"""What a world is made of: immutable values with ranges."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chronotick.sim import server_specs, specs
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
