"""Streaming: events sent to real nodes, and what can be decided from their stamps."""
