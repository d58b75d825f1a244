"""Settings that a check must find broken."""

from __future__ import annotations

from tests.k8s import settings_checks
from tests.k8s.broken import ALL, CPU, GATEWAY, GPU, TRITON, Case

CASES = (
    Case(
        settings_checks.settings_are_valid,
        CPU,
        lambda b: b.settings().update(SSU_WORKER="2"),
        "no setting worker",
    ),
    Case(
        settings_checks.settings_are_valid,
        CPU,
        lambda b: b.settings().update(SSU_WORKERS="two"),
        "valid integer",
    ),
    Case(
        settings_checks.settings_are_valid,
        CPU,
        lambda b: b.settings().update(SSU_KEYS_FILE="/etc/keys"),
        "nothing is mounted at /etc/keys",
    ),
    Case(
        settings_checks.settings_roll_the_pods,
        CPU,
        lambda b: b.container()["envFrom"][0]["configMapRef"].update(name="ssu-settings"),
        "would not notice a change",
    ),
    Case(
        settings_checks.threads_follow_the_quota,
        CPU,
        lambda b: b.container().update(env=[{"name": "SSU_ENGINE_THREADS", "value": "4"}]),
        "do not come from limits.cpu",
    ),
    Case(
        settings_checks.threads_follow_the_quota,
        CPU,
        lambda b: b.container()["resources"]["limits"].pop("cpu"),
        "no quota to follow",
    ),
    Case(
        settings_checks.arguments_are_understood,
        CPU,
        lambda b: b.argument(GATEWAY, "--port=8000", "--prot=8000"),
        "No such option",
    ),
    Case(
        settings_checks.arguments_are_understood,
        CPU,
        lambda b: b.argument(GATEWAY, "--port=8000", "--port=8080"),
        "its ports are not those",
    ),
    Case(
        settings_checks.arguments_are_understood,
        CPU,
        lambda b: b.argument(GATEWAY, "--host=0.0.0.0", "--host=127.0.0.1"),
        "listens to itself only",
    ),
    Case(
        settings_checks.triton_runs_what_is_there,
        GPU,
        lambda b: b.argument(
            TRITON, "--model-config-name=onnx-cuda-tensorrt", "--model-config-name=onnx-gpu"
        ),
        "not every model has a variant onnx-gpu",
    ),
    Case(
        settings_checks.triton_runs_what_is_there,
        GPU,
        lambda b: b.container(TRITON)["volumeMounts"].pop(
            [one["name"] for one in b.container(TRITON)["volumeMounts"]].index("plan-cache")
        ),
        "the engines in /tmp/tensorrt-engines are lost",
    ),
    Case(
        settings_checks.triton_runs_what_is_there,
        GPU,
        lambda b: b.argument(TRITON, "--grpc-port=8001", "--grpc-port=9001"),
        "its ports are not those",
    ),
    Case(
        settings_checks.triton_runs_what_is_there,
        GPU,
        lambda b: b.argument(TRITON, "--model-repository=/models", "--model-repository=/m"),
        "no volume is mounted where its models are",
    ),
    Case(
        settings_checks.triton_runs_what_is_there,
        ALL,
        lambda b: b.argument(TRITON, "--model-control-mode=poll", "--model-control-mode=none"),
        "only a volume that others write to is watched",
    ),
    Case(
        settings_checks.models_come_first,
        GPU,
        lambda b: b.pod(TRITON).pop("initContainers"),
        "nobody lays models into models",
    ),
    Case(
        settings_checks.shared_memory_is_large_enough,
        GPU,
        lambda b: b.volume("shared-memory", TRITON).update(emptyDir={}),
        "/dev/shm is the runtime's",
    ),
)
