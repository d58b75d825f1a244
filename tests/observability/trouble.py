"""Clips that come all the time, and what else happens to a service: each thing once, for real."""

from __future__ import annotations

import itertools
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path

import httpx

from tests.observability.annotator import Annotator
from tests.observability.deployment import (
    DEADLINE_SECONDS,
    EMBEDDED,
    REMOTE,
    Deployment,
    GatewayProcess,
)
from tests.observability.prometheus_server import Prometheus
from tests.ssuformer.footage import Footage

SAMPLES = sorted(path for path in Path("samples").glob("*.*") if path.suffix in (".mp4", ".webm"))
SOLO = Path("samples/music-solo.mp4")
SILENT = Footage(seconds=2, audio=None)
_NO_CLIP = b"this is no clip"


def post(
    gateway: GatewayProcess, clip: bytes | Iterator[bytes], *, timeout: float = 60, **query: str
) -> int:
    """Send a clip and return the status; 0 if nobody answered."""
    return _posted(gateway, "/understand", clip, timeout, query)


def _posted(
    gateway: GatewayProcess,
    path: str,
    clip: bytes | Iterator[bytes],
    timeout: float,
    query: dict[str, str],
) -> int:
    headers = {"Content-Type": "video/mp4", **gateway.headers}
    with suppress(httpx.TransportError):
        return httpx.post(
            f"{gateway.address}{path}",
            content=clip,
            params=query,
            headers=headers,
            timeout=timeout,
        ).status_code
    return 0


