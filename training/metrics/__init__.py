"""What a model is measured by: pure functions and accumulators that count, over numpy arrays."""
