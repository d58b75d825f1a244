"""What schemas pass of jobs: their store, their volume, the room for their clips."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from service.settings import Settings
from tests.k8s.manifests import Container, Manifests, Object, called, quantity


def jobs_are_shared(manifests: Manifests) -> Iterator[str]:
    """All gateways have one database, by a URL that is secret, and one volume with room for all."""
    for container in _with_jobs(manifests):
        environment = manifests.environment(container)
        if "SSU_JOBS" in environment:
            yield f"{container.called}: the URL of its database, with a password, is no secret"
        claim = _claim(manifests, container, environment.get("SSU_JOBS_FOLDER", "/"))
        if claim is None:
            yield f"{container.called}: the files of its jobs are in no claim"
            continue
        if "ReadWriteMany" not in claim["spec"]["accessModes"]:
            yield f"{called(claim)}: one node alone can mount it"
        if quantity(claim["spec"]["resources"]["requests"]["storage"]) <= _number(
            environment, "jobs_disk"
        ):
            yield f"{called(claim)}: SSU_JOBS_DISK does not fit into it"


def clips_of_jobs_fit(manifests: Manifests) -> Iterator[str]:
    """A clip may be received that a job may have, and the clips that are held fit into /tmp."""
    for container in _with_jobs(manifests):
        environment = manifests.environment(container)
        held = _number(environment, "upload_disk")
        if _number(environment, "job_max_bytes") > held:
            yield f"{container.called}: SSU_UPLOAD_DISK does not hold one clip of a job"
        empty = dict(container.mounts()).get("/tmp", {}).get("emptyDir") or {}
        room = quantity(empty.get("sizeLimit", 0))
        if held > room:
            yield f"{container.called}: SSU_UPLOAD_DISK does not fit into /tmp"
        on_disk = empty.get("medium") != "Memory"
        if on_disk and room > (container.resource("requests", "ephemeral-storage") or 0.0):
            yield f"{container.called}: no node is asked for the disk that /tmp may take"


def requests_go_before_jobs(manifests: Manifests) -> Iterator[str]:
    """One worker at least is for requests alone."""
    for container in _with_jobs(manifests):
        environment = manifests.environment(container)
        if _number(environment, "job_workers") >= _number(environment, "workers"):
            yield f"{container.called}: requests wait for the end of a part of a job"


def webhooks_are_signed(manifests: Manifests) -> Iterator[str]:
    """Where webhooks may be sent, there are secrets to sign them with, in a Secret, and jobs."""
    jobs = [one.called for one in _with_jobs(manifests)]
    for container in manifests.containers:
        environment = manifests.environment(container)
        if not (environment.get("SSU_WEBHOOK_HOSTS") or environment.get("SSU_INPUT_HOSTS")):
            continue
        if container.called not in jobs:
            yield f"{container.called}: it may call hosts, but has no jobs"
        volume = _volume(container, environment.get("SSU_WEBHOOK_SECRET_FILE", "/"))
        if environment.get("SSU_WEBHOOK_HOSTS") and "secret" not in volume:
            yield f"{container.called}: its webhooks are signed with no Secret"


def _with_jobs(manifests: Manifests) -> list[Container]:
    return [
        container
        for container in manifests.containers
        if any(one["name"] == "SSU_JOBS" for one in container.spec.get("env", ()))
        or "SSU_JOBS" in manifests.environment(container)
    ]


def _number(environment: dict[str, str], setting: str) -> int:
    """Return a number that is set, or its default."""
    stated = environment.get(f"SSU_{setting.upper()}")
    return int(Settings.model_fields[setting].default if stated is None else stated)


def _volume(container: Container, path: str) -> Object:
    """Return the volume in which a path lies."""
    found = [
        (mount, volume) for mount, volume in container.mounts() if Path(path).is_relative_to(mount)
    ]
    return max(found, key=lambda one: len(one[0]), default=("", {}))[1]


def _claim(manifests: Manifests, container: Container, path: str) -> Object | None:
    named = _volume(container, path).get("persistentVolumeClaim", {}).get("claimName", "")
    return manifests.find("PersistentVolumeClaim", named)