@contextmanager
def clients(*work: Callable[[], object], pause: float) -> Iterator[None]:
    """Let each do its work again and again, with pauses, at the same time as the others."""
    over = threading.Event()

    def keep_on(one: Callable[[], object]) -> None:
        while not over.wait(pause):
            one()

    threads = [threading.Thread(target=keep_on, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def visitors(*gateways: GatewayProcess) -> AbstractContextManager[None]:
    """Send clips to each gateway, one after the other, with a bad one now and then."""
    clips = itertools.cycle([*(path.read_bytes() for path in SAMPLES), SILENT.make(), _NO_CLIP])
    return clients(*(lambda g=gateway: post(g, next(clips)) for gateway in gateways), pause=0.3)


def crowd(
    gateway: GatewayProcess, clip: bytes, *, visitors: int, pause: float
) -> AbstractContextManager[None]:
    """Send the same to one gateway, many at a time."""
    return clients(*[lambda: post(gateway, clip)] * visitors, pause=pause)


def impatience(running: Deployment) -> None:
    """Clients leave, or ask for less time than a clip takes."""
    clip = SAMPLES[0].read_bytes()
    for gateway in (running.embedded, running.remote):
        for _ in range(4):
            post(gateway, clip, timeout=0.15)
            post(gateway, clip, deadline="0.1")
            time.sleep(1)


def slow_uploads(running: Deployment, hurried: Prometheus) -> None:
    """Clips take longer to come than a request may take, until an alert says so."""

    def dawdling() -> Iterator[bytes]:
        clip = SAMPLES[0].read_bytes()
        yield clip[: len(clip) // 2]
        time.sleep(DEADLINE_SECONDS + 1)

    with clients(lambda: post(running.remote, dawdling()), pause=0.1):
        hurried.wait_for('ALERTS{alertname="DeadlinesExceeded",alertstate="firing"}')


def refused_clips(running: Deployment, hurried: Prometheus) -> None:
    """Nearly all that is sent is no clip, until an alert says so."""
    with crowd(running.remote, _NO_CLIP, visitors=1, pause=0.02):
        hurried.wait_for('ALERTS{alertname="InputRejectedSpike",alertstate="firing"}')


def jobs(running: Deployment) -> None:
    """A film is sent as a job."""
    _posted(running.embedded, "/jobs", SAMPLES[0].read_bytes(), 60, {})


def failing_jobs(running: Deployment, hurried: Prometheus) -> None:
    """Jobs whose clips are none, and whose webhooks nobody takes, until alerts say so."""
    told = {"webhook": running.receiver}
    with clients(lambda: _posted(running.embedded, "/jobs", _NO_CLIP, 60, told), pause=0.3):
        for alert in ("JobsFail", "WebhooksFail", "WebhooksGivenUp"):
            hurried.wait_for(f'ALERTS{{alertname="{alert}",alertstate="firing"}}')


def studio(running: Deployment, hurried: Prometheus) -> None:
    """Clips are prepared, one of which is none; all tools work but the one of sentences, until an
    alert says so.
    """
    with Annotator(running.remote) as annotator:
        for film, state in ((_NO_CLIP, "failed"), (SOLO.read_bytes(), "ready")):
            clip = annotator.send(film)
            over = partial(annotator.is_in_state, clip, state)
            hurried.wait(f"a clip of the studio is {state}", over)
        annotator.annotate(clip)
        with clients(lambda: annotator.ask_for_sentences(clip), pause=0.3):
            hurried.wait_for('ALERTS{alertname="StudioToolsFail",alertstate="firing"}')


def overload(running: Deployment, hurried: Prometheus) -> None:
    """More clips come than there are places, until an alert says so."""
    with crowd(running.embedded, SAMPLES[0].read_bytes(), visitors=8, pause=0.5):
        hurried.wait_for('ALERTS{alertname="RejectingRequests",alertstate="firing"}')


def crash_of_decoding(running: Deployment, hurried: Prometheus) -> None:
    """Decoding processes are killed, until an alert says so."""
    firing = 'ALERTS{alertname="DecodeChildCrashes",alertstate="firing"}'

    def again() -> bool:
        with suppress(IndexError):
            running.embedded.kill_a_decoding_process()
        return bool(hurried.now(firing))

    hurried.wait(firing, again)


def bad_rollout(running: Deployment, hurried: Prometheus) -> None:
    """A newer version comes whose file is not the one that its manifest was written for."""
    for model in sorted(path.parent for path in running.embedded.models.glob("*/config.pbtxt")):
        being_written = model / "being-written"
        shutil.copytree(model / "1", being_written)
        with (being_written / "model.onnx").open("ab") as file:
            file.write(b"\0")
        being_written.rename(model / "2")
    hurried.wait_for('ALERTS{alertname="ModelRolloutRefused",alertstate="firing"}')


def crash_of_triton(running: Deployment, hurried: Prometheus) -> None:
    """The inference server is killed while it works, and is gone for a while: no clip is answered,
    and none of the studio is prepared.
    """
    with crowd(running.remote, SAMPLES[0].read_bytes(), visitors=3, pause=0.1):
        hurried.wait_for(f'ssu_in_work{{instance="{REMOTE}"}} == 2')
        running.triton.kill()
    with Annotator(running.remote) as annotator:
        annotator.send(SOLO.read_bytes())
    down = ("TritonDown", "EngineDown", "CircuitOpen", "AvailabilityBudgetBurn")
    for alert in (*down, "StudioStandsStill"):
        hurried.wait_for(f'ALERTS{{alertname="{alert}",alertstate="firing"}}')
    running.triton.start()
    hurried.wait_for(f'ssu_engine_up{{instance="{REMOTE}"}} == 1')


def end_of_a_gateway(running: Deployment, hurried: Prometheus) -> None:
    """A gateway drains and is gone, though still a target."""
    running.remote.terminate()
    hurried.wait_for(f'ssu_draining{{instance="{REMOTE}"}} == 1 and ssu_ready == 0')
    hurried.wait_for('ALERTS{alertname="GatewayDown",alertstate="firing"}')


def end_of_all(running: Deployment, hurried: Prometheus) -> None:
    """The last gateway goes, too."""
    running.embedded.terminate()
    hurried.wait_for(f'up{{instance="{EMBEDDED}"}} == 0')
    hurried.wait_for('ALERTS{alertname="GatewayMissing",alertstate="firing"}')
