"""Metrics: pure functions and accumulators over numpy arrays."""
