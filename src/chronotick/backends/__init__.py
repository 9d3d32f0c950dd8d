"""Forecast elsewhere: learned models in a process of their own, asked over pipes.

``python -m chronotick.backends NAME`` is started by `chronotick.daemon.forecaster`; no
other room imports this one, and it imports `core` only. The heavy libraries are imported
when a model is loaded, each by one module.
"""

__all__: list[str] = []
