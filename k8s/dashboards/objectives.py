"""What is promised, and how fast a promise may be broken before somebody is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["page", "ticket"]
"""Whether somebody is woken, or looks in working hours."""

ROUTE = "/understand"
PERIOD = "30d"
"""What an objective is kept over."""

AVAILABLE = 0.995
PROMPT = 0.95
PROMPT_SECONDS = 5.0
"""One of the buckets of `ssu_request_duration_seconds`."""

LEAST_BAD_EVENTS = 5
"""Fewer bad requests than this in a long window are not a trend, whatever their share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLevelObjective:
    """A share of events that has to be good; `events` and `bad` are in events per second."""

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
        promise=f"{AVAILABLE:.1%} of the clips are answered, or refused for a fault of their own",
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
        promise=f"{PROMPT:.0%} of the clips that are answered are so within {PROMPT_SECONDS:g} s",
        events=events,
        bad=f"{events} - {prompt}",
    )


AVAILABILITY = _availability()
LATENCY = _latency()
OBJECTIVES = (AVAILABILITY, LATENCY)


@dataclass(frozen=True, slots=True)
class Burn:
    """A pace at which the budget is used up: so many times too fast, over both windows."""

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
    """Return the name of the recorded share of bad events over a window."""
    return f"namespace_job_slo:ssu_bad_events:ratio_rate{window}"
