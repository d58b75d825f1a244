"""The cluster, asked through `kubectl`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.cluster.manifests import Document

NAMESPACE = "ssu"
GATEWAY = "ssu-gateway"
PODS = f"app.kubernetes.io/name={GATEWAY}"
REPLICAS = 2


class CommandError(RuntimeError):
    """A command ended with another status than 0."""


@dataclass(frozen=True, slots=True)
class Pod:
    """What is known of one of the gateway's pods."""

    name: str
    address: str
    ready: bool
    leaving: bool
    restarts: int
    running: bool
    container: str
    last_end: str
    """Why the container before this one ended, empty if there was none."""

    @classmethod
    def of(cls, document: Document) -> Pod:
        """Return the pod of an API object."""
        meta, status = document["metadata"], document["status"]
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in _conditions(status))
        container = (status.get("containerStatuses") or [{}])[0]
        ended = container.get("lastState", {}).get("terminated", {})
        return cls(
            name=meta["name"],
            address=status.get("podIP", ""),
            ready=ready,
            leaving="deletionTimestamp" in meta,
            restarts=container.get("restartCount", 0),
            running="running" in container.get("state", {}),
            container=container.get("containerID", "").removeprefix("containerd://"),
            last_end=ended.get("reason", ""),
        )


def _conditions(status: Document) -> list[Document]:
    found: list[Document] = status.get("conditions", [])
    return found


async def command(*arguments: str, stdin: str = "", fails: bool = False) -> str:
    """Return what a command writes; raise CommandError unless it ends as foretold by `fails`."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    written, _ = await process.communicate(stdin.encode())
    if (process.returncode != 0) != fails:
        raise CommandError(f"{' '.join(arguments)}: {written.decode()}")
    return written.decode()


async def kubectl(*arguments: str, stdin: str = "", fails: bool = False) -> str:
    """Return what `kubectl` writes about the gateway's namespace."""
    return await command(
        "kubectl", f"--namespace={NAMESPACE}", *arguments, stdin=stdin, fails=fails
    )


async def get(*arguments: str) -> Document:
    """Return an API object, or a list of them."""
    found: Document = json.loads(await kubectl("get", "--output=json", *arguments))
    return found


async def pods() -> list[Pod]:
    """Return the gateway's pods, those that are leaving, too."""
    return [Pod.of(one) for one in (await get("pods", f"--selector={PODS}"))["items"]]


async def apply(documents: list[Document]) -> None:
    """Create or change objects, the namespace first."""
    for first in (True, False):
        some = [one for one in documents if (one["kind"] == "Namespace") is first]
        items = {"apiVersion": "v1", "kind": "List", "items": some}
        await kubectl("apply", "--filename=-", stdin=json.dumps(items))


async def until(condition: Callable[[], Awaitable[bool]], what: str, seconds: float = 180) -> float:
    """Return after how many seconds a condition came to hold; raise TimeoutError if it did not."""
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        if await condition():
            return round(time.perf_counter() - began, 1)
        await asyncio.sleep(0.3)
    raise TimeoutError(f"not within {seconds:g} s: {what}")


async def settled() -> bool:
    """Return whether all pods are there, are ready, and are of the newest kind."""
    deployment = await get("deployment", GATEWAY)
    status = deployment["status"]
    found = await pods()
    return (
        status.get("observedGeneration") == deployment["metadata"]["generation"]
        and status.get("updatedReplicas") == status.get("replicas") == len(found) == REPLICAS
        and all(pod.ready and not pod.leaving for pod in found)
    )
