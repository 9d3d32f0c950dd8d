"""Measure: packets, exchanges, sample filter, source selection; pure, time is an argument."""
