"""What happens to a service, each thing on its own: replaced, killed, evicted, out of memory."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.cluster.arrivals import Arrivals, arriving
from tests.cluster.kubectl import (
    GATEWAY,
    PODS,
    REPLICAS,
    Pod,
    apply,
    command,
    get,
    kubectl,
    pods,
    settled,
    until,
)
from tests.cluster.manifests import Document, without_pause

SAMPLES = (Path("samples/music-solo.mp4"), Path("samples/lifescene-upright.webm"))
BEFORE, AFTER = 3.0, 5.0
"""Seconds of requests before a change begins and after its end."""

SLOW_UPLOAD = 20.0
"""Seconds of an upload: longer than preStop and drain together."""

# Many small processes: a single large one would be what the kernel ends, and the gateway live on.
HUNGRY = """
import os, time
open("/proc/1/oom_score_adj", "w").write("1000")
while os.fork():
    time.sleep(0.05)
eaten = b"x" * 2**26
time.sleep(600)
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was measured, and whether it is as it should be."""

    scenario: str
    holds: bool
    measured: dict[str, object]


@dataclass(frozen=True, slots=True)
class Service:
    """The gateway on the cluster, as clients see it."""

    documents: list[Document]
    address: str
    headers: dict[str, str]

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[Arrivals]:
        """Send requests from a while before to a while after."""
        async with arriving(self.address, self.headers, SAMPLES[0].read_bytes()) as arrivals:
            await asyncio.sleep(BEFORE)
            yield arrivals
            await asyncio.sleep(AFTER)


Scenario = Callable[[Service], Awaitable[Finding]]


async def applied(documents: list[Document]) -> tuple[Service, Finding]:
    """Apply the overlay with a new key, wait until its pods are ready."""
    key = secrets.token_urlsafe(24)
    namespace = [one for one in documents if one["kind"] == "Namespace"]
    keys = {"apiVersion": "v1", "kind": "Secret", "stringData": {"keys": key}}
    await apply([*namespace, keys | {"metadata": {"name": "ssu-keys"}}])
    await apply(documents)
    began = time.perf_counter()
    first = await until(_some_ready, "a ready pod")
    await until(settled, f"{REPLICAS} ready pods")
    both = round(time.perf_counter() - began, 1)
    address = (await get("service", GATEWAY))["spec"]["clusterIP"]
    service = Service(documents, f"http://{address}", {"Authorization": f"Bearer {key}"})
    measured: dict[str, object] = {
        "objects": len(documents),
        "first_ready_s": first,
        "all_ready_s": both,
    }
    return service, Finding("overlay applied", holds=True, measured=measured)


async def _some_ready() -> bool:
    return any(pod.ready for pod in await pods())


async def accepted(_: Service) -> Finding:
    """Say what the API server and its controllers made of objects that nothing here enforces."""
    autoscaler = (await get("horizontalpodautoscalers.v2beta2.autoscaling", GATEWAY))["status"]
    budget = (await get("poddisruptionbudget", GATEWAY))["status"]
    able = {one["type"]: one["status"] for one in autoscaler["conditions"]}
    measured: dict[str, object] = {
        "hpa_replicas": autoscaler["desiredReplicas"],
        "hpa_able_to_scale": able["AbleToScale"],
        "hpa_has_metrics": able.get("ScalingActive", "unknown"),
        "budget_allows": budget["disruptionsAllowed"],
        "network_policies": len((await get("networkpolicies"))["items"]),
    }
    holds = measured["hpa_replicas"] == REPLICAS and measured["budget_allows"] == 1
    return Finding("HPA, PDB, NetworkPolicy accepted", holds, measured)


async def reached_by_name(_: Service) -> Finding:
    """Ask for the service by its name, from inside of a pod."""
    asks = f"import urllib.request as u; print(u.urlopen('http://{GATEWAY}/readyz').status)"
    pod = (await pods())[0].name
    status = (await kubectl("exec", pod, "--", "python", "-c", asks)).strip()
    return Finding("service name, from a pod", status == "200", {"status": status})


async def same_answers(service: Service) -> Finding:
    """Compare answers through the Service with those of this machine."""
    same = 0
    async with httpx.AsyncClient(trust_env=False, timeout=120) as client:
        for sample in SAMPLES:
            answer = await client.post(
                f"{service.address}/understand",
                headers=service.headers,
                files={"file": sample.read_bytes()},
            )
            ours = json.loads(await command("ssu", "understand", str(sample), "--json"))
            same += _essence(answer.raise_for_status().json()) == _essence(ours)
    measured: dict[str, object] = {"samples": len(SAMPLES), "same_as_on_this_machine": same}
    return Finding("clips through the Service", same == len(SAMPLES), measured)


def _essence(answer: Document) -> list[object]:
    return [answer[key] for key in ("clip", "frames", "tracks")]


async def refused_without_key(service: Service) -> Finding:
    """Ask without a key."""
    async with httpx.AsyncClient(trust_env=False) as client:
        status = (await client.get(f"{service.address}/limits")).status_code
    return Finding("without a key", status == httpx.codes.UNAUTHORIZED, {"status": status})


async def _restarted_rollout() -> None:
    patch = {"metadata": {"annotations": {"rolled": str(time.time())}}}
    await kubectl("patch", "deployment", GATEWAY, "-p", json.dumps({"spec": {"template": patch}}))


async def rolling_update(service: Service) -> Finding:
    """Replace all pods under load; nobody may notice."""
    async with service.under_load() as arrivals:
        await _restarted_rollout()
        seconds = await until(settled, "the update's end")
    measured = {"seconds": seconds} | arrivals.figures()
    return Finding("rolling update", not arrivals.failed, measured)


async def rolling_update_without_prestop(service: Service) -> Finding:
    """Replace pods that have no preStop, but drain."""
    return await _replaced(service, "- without preStop", drain=True)


async def rolling_update_without_pause(service: Service) -> Finding:
    """Replace pods that stop at once."""
    return await _replaced(service, "- without preStop and drain", drain=False)


async def _replaced(service: Service, name: str, *, drain: bool) -> Finding:
    await apply(without_pause(service.documents, drain=drain))
    await until(settled, "pods without a pause")
    async with service.under_load() as arrivals:
        await apply(service.documents)
        seconds = await until(settled, "the update's end")
    return Finding(name, holds=True, measured={"seconds": seconds} | arrivals.figures())


async def pod_deleted_by_force(service: Service) -> Finding:
    """Delete a pod without any grace."""
    async with service.under_load() as arrivals:
        victim = (await pods())[0].name
        await kubectl("delete", "pod", victim, "--grace-period=0", "--force")
        seconds = await until(settled, "a new pod")
    measured = {"recovered_s": seconds} | arrivals.figures()
    return Finding("pod deleted by force", holds=True, measured=measured)


async def process_killed(service: Service) -> Finding:
    """Kill the first process of a container."""
    async with service.under_load() as arrivals:
        victim = (await pods())[0]
        await command(
            *("ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL"),
            victim.container,
        )
        seconds = await until(lambda: _back(victim), "the container's return")
    measured = {"recovered_s": seconds} | arrivals.figures()
    return Finding("process killed (SIGKILL)", holds=True, measured=measured)


async def out_of_memory(service: Service) -> Finding:
    """Let a container go beyond its limit of memory."""
    async with service.under_load() as arrivals:
        victim = (await pods())[0]
        # However the killed command ends: what is looked at is the container.
        await asyncio.gather(
            kubectl("exec", victim.name, "--", "python", "-c", HUNGRY), return_exceptions=True
        )
        seconds = await until(lambda: _back(victim), "the container's return")
    reason = await _last_end(victim)
    measured: dict[str, object] = {"reason": reason, "recovered_s": seconds}
    return Finding("out of memory", reason == "OOMKilled", measured | arrivals.figures())


async def _back(before: Pod) -> bool:
    """Return whether the container was started again and is ready."""
    return any(
        pod.name == before.name and pod.restarts > before.restarts and pod.ready
        for pod in await pods()
    )


async def _last_end(victim: Pod) -> str:
    return next(pod.last_end for pod in await pods() if pod.name == victim.name)


async def node_drained(service: Service) -> Finding:
    """Drain the only node: one pod is evicted, the budget keeps the other; then let pods back."""
    async with service.under_load() as arrivals:
        said = await kubectl(
            *("drain", "node", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=40s"),
            f"--pod-selector={PODS}",
            fails=True,
        )
        left = sum(pod.ready and not pod.leaving for pod in await pods())
        await kubectl("uncordon", "node")
        seconds = await until(settled, "pods after the drain")
    measured: dict[str, object] = {
        "refused_by_budget": said.count("disruption budget"),
        "left_ready": left,
        "recovered_s": seconds,
    }
    holds = left == REPLICAS - 1 and measured["refused_by_budget"] != 0 and not arrivals.failed
    return Finding("node drained", holds, measured | arrivals.figures())


async def answered_while_leaving(service: Service) -> Finding:
    """Delete a pod while a clip is on its way to it: it is answered, then the pod goes."""
    pod = (await pods())[0]
    sample = SAMPLES[0].read_bytes()

    async def slowly() -> AsyncIterator[bytes]:
        pieces = 20
        for number in range(pieces):
            await asyncio.sleep(SLOW_UPLOAD / pieces)
            yield sample[number * len(sample) // pieces : (number + 1) * len(sample) // pieces]

    headers = service.headers | {"Content-Type": "video/mp4"}
    async with httpx.AsyncClient(trust_env=False, timeout=120) as client:
        url = f"http://{pod.address}:8000/understand"
        posted = asyncio.create_task(client.post(url, content=slowly(), headers=headers))
        await asyncio.sleep(SLOW_UPLOAD / 10)
        began = time.perf_counter()
        await kubectl("delete", "pod", pod.name, "--wait=false")
        status = (await posted).status_code
        answered = round(time.perf_counter() - began, 1)
    ended = round(answered + await until(lambda: _ended(pod), "the container's end"), 1)
    measured: dict[str, object] = {"status": status, "answered_s": answered, "ended_s": ended}
    await until(settled, "a new pod")
    return Finding("pod deleted, a clip under way", status == httpx.codes.OK, measured)


async def _ended(before: Pod) -> bool:
    return not any(pod.running for pod in await pods() if pod.name == before.name)


SCENARIOS = (
    reached_by_name,
    refused_without_key,
    same_answers,
    rolling_update,
    rolling_update_without_prestop,
    rolling_update_without_pause,
    accepted,
    pod_deleted_by_force,
    process_killed,
    out_of_memory,
    node_drained,
    answered_while_leaving,
)
