"""Publish and read: the shared-memory segment, its layout, writer and reference reader.

Decides what the bytes mean and in which order they are stored and loaded. It reads no
clock: whether a correction still applies is for `chronotick.client` to judge.
"""
