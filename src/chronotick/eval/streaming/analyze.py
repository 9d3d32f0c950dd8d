"""From a folder of recordings to a report: read, judge, draw, write.

Decides nothing itself. `run.json`, if the run left one, tells seed, versions and hosts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chronotick.core.errors import ChronotickError
from chronotick.core.version import installed_version
from chronotick.eval.streaming.about import ABOUT_FILE, read_about
from chronotick.eval.streaming.figures import draw
from chronotick.eval.streaming.judge import JudgeSettings, judge
from chronotick.eval.streaming.report import write_report
from chronotick.eval.streaming.tables import read_run

if TYPE_CHECKING:
    from pathlib import Path

    from chronotick.eval.streaming.judged import Group

__all__ = ["ABOUT_FILE", "Analysis", "UnwritableReport", "analyze", "report_on"]


class UnwritableReport(ChronotickError):
    """The report cannot be written: the disk is full, or the folder refuses."""


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
        UnreadableAbout: `run.json` is damaged.
        UnwritableReport: the operating system refuses.
    """
    return report_on(experiment, judge(read_run(experiment), settings), output)


def report_on(experiment: Path, statistics: Group, output: Path | None) -> Analysis:
    """Write the report of statistics, whoever made them; see `analyze`."""
    about = {"chronotick": installed_version(), **read_about(experiment)}
    folder = output or experiment / "report"
    try:
        page = write_report(folder, statistics, draw(statistics), about)
    except OSError as error:
        why = error.strerror or error
        raise UnwritableReport(f"cannot write to {folder}: {why}") from error
    return Analysis(page, statistics)
