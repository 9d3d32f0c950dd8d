"""Imagine: clocks, paths and servers that the production pipeline cannot tell from real ones."""
