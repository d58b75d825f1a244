"""Lifetimes that a check must find broken."""

from __future__ import annotations

from tests.k8s import lifetime_checks
from tests.k8s.broken import ALL, CPU, GATEWAY, GPU, TRITON, Case

CASES = (
    Case(
        lifetime_checks.probes_hit_routes,
        CPU,
        lambda b: b.container()["readinessProbe"]["httpGet"].update(path="/ready"),
        "readinessProbe asks for /ready",
    ),
    Case(
        lifetime_checks.probes_hit_routes,
        CPU,
        lambda b: b.container().pop("startupProbe"),
        "startupProbe asks for None",
    ),
    Case(
        lifetime_checks.probes_hit_routes,
        GPU,
        lambda b: b.container(TRITON)["livenessProbe"]["httpGet"].update(port="web"),
        "livenessProbe asks on port web",
    ),
    Case(
        lifetime_checks.starting_is_waited_for,
        GPU,
        lambda b: b.spec("Deployment", TRITON).pop("progressDeadlineSeconds"),
        "Deployment/ssu-triton: an update fails before a slow start of 1200 s is over",
    ),
    Case(
        lifetime_checks.starting_is_waited_for,
        GPU,
        lambda b: b.spec("Deployment").update(progressDeadlineSeconds=600),
        "Deployment/ssu-gateway: an update fails before a slow start of 1200 s is over",
    ),
    Case(
        lifetime_checks.starting_is_waited_for,
        CPU,
        lambda b: b.spec("Deployment").update(progressDeadlineSeconds=120),
        "Deployment/ssu-gateway: an update fails before a slow start of 120 s is over",
    ),
    Case(
        lifetime_checks.grace_outlasts_the_longest_request,
        CPU,
        lambda b: b.settings().update(SSU_DEADLINE_SECONDS="140"),
        "150 s may be needed, the grace is 150",
    ),
    Case(
        lifetime_checks.grace_outlasts_the_longest_request,
        CPU,
        lambda b: b.settings().update(SSU_DRAIN_SECONDS="25"),
        "150 s may be needed, the grace is 150",
    ),
    Case(
        lifetime_checks.grace_outlasts_the_longest_request,
        CPU,
        lambda b: b.pod().pop("terminationGracePeriodSeconds"),
        "the grace is 30",
    ),
    Case(
        lifetime_checks.grace_outlasts_the_longest_request,
        CPU,
        lambda b: b.container().pop("lifecycle"),
        "stops before the endpoint is gone",
    ),
    Case(
        lifetime_checks.grace_outlasts_the_longest_request,
        GPU,
        lambda b: b.argument(TRITON, "--exit-timeout-secs=120", "--exit-timeout-secs=30"),
        "is shorter than the longest request",
    ),
    Case(
        lifetime_checks.tritons_that_go_are_forgotten,
        GPU,
        lambda b: b.container(TRITON)["args"].remove("--grpc-max-connection-age=10000"),
        "its connections live for ever",
    ),
    Case(
        lifetime_checks.tritons_that_go_are_forgotten,
        GPU,
        lambda b: b.argument(
            TRITON, "--grpc-max-connection-age=10000", "--grpc-max-connection-age=30000"
        ),
        "gateways may know it for 63 s",
    ),
    Case(
        lifetime_checks.tritons_that_go_are_forgotten,
        GPU,
        lambda b: b.container(TRITON)["lifecycle"]["preStop"]["exec"].update(
            command=["sleep", "10"]
        ),
        "gateways may know it for 41 s",
    ),
    Case(
        lifetime_checks.updates_get_on,
        GPU,
        lambda b: b.spec("Deployment", TRITON)["strategy"].update(
            rollingUpdate={"maxSurge": 1, "maxUnavailable": 0}
        ),
        "waits for a GPU that nobody frees",
    ),
    Case(
        lifetime_checks.updates_get_on,
        CPU,
        lambda b: b.spec("Deployment")["strategy"]["rollingUpdate"].update(maxSurge=0),
        "can never be updated",
    ),
    Case(
        lifetime_checks.updates_get_on,
        CPU,
        lambda b: b.spec("Deployment").pop("strategy"),
        "does not say how it is updated",
    ),
    Case(
        lifetime_checks.scalers_have_targets,
        CPU,
        lambda b: b.spec("HorizontalPodAutoscaler")["scaleTargetRef"].update(name="gateway"),
        "there is no Deployment gateway",
    ),
    Case(
        lifetime_checks.scalers_have_targets,
        CPU,
        lambda b: b.spec("Deployment").update(replicas=2),
        "states replicas",
    ),
    Case(
        lifetime_checks.scalers_have_targets,
        CPU,
        lambda b: b.spec("HorizontalPodAutoscaler").update(minReplicas=11),
        "from 11 to 10 is no range",
    ),
    Case(
        lifetime_checks.scalers_have_targets,
        ALL,
        lambda b: b.spec("ScaledObject", TRITON)["scaleTargetRef"].update(name=GATEWAY),
        "ssu-gateway is scaled twice",
    ),
    Case(
        lifetime_checks.scalers_have_targets,
        CPU,
        lambda b: b.without("HorizontalPodAutoscaler", GATEWAY),
        "nobody says how many",
    ),
    Case(
        lifetime_checks.budgets_allow_evictions,
        CPU,
        lambda b: b.object("PodDisruptionBudget").update(
            spec={"minAvailable": 2, "selector": b.spec("PodDisruptionBudget")["selector"]}
        ),
        "lets no pod of Deployment/ssu-gateway be evicted",
    ),
    Case(
        lifetime_checks.budgets_allow_evictions,
        GPU,
        lambda b: b.object("PodDisruptionBudget", TRITON).update(
            spec={
                "minAvailable": "50%",
                "selector": b.spec("PodDisruptionBudget", TRITON)["selector"],
            }
        ),
        "lets no pod of Deployment/ssu-triton be evicted",
    ),
    Case(
        lifetime_checks.budgets_allow_evictions,
        CPU,
        lambda b: b.spec("PodDisruptionBudget")["selector"].update(matchLabels={"app": "x"}),
        "selects no pods",
    ),
    Case(
        lifetime_checks.budgets_allow_evictions,
        CPU,
        lambda b: b.without("PodDisruptionBudget", GATEWAY),
        "has no budget",
    ),
)
