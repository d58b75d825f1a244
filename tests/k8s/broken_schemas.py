"""Fields and kinds that a check must find broken."""

from __future__ import annotations

from tests.k8s import schema_checks
from tests.k8s.broken import ALL, CPU, TRITON, Case

CASES = (
    Case(schema_checks.schemas_hold, CPU, lambda b: b.container().update(prots=[]), "prots"),
    Case(
        schema_checks.schemas_hold,
        CPU,
        lambda b: b.spec("Deployment").update(replicas="two"),
        "two",
    ),
    Case(
        schema_checks.schemas_hold,
        CPU,
        lambda b: b.object("Service").update(kind="Servise"),
        "Servise",
    ),
    Case(
        schema_checks.schemas_hold,
        ALL,
        lambda b: b.spec("ScaledObject").update(triggres=[]),
        "triggres",
    ),
    Case(
        schema_checks.schemas_hold,
        ALL,
        lambda b: b.spec("ServiceMonitor").pop("selector"),
        "selector",
    ),
    Case(
        schema_checks.schemas_hold,
        ALL,
        lambda b: b.spec("PodMonitor", TRITON)["podMetricsEndpoints"][0].update(prot="metrics"),
        "prot",
    ),
)
