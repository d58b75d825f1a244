"""A small service that answers the studio's API from memory: for what concerns the page alone."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import numpy as np
import uvicorn
from fastapi import Body, FastAPI, Response
from fastapi.responses import JSONResponse

from service.http.routes import page, studio_page
from ssuformer.masks import encode_rle
from tests.ssuformer.footage import Footage, flash_in

WIDTH, HEIGHT, FPS, FRAMES = 160, 120, 5, 20
Json = dict[str, Any]


def square(x: int, y: int, side: int = 40) -> Json:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[y : y + side, x : x + side] = True
    return dict(encode_rle(mask))


class StandIn:
    """One project with one clip, and layers as they are saved."""

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

    def layer(self, name: str, tracks: list[Json]) -> Json:
        facts = {"clip": "c1", "annotator": name, "revision": 1, "state": "open"}
        return {**facts, "tracks": tracks, "heard": []}

    def clip(self) -> Json:
        layers = [
            {"annotator": name, "state": one["state"], "revision": one["revision"], "updated": ""}
            for name, one in self.layers.items()
        ]
        size = {"duration": 4.0, "width": WIDTH, "height": HEIGHT, "fps": FPS, "frames": FRAMES}
        facts = {"id": "c1", "project": "p1", "name": "bell.mp4", "state": "ready", "progress": 1}
        return {**facts, **size, "layers": layers}

    def save(self, batch: Json) -> Response:
        mine = self.layers["alice"]
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
        (track,) = [one for one in layer["tracks"] if one["id"] == edit["track"]]
        if edit["op"] == "put_mask":
            others = [one for one in track["masks"] if one["frame"] != edit["frame"]]
            put = {name: edit[name] for name in ("frame", "mask", "locked")}
            track["masks"] = [*others, {**put, "by": by("alice", edit["tool"])}]
        elif edit["op"] == "put_intervals":
            track["intervals"] = edit["intervals"]


def by(who: str, tool: str) -> Json:
    return {"who": who, "tool": tool, "model": None, "at": "2026-01-01T00:00:00Z"}


def application(stand_in: StandIn) -> FastAPI:
    app = FastAPI()
    app.include_router(studio_page.router)
    app.include_router(page.router)
    root = "/studio/api"
    tools = {"masks": "grabcut", "through": "flow", "sentences": "model"}
    facts = {"fps": FPS, "tools": tools, "limits": {}, "categories": ["bell"], "me": "alice"}
    project = {"id": "p1", "name": "Bells", "fps": FPS, "categories": []}
    formats = [{"name": "coco", "suffix": ".zip", "summary": "COCO"}]
    app.get(f"{root}/facts")(lambda: {**facts, "formats": formats})
    app.get(f"{root}/projects")(lambda: {"projects": [project]})
    app.get(f"{root}/projects/p1")(lambda: {**project, "clips": [stand_in.clip()]})
    app.get(f"{root}/projects/p1/queue")(lambda: {"clips": [{"clip": "c1", "doubt": 0.5}]})
    app.get(f"{root}/clips/c1")(stand_in.clip)
    app.get(f"{root}/clips/c1/onsets")(lambda: {"onsets": [0.5, 2.2]})
    doubt = {"kind": "sound_without_mask", "track": "t1", "start": 1.0, "end": 2.0, "score": 0.9}
    app.get(f"{root}/clips/c1/doubts")(lambda: {"doubts": [{**doubt, "why": "no mask"}]})

    @app.get(root + "/clips/c1/film")
    def film() -> Response:
        return Response(stand_in.film, media_type="video/mp4")

    @app.get(root + "/clips/c1/frames/{_}")
    def frame() -> Response:
        return Response(b"<svg xmlns='http://www.w3.org/2000/svg'/>", media_type="image/svg+xml")

    @app.get(root + "/clips/c1/layers/{name}")
    def layer(name: str) -> Json:
        return stand_in.layers[name]

    @app.post(root + "/clips/c1/layers")
    def start() -> Json:
        copied: Json = json.loads(json.dumps(stand_in.layers["model"]))
        stand_in.layers["alice"] = {**copied, "annotator": "alice"}
        return stand_in.layers["alice"]

    @app.patch(root + "/clips/c1/layers/mine")
    def save(batch: Annotated[Json, Body()]) -> Response:
        return stand_in.save(batch)

    @app.post(root + "/clips/c1/masks")
    def mask() -> Json:
        return {"mask": square(60, 50), "tool": "grabcut", "milliseconds": 3}

    return app


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
