"""What an operator sees: metrics, traces, logs, the container's use."""
