"""Alerts on causes: each covers one problem, and has a section in the runbook."""

from __future__ import annotations

from dataclasses import dataclass

from k8s.dashboards.objectives import ROUTE, Severity
from service.http.api_keys import OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert rule: condition, duration, severity, annotations."""

    name: str
    expr: str
    lasting: str
    severity: Severity
    summary: str
    description: str


_REQUESTS = f'ssu_requests_total{{route="{ROUTE}"}}'
_WANT_A_KEY = f'ssu_requests_total{{route!~"{"|".join(sorted(OPEN))}"}}'
_ON_TARGET = "on (namespace, job, instance)"
_GATEWAYS = "group by (namespace, job)"


def _sum(series: str, window: str, *more: str) -> str:
    """Return the summed rate of a series over a window, by namespace, job and more labels."""
    return f"sum by ({', '.join(('namespace', 'job', *more))}) (rate({series}[{window}]))"


def _share(part: str, whole: str) -> str:
    """Return a ratio that is absent, not NaN, if there were no events."""
    return f"{part} / ({whole} > 0)"


def _quantile(share: float, histogram: str, window: str, *more: str) -> str:
    return f"histogram_quantile({share}, {_sum(histogram, window, *more, 'le')})"


_REFUSED = 'ssu_model_rollouts_total{result!="switched"}'
_KEYS_REFUSED = _sum('ssu_input_rejected_total{code="key_refused"}', "10m")
_FAILED = _sum(
    'ssu_engine_failures_total{code!~"overloaded|deadline_exceeded"}', "5m", "instance", "engine"
)
_INFERRED = _sum("ssu_engine_infer_duration_seconds_count", "5m", "instance", "engine")
_TRITON_FAILED = _sum('nv_inference_request_failure{reason!="CANCELED"}', "5m", "model")
_TRITON_ANSWERED = _sum("nv_inference_request_success", "5m", "model")
_ENDED = _sum('ssu_jobs_ended_total{result=~"done|failed"}', "1h")
_JOBS_FAILED = _sum('ssu_jobs_ended_total{result="failed"}', "1h")
_CALLED = _sum("ssu_webhook_attempts_total", "30m")
_CALLS_FAILED = _sum('ssu_webhook_attempts_total{result!="delivered"}', "30m")
_TOOLS_CALLED = _sum('ssu_studio_tool_calls_total{result=~"done|failed|timeout"}', "30m")
_TOOLS_FAILED = _sum('ssu_studio_tool_calls_total{result=~"failed|timeout"}', "30m")
_TRITON_COMPUTED = " + ".join(
    _sum(f"nv_inference_compute_{part}_duration_us", "5m", "model")
    for part in ("input", "infer", "output")
)

GATEWAY = (
    Alert(
        name="GatewayMissing",
        # Compare with gateways seen within a day; without any, the missing labels are unknown.
        expr=f"({_GATEWAYS} (last_over_time(ssu_workers[1d])) unless {_GATEWAYS} (ssu_workers))"
        " or on () absent(ssu_workers)",
        lasting="5m",
        severity="page",
        summary="No gateway metrics{{ with $labels.namespace }} from {{ . }}{{ end }} found.",
        description="None is running, or none is scraped. All other gateway alerts are blind.",
    ),
    Alert(
        name="GatewayDown",
        # Gateways are recognised by their metrics while they were up, not by a job name.
        expr=f"up == 0 and {_ON_TARGET} last_over_time(ssu_workers[1d])",
        lasting="2m",
        severity="ticket",
        summary="Prometheus cannot scrape gateway {{ $labels.instance }}.",
        description="It reported gateway metrics within the last day and is still a target.",
    ),
    Alert(
        name="NoGatewayReady",
        expr="sum by (namespace, job) (ssu_ready) == 0",
        lasting="1m",
        severity="page",
        summary="No gateway of {{ $labels.job }} is ready.",
        description="/readyz of each gateway returns 503 with the reasons; clips fail.",
    ),
    Alert(
        name="GatewayRestarts",
        expr=f"changes(process_start_time_seconds[1h]) > 3 and {_ON_TARGET} ssu_workers",
        lasting="0m",
        severity="ticket",
        summary="{{ $labels.instance }} restarted {{ $value }} times in an hour.",
        description="Clips in work were lost at each restart that was not a clean shutdown.",
    ),
    Alert(
        name="InputRejectedSpike",
        expr=_share(
            _sum(f'ssu_requests_total{{route="{ROUTE}",outcome="refused"}}', "15m"),
            _sum(_REQUESTS, "15m"),
        )
        + " > 0.5",
        lasting="15m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of the requests are rejected as invalid.",
        description="Clients send invalid input, or the service rejects valid input.",
    ),
    Alert(
        name="KeysRefused",
        expr=f"{_share(_KEYS_REFUSED, _sum(_WANT_A_KEY, '10m'))} > 0.25 and {_KEYS_REFUSED} > 0.02",
        lasting="10m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of the requests have no valid key.",
        description="They got 401. The keys have changed, or the requests are unauthorized.",
    ),
    Alert(
        name="DeadlinesExceeded",
        expr=_share(_sum('ssu_cancelled_total{cause="deadline"}', "10m"), _sum(_REQUESTS, "10m"))
        + " > 0.01",
        lasting="5m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of the clips time out.",
        description="They got 504, which names the stage reached.",
    ),
    Alert(
        name="DecodeChildCrashes",
        expr="sum by (namespace, job, instance) (increase(ssu_decode_child_exits_total"
        '{reason=~"decode_failed|died_idle|start_failed"}[15m])) > 3',
        lasting="0m",
        severity="ticket",
        summary="Decoding processes of {{ $labels.instance }} crash.",
        description="{{ $value | humanize }} crashes in 15 minutes; each may have lost a clip.",
    ),
    Alert(
        name="SlowerThanRealTime",
        expr=_quantile(0.5, 'ssu_realtime_factor_bucket{stage="total"}', "15m") + " < 1",
        lasting="15m",
        severity="ticket",
        summary="Half of the clips are processed slower than real time.",
        description="The median speed is {{ $value | humanize }} times real time.",
    ),
    Alert(
        name="ModelRolloutRefused",
        # Rejections right after a start, before the first scrape, are invisible to `increase`.
        expr=f"increase({_REFUSED}[1h]) > 0 or ({_REFUSED} > 0 unless {_REFUSED} offset 1h)",
        lasting="0m",
        severity="ticket",
        summary="{{ $labels.instance }} did not keep newer weights: {{ $labels.result }}.",
        description="It continues with the previous version.",
    ),
    Alert(
        name="MixedModelVersions",
        expr="count by (namespace, job, name) (count by (namespace, job, name, version, digest)"
        " (ssu_model_info)) > 1",
        lasting="30m",
        severity="ticket",
        summary="{{ $value }} versions of {{ $labels.name }} are in service at the same time.",
        description="A rollout has not completed: the same clip may get different answers.",
    ),
)

ENGINES = (
    Alert(
        name="EngineDown",
        expr="ssu_engine_up == 0",
        lasting="2m",
        severity="ticket",
        summary="{{ $labels.instance }} is not ready.",
        description="One of its models is down; it gets no clips until both models answer.",
    ),
    Alert(
        name="CircuitOpen",
        expr="ssu_circuit_state == 1",
        lasting="2m",
        severity="ticket",
        summary="The circuit for {{ $labels.engine }} is open on {{ $labels.instance }}.",
        description="Requests that need it fail at once until a probe succeeds.",
    ),
    Alert(
        name="ProbeStale",
        expr="time() - ssu_engine_last_success_timestamp_seconds > 180",
        lasting="1m",
        severity="ticket",
        summary="{{ $labels.engine }} last answered {{ $labels.instance }}"
        " {{ $value | humanizeDuration }} ago.",
        description="Neither clips nor probes were answered; idle models are probed every 10 s.",
    ),
    Alert(
        name="EngineFailures",
        expr=f"{_FAILED} / ({_FAILED} + ({_INFERRED} or 0 * {_FAILED}) > 0) > 0.05",
        lasting="5m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of the inferences of {{ $labels.engine }} fail.",
        description="Measured by {{ $labels.instance }}, without full queues and client timeouts.",
    ),
    Alert(
        name="TritonDown",
        expr=f"up == 0 and {_ON_TARGET} last_over_time(nv_inference_count[1d])",
        lasting="2m",
        severity="ticket",
        summary="Prometheus cannot scrape inference server {{ $labels.instance }}.",
        description="It reported inferences within the last day and is still a target.",
    ),
    Alert(
        name="TritonFailures",
        expr=_share(_TRITON_FAILED, f"{_TRITON_FAILED} + {_TRITON_ANSWERED}") + " > 0.05",
        lasting="5m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of {{ $labels.model }} requests fail in Triton.",
        description="Counted by Triton, without cancelled requests.",
    ),
    Alert(
        name="TritonQueueDominates",
        expr=_share(_sum("nv_inference_queue_duration_us", "5m", "model"), _TRITON_COMPUTED)
        + " > 1",
        lasting="10m",
        severity="ticket",
        summary="Inferences of {{ $labels.model }} queue longer than they compute.",
        description="Queue time in Triton is {{ $value | humanize }} times the compute time.",
    ),
)

CAPACITY = (
    Alert(
        name="QueueSaturated",
        expr="avg_over_time(ssu_queue_depth[5m]) / (ssu_queue_limit > 0) > 0.8",
        lasting="5m",
        severity="ticket",
        summary="The queue of {{ $labels.instance }} is nearly full.",
        description="{{ $value | humanizePercentage }} full; requests get 429 when it is full.",
    ),
    Alert(
        name="QueueWaitTooLong",
        expr="ssu_queue_oldest_age_seconds > 60",
        lasting="2m",
        severity="ticket",
        summary="The oldest clip in the queue of {{ $labels.instance }} has waited"
        " {{ $value | humanizeDuration }}.",
        description="That is half of the request deadline, before processing has started.",
    ),
    Alert(
        name="RejectingRequests",
        expr=_share(_sum("ssu_admission_rejected_total", "5m"), _sum(_REQUESTS, "5m")) + " > 0.05",
        lasting="5m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of the requests are rejected with 429.",
        description="{{ $labels.job }} receives more clips than it can process.",
    ),
    Alert(
        name="CpuThrottled",
        expr=_share("rate(ssu_cpu_throttled_periods_total[5m])", "rate(ssu_cpu_periods_total[5m])")
        + " > 0.25",
        lasting="15m",
        severity="ticket",
        summary="{{ $labels.instance }} is throttled by its CPU quota.",
        description="Throttled in {{ $value | humanizePercentage }} of the active quota periods.",
    ),
    Alert(
        name="MemoryNearLimit",
        expr="ssu_memory_bytes / ssu_memory_limit_bytes > 0.9",
        lasting="5m",
        severity="ticket",
        summary="{{ $labels.instance }} uses {{ $value | humanizePercentage }} of its memory.",
        description="At the limit it is OOM-killed, and its clips are lost.",
    ),
    Alert(
        name="EventLoopLag",
        expr=_quantile(0.99, "ssu_event_loop_lag_seconds_bucket", "5m", "instance") + " > 0.25",
        lasting="10m",
        severity="ticket",
        summary="The event loop of {{ $labels.instance }} is lagging.",
        description="The p99 lag is {{ $value | humanizeDuration }}.",
    ),
)


def _jobs(state: str) -> str:
    """Return the number of jobs in a state: of the store, so that every gateway says the same."""
    return f'max by (namespace, job) (ssu_jobs{{state="{state}"}})'


_OF_STORE = 'route=~"/jobs.*|/studio/api/.*",route!~".*/(swap|sentences)"'
"""Routes whose 503 is the store's: the two others may find a model or an endpoint down."""

