"""Accuracy: one clock against recorded or imagined truth; nothing runs for real."""
