"""Alerts on causes: each names one thing that is wrong, and has a section in the runbook."""

from __future__ import annotations

from dataclasses import dataclass

from k8s.dashboards.objectives import ROUTE, Severity
from service.http.api_keys import OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A condition that has to hold for a while, what to call it and whom to tell."""

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
    """Return the rate of a series over a window, of one gateway's job and by more labels."""
    return f"sum by ({', '.join(('namespace', 'job', *more))}) (rate({series}[{window}]))"


def _share(part: str, whole: str) -> str:
    """Return a ratio that is absent, not NaN, where there was nothing."""
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
_TRITON_COMPUTED = " + ".join(
    _sum(f"nv_inference_compute_{part}_duration_us", "5m", "model")
    for part in ("input", "infer", "output")
)

GATEWAY = (
    Alert(
        name="GatewayMissing",
        # Each that was there within a day; where none was, nothing tells which is missing.
        expr=f"({_GATEWAYS} (last_over_time(ssu_workers[1d])) unless {_GATEWAYS} (ssu_workers))"
        " or on () absent(ssu_workers)",
        lasting="5m",
        severity="page",
        summary="No gateway{{ with $labels.namespace }} of {{ . }}{{ end }} reports to Prometheus.",
        description="Either none runs, or none is found: no other alert on them can be relied on.",
    ),
    Alert(
        name="GatewayDown",
        # Known for a gateway by what it said while it could be reached, not by a job's name.
        expr=f"up == 0 and {_ON_TARGET} last_over_time(ssu_workers[1d])",
        lasting="2m",
        severity="ticket",
        summary="{{ $labels.instance }} does not answer Prometheus.",
        description="It was a gateway within the last day and is still a target.",
    ),
    Alert(
        name="NoGatewayReady",
        expr="sum by (namespace, job) (ssu_ready) == 0",
        lasting="1m",
        severity="page",
        summary="No gateway of {{ $labels.job }} is ready.",
        description="Each of them says so in /readyz, with the reasons; clips reach none.",
    ),
    Alert(
        name="GatewayRestarts",
        expr=f"changes(process_start_time_seconds[1h]) > 3 and {_ON_TARGET} ssu_workers",
        lasting="0m",
        severity="ticket",
        summary="{{ $labels.instance }} restarted {{ $value }} times in an hour.",
        description="Clips in work at each of these moments were lost if it did not stop cleanly.",
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
        summary="{{ $value | humanizePercentage }} of the requests are refused.",
        description="Clients send what is not accepted, or we refuse what we should accept.",
    ),
    Alert(
        name="KeysRefused",
        expr=f"{_share(_KEYS_REFUSED, _sum(_WANT_A_KEY, '10m'))} > 0.25 and {_KEYS_REFUSED} > 0.02",
        lasting="10m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of the requests bring no key that is known.",
        description="They got 401. Either the keys have changed, or strangers ask.",
    ),
    Alert(
        name="DeadlinesExceeded",
        expr=_share(_sum('ssu_cancelled_total{cause="deadline"}', "10m"), _sum(_REQUESTS, "10m"))
        + " > 0.01",
        lasting="5m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of the clips run out of time.",
        description="They got 504, which names the stage that was reached.",
    ),
    Alert(
        name="DecodeChildCrashes",
        expr="sum by (namespace, job, instance) (increase(ssu_decode_child_exits_total"
        '{reason=~"decode_failed|died_idle|start_failed"}[15m])) > 3',
        lasting="0m",
        severity="ticket",
        summary="Decoding processes of {{ $labels.instance }} die.",
        description="{{ $value | humanize }} in a quarter of an hour, each with the clip it had.",
    ),
    Alert(
        name="SlowerThanRealTime",
        expr=_quantile(0.5, 'ssu_realtime_factor_bucket{stage="total"}', "15m") + " < 1",
        lasting="15m",
        severity="ticket",
        summary="Half of the clips take longer than they play.",
        description="The median is {{ $value | humanize }} seconds of clip per second of work.",
    ),
    Alert(
        name="ModelRolloutRefused",
        # One that starts may refuse some before it is first scraped, which `increase` cannot see.
        expr=f"increase({_REFUSED}[1h]) > 0 or ({_REFUSED} > 0 unless {_REFUSED} offset 1h)",
        lasting="0m",
        severity="ticket",
        summary="{{ $labels.instance }} did not take newer weights: {{ $labels.result }}.",
        description="It goes on with the version it had.",
    ),
    Alert(
        name="MixedModelVersions",
        expr="count by (namespace, job, name) (count by (namespace, job, name, version, digest)"
        " (ssu_model_info)) > 1",
        lasting="30m",
        severity="ticket",
        summary="{{ $value }} versions of {{ $labels.name }} answer at the same time.",
        description="A rollout that should have ended has not: the same clip gets two answers.",
    ),
)

