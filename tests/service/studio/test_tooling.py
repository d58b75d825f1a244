"""Tools over HTTP: masks, propagation, sentences; on a real server where connections count."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.cli.temporary_service import free_port
from service.studio.metrics import RESULTS
from service.studio.stop import Stop
from service.studio.tool_pool import ToolPool
from ssuformer.masks import overlap
from tests.service.conftest import Running
from tests.service.jobs.conftest import until
from tests.service.studio.conftest import (
    API,
    PATIENCE,
    Annotator,
    mask_of,
    put_intervals,
    put_mask,
    put_track,
    square,
    square_at,
    studio_of,
    studio_settings,
    told,
)
from tests.ssuformer.footage import Footage

pytestmark = pytest.mark.anyio


@pytest.fixture
def ann(lite: Running) -> Annotator:
    return Annotator(lite.client, "alice")


@pytest.fixture
async def clip(ann: Annotator, film: bytes) -> str:
    """A clip with a layer, whose track `t1` is the square in frame 2."""
    clip = await ann.send(await ann.project(), film)
    await ann.begin(clip)
    await ann.edit(clip, 1, put_track("t1", "car"), put_mask("t1", 2, square_at(2)))
    return clip


async def test_a_box_makes_a_mask_that_is_not_saved(ann: Annotator, clip: str) -> None:
    made = await ann.post(f"/clips/{clip}/masks", {"frame": 0, "box": [15, 25, 42, 42]})

    assert overlap(mask_of(made["mask"]), square_at(0)) > 0.8
    assert made["tool"] == "grabcut"
    assert (await ann.layer(clip))["revision"] == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"frame": 0, "box": [NaN, 0, 5, 5]}', 422),
        ('{"frame": 0, "box": [1e999, 0, 5, 5]}', 422),
        ('{"frame": 0}', 422),
        ('{"frame": 0, "points": [{"x": 1e9, "y": 3, "inside": true}]}', 422),
        ('{"frame": 99999, "box": [1, 1, 5, 5]}', 404),
        ('{"frame": 0, "previous": {"size": [5, 5], "counts": "00"}}', 422),
        ('{"frame": 0, "secret": 1}', 422),
    ],
)
async def test_a_prompt_that_does_not_fit_is_a_problem(
    ann: Annotator, clip: str, body: str, code: int
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await ann.call("POST", f"/clips/{clip}/masks", content=body, headers=headers)

    assert answer.status_code == code, answer.text
    assert answer.json()["code"] in ("option_invalid", "studio_not_found", "edit_invalid")


async def propagated(ann: Annotator, clip: str, **asked: object) -> list[dict[str, Any]]:
    answer = await ann.call("POST", f"/clips/{clip}/propagate", json={"track": "t1", **asked})
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_a_mask_is_carried_forwards_and_each_is_saved(ann: Annotator, clip: str) -> None:
    lines = await propagated(ann, clip, frame=2, to=8)

    assert lines[-1] == {"end": "done", "frame": 8}
    assert [line["frame"] for line in lines[:-1]] == [3, 4, 5, 6, 7, 8]
    (track,) = (await ann.layer(clip))["tracks"]
    saved = {one["frame"]: one for one in track["masks"]}
    for line in lines[:-1]:
        assert saved[line["frame"]]["mask"] == line["mask"]
        assert saved[line["frame"]]["by"]["tool"] == "propagate"
        assert saved[line["frame"]]["held"] == line["held"]
        assert overlap(mask_of(line["mask"]), square_at(line["frame"])) > 0.7


@pytest.mark.parametrize(("to", "counted"), [(8, {"done": 1}), (2, {})])
async def test_a_mask_carried_to_the_end_is_a_call_that_is_done_and_its_process_stays(
    lite: Running, ann: Annotator, clip: str, to: int, counted: dict[str, float]
) -> None:
    await ann.get("/facts")
    assert lite.gateway.studio is not None
    pool = lite.gateway.studio.tools.pool
    before = set(pool._all)

    lines = await propagated(ann, clip, frame=2, to=to)

    assert lines[-1] == {"end": "done", "frame": to}
    await until(lambda: _is_idle(pool))
    assert _calls(lite, "track") == counted
    assert pool._all == before


async def test_a_cut_ends_it_and_the_call_is_done(lite: Running, ann: Annotator) -> None:
    def cut(number: int, time: float) -> Any:  # noqa: ANN401
        picture = square(number, time)
        return picture if time < 2 else 255 - picture[::-1, ::-1]

    film = Footage(seconds=4.0, size=(128, 96), paint=cut).make()
    clip = await ann.send(await ann.project(), film)
    await ann.begin(clip)
    await ann.edit(clip, 1, put_track("t1"), put_mask("t1", 6, square_at(6)))

    lines = await propagated(ann, clip, frame=6, to=15)

    assert [line.get("frame") for line in lines] == [7, 8, 9, 9]
    assert lines[-1]["end"] == "cut"
    assert _calls(lite, "track") == {"done": 1}


async def _is_idle(pool: ToolPool) -> bool:
    return not pool._free.locked()


async def test_it_is_carried_backwards_up_to_a_locked_frame(ann: Annotator, clip: str) -> None:
    locked = put_mask("t1", 6, square_at(6), locked=True)
    told(await ann.edit(clip, 2, locked, put_mask("t1", 9, square_at(9))))

    lines = await propagated(ann, clip, frame=9, to=3)

    assert [line.get("frame") for line in lines] == [8, 7, 7]
    assert lines[-1] == {"end": "locked", "frame": 7}


@pytest.mark.parametrize("asked", [{"frame": 0, "to": 5}, {"frame": 2, "to": 9999}])
async def test_what_cannot_be_carried_is_a_problem(
    ann: Annotator, clip: str, asked: dict[str, int]
) -> None:
    answer = await ann.call("POST", f"/clips/{clip}/propagate", json={"track": "t1", **asked})

    assert (answer.status_code, answer.json()["code"]) == (422, "edit_invalid")


async def test_sentences_are_proposed_of_what_is_seen_and_heard(ann: Annotator, clip: str) -> None:
    told(await ann.edit(clip, 2, put_intervals("t1", (0.0, 2.0, None))))

    said = await ann.post(f"/clips/{clip}/sentences", {"frame": 2, "track": "t1"})

    assert said["tool"] == "model"
    assert any("car" in sentence for sentence in said["sentences"])


async def test_an_endpoint_of_sentences_that_is_down_counts_as_a_failure(
    tmp_path: Path, film: bytes
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/v1"
    settings = {"studio_sentences": nobody, "studio_sentences_model": "vision"}
    async with studio_of(tmp_path, **settings) as gone:
        ann = Annotator(gone.client, "alice")
        clip = await ann.send(await ann.project(), film)
        await ann.begin(clip)
        await ann.edit(clip, 1, put_track("t1"))

        asked = {"frame": 2, "track": "t1"}
        answer = await ann.call("POST", f"/clips/{clip}/sentences", json=asked)

        assert (answer.status_code, answer.json()["code"]) == (503, "engine_unavailable")
        assert _calls(gone, "sentences") == {"failed": 1}


async def test_a_call_for_which_there_is_no_place_counts_as_refused(
    lite: Running, ann: Annotator, clip: str
) -> None:
    assert lite.gateway.studio is not None
    lite.gateway.studio.tools.pool._limit = 0

    prompt = {"frame": 0, "box": [15, 25, 42, 42]}
    answer = await ann.call("POST", f"/clips/{clip}/masks", json=prompt)

    assert (answer.status_code, answer.json()["code"]) == (429, "overloaded")
    assert _calls(lite, "mask") == {"refused": 1}


@pytest.mark.parametrize(
    ("path", "tool", "asked"),
    [
        ("masks", "mask", {"frame": 0}),
        ("masks", "mask", {"frame": 0, "points": [{"x": 1e9, "y": 3, "inside": True}]}),
        ("masks", "mask", {"frame": 99_999, "box": [1, 1, 5, 5]}),
        ("masks", "mask", {"frame": 0, "previous": {"size": [5, 5], "counts": "00"}}),
        ("sentences", "sentences", {"frame": 0, "track": "none"}),
        ("sentences", "sentences", {"frame": 99_999, "track": "t1"}),
        ("propagate", "track", {"frame": 0, "to": 5, "track": "t1"}),
    ],
)
async def test_a_call_that_is_refused_before_it_has_a_process_is_counted_once(
    lite: Running, ann: Annotator, clip: str, path: str, tool: str, asked: object
) -> None:
    answer = await ann.call("POST", f"/clips/{clip}/{path}", json=asked)

    assert answer.status_code in (404, 422), answer.text
    assert _calls(lite, tool) == {"refused": 1}


def _calls(running: Running, tool: str) -> dict[str, float]:
    """Return how often calls of a tool ended how, without what never happened."""
    counts = {
        result: running.metric("ssu_studio_tool_calls_total", tool=tool, result=result)
        for result in RESULTS
    }
    return {result: count for result, count in counts.items() if count}


async def test_a_tool_that_dies_is_replaced(lite: Running, ann: Annotator, clip: str) -> None:
    prompt = {"frame": 0, "box": [15, 25, 42, 42]}
    await ann.post(f"/clips/{clip}/masks", prompt)
    assert lite.gateway.studio is not None
    for process in lite.gateway.studio.tools.pool._all:
        process._process.kill()

    died = await ann.call("POST", f"/clips/{clip}/masks", json=prompt)
    again = await ann.call("POST", f"/clips/{clip}/masks", json=prompt)

    assert (died.status_code, died.json()["code"]) == (500, "tool_failed")
    assert again.status_code == 200


@asynccontextmanager
async def served(folder: Path, **more: object) -> AsyncIterator[tuple[Any, str]]:
    """Serve an application on a port of this machine."""
    import uvicorn

    app, port = create_app(studio_settings(folder, **more)), free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="on")
    )
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.05)
        yield app, f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


@pytest.mark.parametrize(
    ("path", "step"),
    [
        ("/clips/{clip}/doubts?layer=alice", 1),
        ("/clips/{clip}/agreement?a=alice&b=model", 1),
        ("/projects/{project}/queue", 1),
        ("/projects/{project}/export?format=json&layer=alice", 1),
        ("/projects/{project}/export?format=coco&layer=alice", 25),  # its file is being written
        ("/projects/{project}/export?format=ra-ssu&layer=alice", 1),
        ("/projects/{project}/export?format=ra-ssu&layer=alice", 2),  # the film is being copied
    ],
)
async def test_closing_the_connection_stops_what_is_computed(
    tmp_path: Path, film: bytes, monkeypatch: pytest.MonkeyPatch, path: str, step: int
) -> None:
    async with (
        served(tmp_path) as (app, url),
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client,
    ):
        ann = Annotator(client, "alice")
        project = await ann.project()
        clip = await ann.send(project, film)
        await ann.begin(clip)
        edits = [put_mask("t1", n, square_at(n)) for n in range(19)]
        told(await ann.edit(clip, 1, put_track("t1"), *edits, put_intervals("t1", (0, 4, None))))
        checks, begun, stopped = list[Stop](), threading.Event(), threading.Event()
        check, end = Stop.check, Stop.set

        def checked(stop: Stop) -> None:
            checks.append(stop)
            if len(checks) == step:
                begun.set()
                stopped.wait(PATIENCE)
            check(stop)

        def ended(stop: Stop) -> None:
            end(stop)
            stopped.set()

        monkeypatch.setattr(Stop, "check", checked)
        monkeypatch.setattr(Stop, "set", ended)
        asked = asyncio.create_task(ann.call("GET", path.format(clip=clip, project=project)))
        assert await asyncio.to_thread(begun.wait, PATIENCE)

        asked.cancel()

        assert await asyncio.to_thread(stopped.wait, PATIENCE)
        await until(lambda: _left(app))
        assert len(checks) == step


async def _left(app: Any) -> bool:  # noqa: ANN401
    """Return whether a request has ended as its client left."""
    samples = [
        one for family in app.state.gateway.metrics.registry.collect() for one in family.samples
    ]
    return any(one.name == "ssu_requests_total" and one.labels["code"] == "499" for one in samples)


async def test_closing_the_connection_stops_the_tracker(tmp_path: Path, film: bytes) -> None:
    async with (
        served(tmp_path) as (app, url),
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client,
    ):
        ann = Annotator(client, "alice")
        clip = await ann.send(await ann.project(fps=30), film)
        frames = (await ann.get(f"/clips/{clip}"))["frames"]
        await ann.begin(clip)
        await ann.edit(clip, 1, put_track("t1"), put_mask("t1", 0, square_at(0)))
        asked = {"track": "t1", "frame": 0, "to": frames - 1}
        headers = {"Authorization": "Bearer alice-secret"}
        async with client.stream(
            "POST", f"{API}/clips/{clip}/propagate", json=asked, headers=headers
        ) as answer:
            lines = answer.aiter_lines()
            first = json.loads(await anext(lines))
        pool = app.state.gateway.studio.tools.pool

        async def idle() -> bool:
            return not pool._free.locked()

        await until(idle)
        stopped = await ann.layer(clip)
        await asyncio.sleep(1)

        assert first["frame"] == 1
        assert (await ann.layer(clip)) == stopped
        assert 2 <= len(stopped["tracks"][0]["masks"]) < frames
        assert (
            app.state.gateway.metrics.registry.get_sample_value(
                "ssu_studio_tool_calls_total", {"tool": "track", "result": "cancelled"}
            )
            == 1
        )
