"""Where a daemon's report for people lies, and which keys it has.

Its writer (`chronotick.daemon.status_file`) and its reader (`chronotick.client.status`)
share this and nothing else.
"""

from __future__ import annotations

__all__ = ["REPORT_SCHEMA", "REPORT_STALE_NS", "REPORT_SUFFIX"]

REPORT_SUFFIX = ".status"
"""Appended to the segment's path."""
REPORT_SCHEMA = 1
"""Version of the report's keys; grows when one changes its meaning."""
REPORT_STALE_NS = 5_000_000_000
"""A daemon writes one a second. What is told in one that is older than this was so then:
the daemon is gone, or can't write it (its publications don't depend on that)."""
