"""From a folder of recordings to a report: read, judge, draw, write.

Decides nothing itself. `run.json`, if the run left one, tells seed, versions and hosts.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

from chronotick.eval.figures import draw
from chronotick.eval.judge import JudgeSettings, judge
from chronotick.eval.report import write_report
from chronotick.eval.tables import UnusableRecording, read_run

if TYPE_CHECKING:
    from pathlib import Path

    from chronotick.eval.judged import Group

__all__ = ["ABOUT_FILE", "Analysis", "analyze"]

ABOUT_FILE = "run.json"
"""A JSON object of texts that the report repeats; written by whatever ran the nodes."""


class Analysis(NamedTuple):
    """What came of it."""

    page: Path
    statistics: Group


def analyze(
    experiment: Path,
    *,
    output: Path | None = None,
    settings: JudgeSettings | None = None,
) -> Analysis:
    """Judge the recordings in `experiment` and write the report.

    Args:
        experiment: With the nodes' files.
        output: Where the report goes; None: ``report`` in `experiment`.
        settings: What is not in the files.

    Raises:
        UnusableRecording: there is nothing that can be judged.
    """
    statistics = judge(read_run(experiment), settings)
    about = {"chronotick": version("chronotick"), **_about(experiment)}
    folder = output or experiment / "report"
    page = write_report(folder, statistics, draw(statistics), about)
    return Analysis(page, statistics)


def _about(experiment: Path) -> dict[str, str]:
    try:
        text = (experiment / ABOUT_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        found = json.loads(text)
        return {str(key): str(value) for key, value in found.items()}
    except (ValueError, AttributeError) as error:
        raise UnusableRecording(
            f"{experiment / ABOUT_FILE} is not a JSON object: {error}"
        ) from error
