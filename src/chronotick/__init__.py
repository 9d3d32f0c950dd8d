"""Bounded time for any process; see docs/ and `chronotick --help`."""
