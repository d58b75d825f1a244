"""Pods that a check must find broken."""

from __future__ import annotations

from tests.k8s import pod_checks
from tests.k8s.broken import ALL, CPU, GATEWAY, GPU, TRITON, Case

CASES = (
    Case(
        pod_checks.objects_are_named_once,
        CPU,
        lambda b: b.object("Service").update(metadata={"name": GATEWAY, "namespace": "other"}),
        "lies outside",
    ),
    Case(
        pod_checks.objects_are_named_once,
        GPU,
        lambda b: b.object("Service", TRITON)["metadata"].update(name=GATEWAY),
        "is there 2 times",
    ),
    Case(
        pod_checks.selectors_match_their_pods,
        CPU,
        lambda b: b.spec("Deployment")["selector"]["matchLabels"].update(tier="web"),
        "does not select its own pods",
    ),
    Case(
        pod_checks.selectors_match_their_pods,
        CPU,
        lambda b: b.pod()["topologySpreadConstraints"][0].update(whenUnsatisfiable="DoNotSchedule"),
        "cannot run on one node",
    ),
    Case(
        pod_checks.selectors_match_their_pods,
        CPU,
        lambda b: b.pod().pop("topologySpreadConstraints"),
        "is spread over nothing",
    ),
    Case(
        pod_checks.volumes_and_mounts_agree,
        CPU,
        lambda b: b.volume("tmp").update(name="temporary"),
        "no volume tmp",
    ),
    Case(
        pod_checks.volumes_and_mounts_agree,
        CPU,
        lambda b: b.pod()["volumes"].append({"name": "spare", "emptyDir": {}}),
        "nobody mounts spare",
    ),
    Case(
        pod_checks.volumes_and_mounts_agree,
        CPU,
        lambda b: b.container()["volumeMounts"][1].update(mountPath="/tmp"),
        "/tmp twice",
    ),
    Case(
        pod_checks.ports_are_distinct,
        CPU,
        lambda b: b.container()["ports"][1].update(containerPort=8000),
        "containerPort 8000 twice",
    ),
    Case(
        pod_checks.ports_are_distinct,
        CPU,
        lambda b: b.container()["ports"][1].update(containerPort=94640),
        "there is no port 94640",
    ),
    Case(
        pod_checks.ports_are_distinct,
        CPU,
        lambda b: b.container()["ports"][1].update(name="prometheus-metrics"),
        "has no proper name",
    ),
    Case(
        pod_checks.quantities_can_be_read,
        CPU,
        lambda b: b.container()["resources"]["limits"].update(memory="6GB"),
        "'6GB' is not a quantity",
    ),
    Case(
        pod_checks.quantities_can_be_read,
        ALL,
        lambda b: b.spec("PersistentVolumeClaim", "ssu-models")["resources"].update(
            requests={"storage": "5 Gi"}
        ),
        "'5 Gi' is not a quantity",
    ),
    Case(
        pod_checks.requests_are_within_limits,
        CPU,
        lambda b: b.container()["resources"]["requests"].update(cpu="2500m"),
        "asks for more cpu",
    ),
    Case(
        pod_checks.requests_are_within_limits,
        CPU,
        lambda b: b.container()["resources"]["limits"].pop("memory"),
        "memory is not asked for and limited",
    ),
    Case(
        pod_checks.requests_are_within_limits,
        GPU,
        lambda b: b.container(TRITON)["resources"]["requests"].update({"nvidia.com/gpu": "0"}),
        "not asked for exactly",
    ),
    Case(
        pod_checks.requests_are_within_limits,
        GPU,
        lambda b: b.container(TRITON)["resources"]["limits"].update({"nvidia.com/gpu": 1}),
        "not asked for exactly, as a string",
    ),
    Case(
        pod_checks.memory_holds_what_may_be_in_it,
        CPU,
        lambda b: b.settings().update(SSU_UPLOAD_DISK="1073741825"),
        "the uploads do not fit into /tmp",
    ),
    Case(
        pod_checks.memory_holds_what_may_be_in_it,
        CPU,
        lambda b: b.settings().update(SSU_WORKERS="3"),
        "do not fit into its memory",
    ),
    Case(
        pod_checks.memory_holds_what_may_be_in_it,
        GPU,
        lambda b: b.volume("shared-memory", TRITON)["emptyDir"].pop("sizeLimit"),
        "is memory without a limit",
    ),
    Case(
        pod_checks.references_resolve,
        CPU,
        lambda b: b.container()["envFrom"][0]["configMapRef"].update(name="ssu-settings"),
        "there is no ConfigMap ssu-settings",
    ),
    Case(
        pod_checks.references_resolve,
        CPU,
        lambda b: b.volume("keys")["secret"].update(secretName="keys"),
        "there is no Secret keys",
    ),
    Case(
        pod_checks.references_resolve,
        ALL,
        lambda b: b.without("PersistentVolumeClaim", "ssu-plan-cache"),
        "there is no PersistentVolumeClaim ssu-plan-cache",
    ),
    Case(
        pod_checks.references_resolve,
        CPU,
        lambda b: b.without("ServiceAccount", GATEWAY),
        "there is no ServiceAccount ssu-gateway",
    ),
    Case(
        pod_checks.no_secret_is_written_down,
        CPU,
        lambda b: b.object("Service").update(kind="Secret"),
        "stands in a manifest",
    ),
    Case(
        pod_checks.images_are_ours,
        CPU,
        lambda b: b.container().update(image="ssu-gateway:latest"),
        "ssu-gateway:latest is not ours",
    ),
    Case(
        pod_checks.images_are_ours,
        GPU,
        lambda b: b.pod(TRITON)["initContainers"][0].update(image="busybox:0.1.0"),
        "busybox:0.1.0 is not ours",
    ),
    Case(
        pod_checks.pods_are_restricted,
        CPU,
        lambda b: b.pod()["securityContext"].pop("seccompProfile"),
        "seccompProfile",
    ),
    Case(
        pod_checks.pods_are_restricted,
        CPU,
        lambda b: b.volume("tmp").update(hostPath={"path": "/tmp"}),
        "volumes",
    ),
    Case(
        pod_checks.pods_are_restricted,
        CPU,
        lambda b: b.pod().pop("enableServiceLinks"),
        "enableServiceLinks",
    ),
    Case(
        pod_checks.pods_are_restricted,
        GPU,
        lambda b: b.pod(TRITON)["initContainers"][0]["securityContext"].pop("capabilities"),
        "capabilities",
    ),
    Case(
        pod_checks.namespaces_demand_it,
        CPU,
        lambda b: b.object("Namespace", "ssu")["metadata"].pop("labels"),
        "does not enforce",
    ),
    Case(
        pod_checks.accounts_have_no_token,
        CPU,
        lambda b: b.pod().pop("automountServiceAccountToken"),
        "is given a token",
    ),
    Case(
        pod_checks.accounts_have_no_token,
        CPU,
        lambda b: b.object("ServiceAccount").pop("automountServiceAccountToken"),
        "gives a token",
    ),
    Case(
        pod_checks.accounts_have_no_token,
        GPU,
        lambda b: b.pod(TRITON).pop("serviceAccountName"),
        "runs as the default account",
    ),
)
