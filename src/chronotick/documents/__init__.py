"""Understand what people write: YAML into a schema, each mistake in one line."""