ENGINES = (
    Alert(
        name="EngineDown",
        expr="ssu_engine_up == 0",
        lasting="2m",
        severity="ticket",
        summary="{{ $labels.instance }} is not ready.",
        description="One of its models does not answer; it gets no clips until one does.",
    ),
    Alert(
        name="CircuitOpen",
        expr="ssu_circuit_state == 1",
        lasting="2m",
        severity="ticket",
        summary="{{ $labels.engine }} is taken to be down by {{ $labels.instance }}.",
        description="Requests that need it fail at once, until the probe gets an answer.",
    ),
    Alert(
        name="ProbeStale",
        expr="time() - ssu_engine_last_success_timestamp_seconds > 180",
        lasting="1m",
        severity="ticket",
        summary="{{ $labels.engine }} last answered {{ $labels.instance }}"
        " {{ $value | humanizeDuration }} ago.",
        description="Neither a clip nor the probe got an answer; the probe asks every 10 s.",
    ),
    Alert(
        name="EngineFailures",
        expr=f"{_FAILED} / ({_FAILED} + ({_INFERRED} or 0 * {_FAILED}) > 0) > 0.05",
        lasting="5m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of the inferences of {{ $labels.engine }} fail.",
        description="Seen by {{ $labels.instance }}; a full queue and a late client do not count.",
    ),
    Alert(
        name="TritonDown",
        expr=f"up == 0 and {_ON_TARGET} last_over_time(nv_inference_count[1d])",
        lasting="2m",
        severity="ticket",
        summary="The inference server {{ $labels.instance }} does not answer Prometheus.",
        description="It had models within the last day and is still a target.",
    ),
    Alert(
        name="TritonFailures",
        expr=_share(_TRITON_FAILED, f"{_TRITON_FAILED} + {_TRITON_ANSWERED}") + " > 0.05",
        lasting="5m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of {{ $labels.model }} fails in Triton.",
        description="Counted by the server itself, without those that were cancelled.",
    ),
    Alert(
        name="TritonQueueDominates",
        expr=_share(_sum("nv_inference_queue_duration_us", "5m", "model"), _TRITON_COMPUTED)
        + " > 1",
        lasting="10m",
        severity="ticket",
        summary="Inferences of {{ $labels.model }} wait longer than they compute.",
        description="In Triton's queue {{ $value | humanize }} times as long as in the model.",
    ),
)

CAPACITY = (
    Alert(
        name="QueueSaturated",
        expr="avg_over_time(ssu_queue_depth[5m]) / (ssu_queue_limit > 0) > 0.8",
        lasting="5m",
        severity="ticket",
        summary="The queue of {{ $labels.instance }} is nearly full.",
        description="{{ $value | humanizePercentage }} of its places; beyond them it is 429.",
    ),
    Alert(
        name="QueueWaitTooLong",
        expr="ssu_queue_oldest_age_seconds > 60",
        lasting="2m",
        severity="ticket",
        summary="The first clip in the queue of {{ $labels.instance }} has waited"
        " {{ $value | humanizeDuration }}.",
        description="Half of the time a request may take, and nothing has been done for it yet.",
    ),
    Alert(
        name="RejectingRequests",
        expr=_share(_sum("ssu_admission_rejected_total", "5m"), _sum(_REQUESTS, "5m")) + " > 0.05",
        lasting="5m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of the requests are not let in.",
        description="More clips come to {{ $labels.job }} than it can work on.",
    ),
    Alert(
        name="CpuThrottled",
        expr=_share("rate(ssu_cpu_throttled_periods_total[5m])", "rate(ssu_cpu_periods_total[5m])")
        + " > 0.25",
        lasting="15m",
        severity="ticket",
        summary="{{ $labels.instance }} is held back by its processor quota.",
        description="In {{ $value | humanizePercentage }} of the periods that it had work in.",
    ),
    Alert(
        name="MemoryNearLimit",
        expr="ssu_memory_bytes / ssu_memory_limit_bytes > 0.9",
        lasting="5m",
        severity="ticket",
        summary="{{ $labels.instance }} uses {{ $value | humanizePercentage }} of its memory.",
        description="At the limit the kernel kills it, with the clips it has.",
    ),
    Alert(
        name="EventLoopLag",
        expr=_quantile(0.99, "ssu_event_loop_lag_seconds_bucket", "5m", "instance") + " > 0.25",
        lasting="10m",
        severity="ticket",
        summary="The event loop of {{ $labels.instance }} is blocked.",
        description="One turn in a hundred comes {{ $value | humanizeDuration }} late.",
    ),
)

GROUPS = {"ssu-gateway": GATEWAY, "ssu-engines": ENGINES, "ssu-capacity": CAPACITY}
