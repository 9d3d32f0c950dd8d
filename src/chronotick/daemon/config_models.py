"""The part of the configuration that chooses models: roles, presets, their keys.

Decides what may be configured about estimating. What the names mean is
`chronotick.models.registry`'s business, and `chronotick.daemon.forecaster`'s for the
learned forecasters that run in a process of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PRESETS", "LongTerm", "Preset", "ShortTerm"]

_S = {"unit": "s"}

Preset: TypeAlias = Literal["default", "minimal", "full"]

PRESETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "default": {},
    "minimal": {"long_term": {"enabled": False}},
    "full": {"long_term": {"model_name": "fracast"}},
}
"""Keys that each preset sets; a file's own keys win."""


class ShortTerm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the oscillator does over the next minutes, learned at each measurement."""

    enabled: Annotated[
        bool,
        Meta(
            description="Off: the newest measurement is held, at no assumed rate. The "
            "hard bound stays, the best guess inside it gets worse."
        ),
    ] = True
    model_name: Annotated[
        Literal["bank", "kalman"],
        Meta(
            description="`bank`: some 140 filters with different ideas of wander and "
            "noise, each believed as far as it predicts. `kalman`: one filter."
        ),
    ] = "bank"
    path_asymmetry_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=50,
            description="How far the middle of an exchange may be off for good because "
            "its path is longer one way, as one standard deviation in percent of the "
            "lowest delay. No measurement shows it, so it is in the calibrated bound as "
            "a prior; 0 where paths are known to be alike both ways. The hard bound "
            "always allows 50.",
        ),
    ] = 10


class LongTerm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the rate changes over the next hours, learned from days of it.

    What carries the best guess through an outage. An ensemble, in which each expert is
    believed as far as its matured forecasts beat the short-term model.
    """

    enabled: Annotated[
        bool, Meta(description="Off: the rate is taken to stay as it is.")
    ] = True
    model_name: Annotated[
        Literal["ensemble", "fracast", "chronos", "timesfm", "ttm"],
        Meta(
            description="`ensemble`: the built-in experts. Any other name adds a "
            "foundation model to them, in a process of its own; each is an optional "
            "extra (docs/howto/foundation-models.md)."
        ),
    ] = "ensemble"
    device: Annotated[
        Literal["cpu", "cuda", "auto"],
        Meta(description="Where a foundation model computes."),
    ] = "auto"
    context_length: Annotated[
        int,
        Meta(
            ge=16,
            le=432,
            description="Rates, ten minutes apart, that a foundation model is shown; "
            "432 are three days.",
        ),
    ] = 432
    prediction_horizon_s: Annotated[
        float,
        Meta(
            ge=600.0,
            le=28_800.0,
            extra=_S,
            description="How far a foundation model forecasts.",
        ),
    ] = field(default=28_800.0, name="prediction_horizon")
    inference_interval_s: Annotated[
        float,
        Meta(
            ge=60.0,
            le=28_800.0,
            extra=_S,
            description="How often a foundation model is asked. There are no new rates "
            "before ten minutes have passed.",
        ),
    ] = field(default=600.0, name="inference_interval")
    deadline_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=600.0,
            extra=_S,
            description="A foundation model that takes longer has no vote; its process "
            "is started again.",
        ),
    ] = field(default=60.0, name="deadline")
    covariates: Annotated[
        bool,
        Meta(
            description="Read temperature, CPU frequency and load where the kernel shows "
            "them, as one more expert's evidence. Absent on most virtual machines."
        ),
    ] = True
    weights: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(
            description="A foundation model's weights: a folder, or a hub's "
            "`owner/name@revision`. Unset: those of its package, or the usual ones of "
            "its hub."
        ),
    ] = None
