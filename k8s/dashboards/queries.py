"""PromQL for panels: restricted to the selected gateways, with the dashboard's rate interval."""

from __future__ import annotations

GATEWAY = 'namespace=~"$namespace",job=~"$job",instance=~"$instance"'
JOB = 'namespace=~"$namespace",job=~"$job"'
SERVER = 'namespace=~"$namespace",instance=~"$server"'
CLIPS = f'{GATEWAY},route=~"$route"'
"""For metrics of requests: also restricted to the selected routes."""


def gauge(metric: str, where: str = "", *, of: str = GATEWAY) -> str:
    """Return a metric without aggregation."""
    return f"{metric}{{{_both(of, where)}}}"


def total(metric: str, by: str = "", where: str = "", *, of: str = GATEWAY) -> str:
    """Return the sum of a gauge."""
    return f"sum{_by(by)} ({gauge(metric, where, of=of)})"


def most(metric: str, by: str = "", where: str = "", *, of: str = GATEWAY) -> str:
    """Return the greatest value of a gauge that every gateway has of the same thing."""
    return f"max{_by(by)} ({gauge(metric, where, of=of)})"


def rate(metric: str, by: str = "", where: str = "", *, of: str = GATEWAY) -> str:
    """Return the rate of a counter per second."""
    return f"sum{_by(by)} (rate({gauge(metric, where, of=of)}[$__rate_interval]))"


def quantile(
    share: float, histogram: str, by: str = "", where: str = "", *, of: str = GATEWAY
) -> str:
    """Return a quantile of a histogram."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', labels, where, of=of)})"


def mean(histogram: str, by: str = "", where: str = "", *, of: str = GATEWAY) -> str:
    """Return the mean of a histogram."""
    sums, counts = (rate(f"{histogram}_{part}", by, where, of=of) for part in ("sum", "count"))
    return f"{sums} / {counts}"


def buckets(histogram: str, where: str = "", *, of: str = GATEWAY) -> str:
    """Return the number of observations per bucket, for a heatmap."""
    return f"sum by (le) (increase({gauge(f'{histogram}_bucket', where, of=of)}[$__rate_interval]))"


def _both(first: str, second: str) -> str:
    return ",".join(part for part in (first, second) if part)


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
