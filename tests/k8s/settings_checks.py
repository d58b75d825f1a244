"""What schemas pass of what programs are told: settings, arguments, threads, Triton's variant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import typer.main
from pydantic import FilePath, ValidationError
from typer.core import TyperGroup

from service.cli import app
from service.settings import Settings
from tests.k8s.manifests import Container, Manifests

_PREFIX = "SSU_"
_HASHED = re.compile(r"[a-z-]+-[a-z0-9]{10}")
_REPOSITORY = Path("triton_repo")
_PORTS = {"--http-port": "http", "--grpc-port": "grpc", "--metrics-port": "metrics"}


def settings_are_valid(manifests: Manifests) -> Iterator[str]:
    """Every `SSU_` variable is a setting, files among them are mounted, and all together pass."""
    for container in manifests.containers:
        given = {
            name.removeprefix(_PREFIX).lower(): value
            for name, value in manifests.environment(container).items()
            if name.startswith(_PREFIX)
        }
        unknown = given.keys() - Settings.model_fields.keys()
        yield from (f"{container.called}: no setting {name}" for name in sorted(unknown))
        for name in given.keys() - unknown:
            if FilePath in _kinds(name):
                if not _is_mounted(container, given[name]):
                    yield f"{container.called}: nothing is mounted at {given[name]}"
                given[name] = __file__
        try:
            Settings.model_validate({k: v for k, v in given.items() if k not in unknown})
        except ValidationError as error:
            yield f"{container.called}: {error}"


def _kinds(setting: str) -> tuple[object, ...]:
    annotation = Settings.model_fields[setting].annotation
    return getattr(annotation, "__args__", (annotation,))


def _is_mounted(container: Container, file: str) -> bool:
    return any(Path(file).is_relative_to(path) for path, _ in container.mounts())


def settings_roll_the_pods(manifests: Manifests) -> Iterator[str]:
    """ConfigMaps that become variables have a hash of their content in their name."""
    for container in manifests.containers:
        for source in container.spec.get("envFrom", ()):
            name = source.get("configMapRef", {}).get("name", "")
            if not _HASHED.fullmatch(name):
                yield f"{container.called} would not notice a change of {name}"


def threads_follow_the_quota(manifests: Manifests) -> Iterator[str]:
    """The gateway computes with as many threads as its quota has cores, not the node."""
    for container in _gateways(manifests):
        found = [one for one in container.spec.get("env", ()) if one["name"].endswith("_THREADS")]
        sources = [one.get("valueFrom", {}).get("resourceFieldRef", {}) for one in found]
        if [one.get("resource") for one in sources] != ["limits.cpu"]:
            yield f"{container.called}: its threads do not come from limits.cpu"
        if not container.resource("limits", "cpu"):
            yield f"{container.called}: there is no quota to follow"


def arguments_are_understood(manifests: Manifests) -> Iterator[str]:
    """`ssu` takes the gateway's arguments and listens, for everybody, on the ports of the pod."""
    group = typer.main.get_command(app)
    commands = group.commands if isinstance(group, TyperGroup) else {}
    for container in _gateways(manifests):
        name, *rest = container.arguments
        try:
            options = commands[name].make_context(name, rest).params
        except Exception as error:  # of a class that differs between versions of typer
            yield f"{container.called}: {error}"
            continue
        if options["host"] != "0.0.0.0":
            yield f"{container.called} listens to itself only"
        if container.ports != {"http": options["port"], "metrics": options["metrics_port"]}:
            yield f"{container.called}: its ports are not those that it listens on"


def triton_runs_what_is_there(manifests: Manifests) -> Iterator[str]:
    """Triton's ports, its variant and its folders are those of the pod and of the repository.

    Triton takes a variant that does not exist for the one of a CPU, without a word.
    """
    for container in _tritons(manifests):
        options, mounts = container.options, dict(container.mounts())
        ports = {name: int(options.get(option, 0)) for option, name in _PORTS.items()}
        if ports != container.ports:
            yield f"{container.called}: its ports are not those that it listens on"
        repository = mounts.get(options.get("--model-repository", ""))
        if repository is None:
            yield f"{container.called}: no volume is mounted where its models are"
        elif ("emptyDir" in repository) == (options.get("--model-control-mode") == "poll"):
            yield f"{container.called}: only a volume that others write to is watched"
        variant = options.get("--model-config-name")
        files = [one / "configs" / f"{variant}.pbtxt" for one in _REPOSITORY.glob("ssu_*")]
        if not files or not all(file.is_file() for file in files):
            yield f"{container.called}: not every model has a variant {variant}"
            continue
        for path in {path for file in files for path in _caches(file.read_text())}:
            if path not in mounts:
                yield f"{container.called}: the engines in {path} are lost"


def _caches(configuration: str) -> list[str]:
    return re.findall(r'"trt_engine_cache_path" value: "([^"]+)"', configuration)


def models_come_first(manifests: Manifests) -> Iterator[str]:
    """Triton's models are laid down by a container before it, unless a volume brings them."""
    for work in manifests.deployments:
        first = [volume for one in work.containers if one.first for _, volume in one.mounts()]
        for container in work.serving:
            models = dict(container.mounts()).get("/models", {})
            if "emptyDir" in models and models not in first:
                yield f"{container.called}: nobody lays models into {models['name']}"


def shared_memory_is_large_enough(manifests: Manifests) -> Iterator[str]:
    """Triton has a /dev/shm of its own, in memory."""
    for container in _tritons(manifests):
        volume = dict(container.mounts()).get("/dev/shm", {})
        if (volume.get("emptyDir") or {}).get("medium") != "Memory":
            yield f"{container.called}: /dev/shm is the runtime's, of 64 MiB"


def _gateways(manifests: Manifests) -> list[Container]:
    serving = (one for work in manifests.deployments for one in work.serving)
    return [one for one in serving if one.image == "ssu-gateway"]


def _tritons(manifests: Manifests) -> list[Container]:
    return [one for one in manifests.containers if one.image == "ssu-triton"]
