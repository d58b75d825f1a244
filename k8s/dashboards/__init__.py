"""Observability as code: Grafana dashboards, recording rules and alerts, written as files.

`python -m k8s.dashboards` writes `k8s/observability/`. Nothing of the gateway imports this; it
alone needs grafana-foundation-sdk.
"""
