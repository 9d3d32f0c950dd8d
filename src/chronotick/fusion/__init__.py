"""Fuse: hard bound, choice of model and status of the published correction; pure."""

from chronotick.fusion.frequency import FrequencyBound, RateSpan
from chronotick.fusion.fuse import Evidence, fuse
from chronotick.fusion.hard import ServerBound

__all__ = ["Evidence", "FrequencyBound", "RateSpan", "ServerBound", "fuse"]
