"""Telemetry: metrics, traces, logs, container usage."""
