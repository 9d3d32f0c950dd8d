"""Publish and read: the shared-memory segment, its layout, writer and reference reader."""
