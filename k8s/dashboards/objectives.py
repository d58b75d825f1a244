"""Service level objectives and the burn rate alerts on their error budgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["page", "ticket"]
"""Severity: `page` wakes somebody, `ticket` waits for working hours."""

ROUTE = "/understand"
PERIOD = "30d"
"""The period of the objectives."""

AVAILABLE = 0.995
PROMPT = 0.95
PROMPT_SECONDS = 5.0
"""Must be a bucket of `ssu_request_duration_seconds`."""

LEAST_BAD_EVENTS = 5
"""Minimum of bad requests in the long window for an alert, whatever their share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLevelObjective:
    """The objective for a share of good events; `events` and `bad` are in events per second."""

    name: str
    alert: str
    target: float
    promise: str
    events: str
    bad: str

    @property
    def budget(self) -> float:
        """The share of events that may be bad."""
        return round(1 - self.target, 6)


def _per_second(series: str) -> str:
    return f"sum by (namespace, job) (rate({series}[5m]))"


def _availability() -> ServiceLevelObjective:
    judged = _per_second(
        f'ssu_requests_total{{route="{ROUTE}",outcome!~"cancelled|client_deadline"}}'
    )
    bad = _per_second(f'ssu_requests_total{{route="{ROUTE}",outcome=~"failed|overloaded"}}')
    return ServiceLevelObjective(
        name="availability",
        alert="AvailabilityBudgetBurn",
        target=AVAILABLE,
        promise=f"{AVAILABLE:.1%} of the clips are answered, or rejected as invalid",
        events=judged,
        bad=bad,
    )


def _latency() -> ServiceLevelObjective:
    answered = f'route="{ROUTE}",outcome="answered"'
    histogram = "ssu_request_duration_seconds"
    events = _per_second(f"{histogram}_count{{{answered}}}")
    prompt = _per_second(f'{histogram}_bucket{{{answered},le="{PROMPT_SECONDS}"}}')
    return ServiceLevelObjective(
        name="latency",
        alert="LatencyBudgetBurn",
        target=PROMPT,
        promise=f"{PROMPT:.0%} of the answered clips are answered within {PROMPT_SECONDS:g} s",
        events=events,
        bad=f"{events} - {prompt}",
    )


AVAILABILITY = _availability()
LATENCY = _latency()
OBJECTIVES = (AVAILABILITY, LATENCY)


@dataclass(frozen=True, slots=True)
class Burn:
    """A burn rate alert: the factor over the sustainable rate, and both windows."""

    factor: float
    long: str
    short: str
    severity: Severity


BURNS = (
    Burn(14.4, "1h", "5m", "page"),
    Burn(6, "6h", "30m", "page"),
    Burn(3, "1d", "2h", "ticket"),
    Burn(1, "3d", "6h", "ticket"),
)
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d", PERIOD)

EVENTS = "namespace_job_slo:ssu_events:rate5m"
BAD_EVENTS = "namespace_job_slo:ssu_bad_events:rate5m"


def bad_ratio(window: str) -> str:
    """Return the name of the recorded ratio of bad events over a window."""
    return f"namespace_job_slo:ssu_bad_events:ratio_rate{window}"
