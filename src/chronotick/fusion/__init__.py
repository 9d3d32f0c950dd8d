"""Fuse: hard bound, choice of model and status of the published correction; pure."""

from chronotick.fusion.frequency import FrequencyBound, RateSpan
from chronotick.fusion.fuse import Evidence, fuse
from chronotick.fusion.hard import ServerBound
from chronotick.fusion.leap import has_leapt, newest_against

__all__ = [
    "Evidence",
    "FrequencyBound",
    "RateSpan",
    "ServerBound",
    "fuse",
    "has_leapt",
    "newest_against",
]
