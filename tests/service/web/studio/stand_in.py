"""A small service that answers the studio's API from memory: for what concerns the page alone."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import numpy as np
import uvicorn
from fastapi import Body, FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from service.http.routes import page, studio_page
from ssuformer.masks import encode_rle
from tests.ssuformer.footage import Footage, flash_in

WIDTH, HEIGHT, FPS, FRAMES = 160, 120, 5, 20
ROOT = "/studio/api"
ONSETS = [0.5, 2.2]
Json = dict[str, Any]


def square(x: int, y: int, side: int = 40) -> Json:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[y : y + side, x : x + side] = True
    return dict(encode_rle(mask))


def by(who: str, tool: str) -> Json:
    return {"who": who, "tool": tool, "model": None, "at": "2026-01-01T00:00:00Z"}


class StandIn:
    """One project with one clip, layers as they are saved, and what has been asked."""

    def __init__(self) -> None:
        self.film = Footage(seconds=4, paint=flash_in(2), beep=(0.0, 3.0), size=(160, 120)).make()
        found = [
            {"frame": i, "mask": square(20, 30), "locked": False, "by": by("model", "model")}
            for i in range(5)
        ]
        told = {"start": 0.0, "end": 2.0, "sentence": "a bell rings", "inherited": False}
        track = {"id": "t1", "category": "bell", "instance": 1, "masks": found, "intervals": [told]}
        self.layers: dict[str, Json] = {"model": self.layer("model", [track])}
        self.batches: list[Json] = []
        made = {"fps": FPS, "categories": [], "maker": "alice"}
        self.projects = [{"id": "p1", "name": "Bells", **made}]
        self.clips = [{"id": "c1", "project": "p1", "name": "bell.mp4", "looks": 0}]
        self.prompts: list[Json] = []
        self.choices: list[Json] = []
        self.sent: list[str] = []
        self.pause = 0.0
        """Seconds between two frames that a mask is carried on to."""
        self.carried: list[int] = []

    def layer(self, name: str, tracks: list[Json]) -> Json:
        facts = {"clip": "c1", "annotator": name, "revision": 1, "state": "open"}
        heard = [{"category": "rain", "intervals": [{"start": 1.0, "end": 3.0}]}]
        return {**facts, "tracks": tracks, "heard": heard}

    @property
    def mine(self) -> Json:
        return self.layers["alice"]

    @property
    def intervals(self) -> list[Json]:
        told: list[Json] = self.mine["tracks"][0]["intervals"]
        return told

    def start(self) -> Json:
        copied: Json = json.loads(json.dumps(self.layers["model"]))
        self.layers["alice"] = {**copied, "annotator": "alice"}
        return self.mine

    def clip(self, facts: Json) -> Json:
        """Return a clip, which is ready when it has been looked at a few times."""
        layers = [
            {"annotator": name, "state": one["state"], "revision": one["revision"], "updated": ""}
            for name, one in self.layers.items()
        ]
        size = {"duration": 4.0, "width": WIDTH, "height": HEIGHT, "fps": FPS, "frames": FRAMES}
        facts["looks"] -= 1
        state = {"state": "ready", "progress": 1}
        if facts["looks"] > 0:
            state = {"state": "preparing", "progress": 0.5}
        return {**facts, **state, **size, "layers": layers}

    def save(self, batch: Json) -> Response:
        mine = self.mine
        if batch["id"] not in [one["id"] for one in self.batches]:
            if batch["base_revision"] != mine["revision"]:
                problem = {"title": "c", "code": "revision_conflict", "detail": "d", "status": 409}
                return JSONResponse(problem, 409)
            self.batches.append(batch)
            mine["revision"] += 1
            for edit in batch["edits"]:
                self.change(mine, edit)
        return JSONResponse({"revision": mine["revision"]})

    def change(self, layer: Json, edit: Json) -> None:
        if edit["op"] == "state":
            layer["state"] = edit["state"]
            return
        if edit["op"] == "put_track":
            others = [one for one in layer["tracks"] if one["id"] != edit["track"]["id"]]
            layer["tracks"] = [*others, {**edit["track"], "masks": [], "intervals": []}]
            return
        (track,) = [one for one in layer["tracks"] if one["id"] == edit["track"]]
        if edit["op"] == "put_mask":
            others = [one for one in track["masks"] if one["frame"] != edit["frame"]]
            put = {name: edit[name] for name in ("frame", "mask", "locked")}
            new = [{**put, "by": by("alice", edit["tool"])}] if edit["mask"] else []
            track["masks"] = [*others, *new]
        elif edit["op"] == "put_intervals":
            track["intervals"] = edit["intervals"]

    async def carry_on(self, track: str, frame: int, to: int) -> AsyncIterator[str]:
        """Save a mask in each frame, and tell of it."""
        step = 1 if to > frame else -1
        for at in range(frame + step, to + step, step):
            await asyncio.sleep(self.pause)
            mask = square(20 + at, 30)
            put = {"op": "put_mask", "track": track, "frame": at, "mask": mask, "locked": False}
            self.change(self.mine, {**put, "tool": "propagate"})
            self.mine["revision"] += 1
            self.carried.append(at)
            yield json.dumps({"frame": at, "mask": mask, "held": at < FRAMES - 2}) + "\n"
        yield json.dumps({"end": "done", "frame": to}) + "\n"


def application(stand_in: StandIn) -> FastAPI:
    app = FastAPI()
    app.include_router(studio_page.router)
    app.include_router(page.router)
    _projects(app, stand_in)
    _clips(app, stand_in)
    _layers(app, stand_in)
    _review(app, stand_in)
    return app


def _projects(app: FastAPI, stand_in: StandIn) -> None:
    tools = {"masks": "grabcut", "through": "flow", "sentences": "model"}
    facts = {"fps": FPS, "tools": tools, "limits": {}, "categories": ["bell"], "me": "alice"}
    formats = [{"name": "coco", "suffix": ".zip", "summary": "COCO"}]
    app.get(f"{ROOT}/facts")(lambda: {**facts, "formats": formats})
    app.get(f"{ROOT}/projects")(lambda: {"projects": stand_in.projects})
    app.get(ROOT + "/projects/{_}/queue")(lambda: {"clips": [{"clip": "c1", "doubt": 0.5}]})
    app.get(ROOT + "/projects/{_}/export")(lambda: Response(b"PK", media_type="application/zip"))
    app.get(ROOT + "/projects/{_}/provenance.jsonl")(lambda: Response(b"{}\n"))

    @app.post(f"{ROOT}/projects", status_code=201)
    def make(asked: Annotated[Json, Body()]) -> Json:
        made = {"id": "p2", "categories": [], "maker": "alice", **asked}
        stand_in.projects.append(made)
        return made

    @app.get(ROOT + "/projects/{name}")
    def project(name: str) -> Json:
        (known,) = [one for one in stand_in.projects if one["id"] == name]
        clips = [stand_in.clip(one) for one in stand_in.clips if one["project"] == name]
        return {**known, "clips": clips}

    @app.post(ROOT + "/projects/{name}/clips", status_code=202)
    async def upload(name: str, request: Request) -> Json:
        (film,) = re.findall(rb'name="clip"; filename="([^"]*)"', await request.body())
        made = {"id": f"c{len(stand_in.clips) + 1}", "project": name, "name": film.decode()}
        stand_in.clips.append({**made, "looks": 4})
        return {"id": made["id"], "state": "preparing"}

    @app.post(ROOT + "/projects/{_}/import")
    async def take(request: Request, format: str) -> Json:
        (name,) = re.findall(rb'filename="([^"]*)"', await request.body())
        stand_in.sent.append(f"{format} {name.decode()}")
        return {"clips": 1}


def _clips(app: FastAPI, stand_in: StandIn) -> None:
    app.get(ROOT + "/clips/{_}/onsets")(lambda: {"onsets": ONSETS})

    @app.get(ROOT + "/clips/{name}")
    def clip(name: str) -> Json:
        return stand_in.clip(next(one for one in stand_in.clips if one["id"] == name))

    @app.delete(ROOT + "/clips/{name}", status_code=204)
    def delete(name: str) -> None:
        stand_in.clips = [one for one in stand_in.clips if one["id"] != name]

    @app.get(ROOT + "/clips/{_}/film")
    def film() -> Response:
        return Response(stand_in.film, media_type="video/mp4")

    @app.get(ROOT + "/clips/{_}/frames/{i}")
    def frame() -> Response:
        return Response(b"<svg xmlns='http://www.w3.org/2000/svg'/>", media_type="image/svg+xml")


def _layers(app: FastAPI, stand_in: StandIn) -> None:
    root = ROOT + "/clips/{_}"
    app.post(root + "/layers")(stand_in.start)
    said = {"sentences": ["a bell rings twice"], "tool": "model"}
    app.post(root + "/sentences")(lambda: said)

    @app.get(root + "/layers/{name}")
    def layer(name: str) -> Json:
        return stand_in.layers[name]

    @app.patch(root + "/layers/mine")
    def save(batch: Annotated[Json, Body()]) -> Response:
        return stand_in.save(batch)

    @app.post(root + "/masks")
    def mask(prompt: Annotated[Json, Body()]) -> Json:
        stand_in.prompts.append(prompt)
        return {"mask": square(60, 50), "tool": "grabcut", "milliseconds": 3}

    @app.post(root + "/propagate")
    def propagate(asked: Annotated[Json, Body()]) -> Response:
        return StreamingResponse(stand_in.carry_on(**asked), media_type="application/x-ndjson")


def _review(app: FastAPI, stand_in: StandIn) -> None:
    root = ROOT + "/clips/{_}"
    doubt = {"kind": "sound_without_mask", "track": "t1", "start": 1.0, "end": 2.0, "score": 0.9}
    app.get(root + "/doubts")(lambda: {"doubts": [{**doubt, "why": "no mask"}]})
    pair = {"a": "t1", "b": "t1", "j": 0.8, "f": 1.0, "category_same": True}
    place = {"kind": "mask", "track_a": "t1", "track_b": "t1", "start": 1.0, "end": 2.0}
    measured = {"j": 0.8, "f_intervals": 1.0, "tracks": [pair], "disagreements": [place]}
    app.get(root + "/agreement")(lambda: measured)
    app.post(root + "/swap")(lambda: stand_in.layer("model", []))

    @app.post(root + "/adjudicate")
    def adjudicate(asked: Annotated[Json, Body()]) -> Json:
        stand_in.choices.append(asked)
        return {}


@contextmanager
def served(stand_in: StandIn) -> Iterator[str]:
    config = uvicorn.Config(application(stand_in), log_level="warning")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
