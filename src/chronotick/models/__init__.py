"""Estimate: oscillator models behind one protocol; pure, time is an argument."""

from chronotick.models.hold import HoldModel
from chronotick.models.kalman import KalmanModel, KalmanTuning
from chronotick.models.protocol import OscillatorModel

__all__ = ["HoldModel", "KalmanModel", "KalmanTuning", "OscillatorModel"]