JOBS = (
    Alert(
        name="JobStoreUnavailable",
        expr=_sum(f'ssu_requests_total{{{_OF_STORE},code="503"}}', "5m") + " > 0",
        lasting="5m",
        severity="ticket",
        summary="The store of jobs of {{ $labels.job }} does not answer.",
        description="Requests for jobs and the studio get 503, and none is worked on; clips are"
        " answered.",
    ),
    Alert(
        name="JobsNotTaken",
        expr=f"{_jobs('waiting')} > 0 and {_jobs('working')} == 0",
        lasting="10m",
        severity="ticket",
        summary="{{ $value }} jobs of {{ $labels.job }} wait, and no gateway takes one.",
        description="No gateway is ready, or what was begun is given back at once each time.",
    ),
    Alert(
        name="JobsStandStill",
        expr=f"{_jobs('working')} > 0"
        f" and {_sum('ssu_job_parts_total', '15m')} == 0 and"
        f" {_sum('ssu_jobs_ended_total', '15m')} == 0",
        lasting="5m",
        severity="ticket",
        summary="{{ $value }} jobs of {{ $labels.job }} are in work, and nothing is done.",
        description="No part of any job was done in a quarter of an hour: requests go first.",
    ),
    Alert(
        name="JobsWaitTooLong",
        expr="max by (namespace, job) (ssu_jobs_oldest_age_seconds) > 3600",
        lasting="10m",
        severity="ticket",
        summary="A job of {{ $labels.job }} has waited {{ $value | humanizeDuration }}.",
        description="More jobs are sent than are done.",
    ),
    Alert(
        name="JobsFail",
        expr=f"{_share(_JOBS_FAILED, _ENDED)} > 0.25 and {_JOBS_FAILED} * 3600 > 2.5",
        lasting="5m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of the jobs of {{ $labels.job }} fail.",
        description="Of those that ended within the last hour, three or more.",
    ),
    Alert(
        name="WebhooksFail",
        expr=f"{_share(_CALLS_FAILED, _CALLED)} > 0.5 and {_CALLS_FAILED} * 1800 > 4.5",
        lasting="15m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of the webhooks of {{ $labels.job }} fail.",
        description="They are repeated for hours; the jobs' results can be fetched meanwhile.",
    ),
    Alert(
        name="WebhooksGivenUp",
        expr=_sum('ssu_webhook_attempts_total{result="given_up"}', "1h") + " > 0",
        lasting="0m",
        severity="ticket",
        summary="Webhooks of {{ $labels.job }} were given up.",
        description="Somebody was not told of the end of a job, and will not be.",
    ),
)

STUDIO = (
    Alert(
        name="StudioStandsStill",
        expr='max by (namespace, job) (ssu_studio_clips{state="preparing"}) > 0'
        f" and {_sum('ssu_studio_prepared_total', '1h')} == 0",
        lasting="15m",
        severity="ticket",
        summary="{{ $value }} clips of the studio of {{ $labels.job }} wait, and none gets ready.",
        description="No clip was prepared, and none failed, for an hour.",
    ),
    Alert(
        name="StudioToolsFail",
        expr=f"{_share(_TOOLS_FAILED, _TOOLS_CALLED)} > 0.25 and {_TOOLS_FAILED} * 1800 > 4.5",
        lasting="5m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of calls of tools of {{ $labels.job }} fail.",
        description="Of the last half hour, five or more; annotators draw masks by hand.",
    ),
)

GROUPS = {
    "ssu-gateway": GATEWAY,
    "ssu-engines": ENGINES,
    "ssu-capacity": CAPACITY,
    "ssu-jobs": JOBS,
    "ssu-studio": STUDIO,
}
