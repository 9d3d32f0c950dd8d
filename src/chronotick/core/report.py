"""Where a daemon's report for people lies, and which keys it has.

Its writer (`chronotick.daemon.status_file`) and its reader (`chronotick.client.status`)
share this and nothing else.
"""

from __future__ import annotations

__all__ = ["REPORT_SCHEMA", "REPORT_SUFFIX"]

REPORT_SUFFIX = ".status"
"""Appended to the segment's path."""
REPORT_SCHEMA = 1
"""Version of the report's keys; grows when one changes its meaning."""
