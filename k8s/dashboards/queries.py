"""PromQL as the panels ask it: of the chosen gateways, over the interval that fits the zoom."""

from __future__ import annotations

GATEWAY = 'namespace=~"$namespace",job=~"$job",instance=~"$instance"'
JOB = 'namespace=~"$namespace",job=~"$job"'
SERVER = 'namespace=~"$namespace",instance=~"$server"'
CLIPS = f'{GATEWAY},route=~"$route"'
"""Of the metrics of requests: the chosen routes, too."""


def gauge(metric: str, where: str = "", *, of: str = GATEWAY) -> str:
    """Return a metric as it is."""
    return f"{metric}{{{_both(of, where)}}}"


def total(metric: str, by: str = "", where: str = "", *, of: str = GATEWAY) -> str:
    """Return the sum of a gauge."""
    return f"sum{_by(by)} ({gauge(metric, where, of=of)})"


def rate(metric: str, by: str = "", where: str = "", *, of: str = GATEWAY) -> str:
    """Return how much a counter grows in a second."""
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
    """Return how many observations fell into each bucket, as a heatmap wants it."""
    return f"sum by (le) (increase({gauge(f'{histogram}_bucket', where, of=of)}[$__rate_interval]))"


def _both(first: str, second: str) -> str:
    return ",".join(part for part in (first, second) if part)


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
