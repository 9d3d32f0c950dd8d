"""Estimate: oscillator models behind one protocol; pure."""
