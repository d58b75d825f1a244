"""Observability as code: generates Grafana dashboards, recording rules and alerts.

`python -m k8s.dashboards` writes `k8s/observability/`. The gateway does not import this package,
which needs grafana-foundation-sdk.
"""
