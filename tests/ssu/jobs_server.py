"""A server that has jobs as `docs/jobs.md` describes them: each look brings a job further."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

NOW = "2026-01-02T03:04:05Z"
STATES = ("waiting", "working", "done")


@dataclass
class JobsServer:
    """The jobs of one key; `failing` are the clips whose jobs fail."""

    answer: bytes
    failing: frozenset[bytes] = frozenset()
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    refuse: int = 0
    """How many requests are refused first, with `Retry-After`, though they have been done."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        response = self._route(request)
        if self.refuse:
            self.refuse -= 1
            return problem(503, "jobs_unavailable", **{"Retry-After": "0"})
        return response

    def _route(self, request: httpx.Request) -> httpx.Response:
        _, _, job, *rest = [*request.url.path.split("/"), ""]
        if not job:
            return self._submit(request) if request.method == "POST" else self._list(request)
        if job not in self.jobs:
            return problem(404, "job_not_found")
        routes: dict[tuple[str, ...], Callable[[str, httpx.Request], httpx.Response]] = {
            ("GET", ""): self._get,
            ("GET", "result", ""): self._result,
            ("DELETE", ""): self._delete,
        }
        return routes[(request.method, *rest)](job, request)

    def _submit(self, request: httpx.Request) -> httpx.Response:
        job = self.keys.setdefault(request.headers["idempotency-key"], str(len(self.keys)))
        self.jobs[job] = {
            "id": job,
            "state": "waiting",
            "created": NOW,
            "progress": {"seconds_done": 0.0, "seconds_in_all": None},
            "error": None,
            "options": dict(request.url.params),
            "clip": request.read(),
        }
        return told(self.jobs[job], 202)

    def _list(self, request: httpx.Request) -> httpx.Response:
        """List two at a time, whatever is asked for."""
        before = int(float(request.url.params.get("before", len(self.jobs))))
        found = [self.jobs[key] for key in self.jobs if int(key) < before][::-1][:2]
        following = float(found[-1]["id"]) if len(found) == 2 else None
        listed = [json.loads(told(job).content) for job in found]
        return httpx.Response(200, json={"jobs": listed, "next": following})

    def _get(self, job: str, _: httpx.Request) -> httpx.Response:
        found = self.jobs[job]
        response = told(found)
        if found["clip"] in self.failing:
            found["state"] = "failed"
            found["error"] = {"code": "clip_unreadable", "detail": "no film", "limit": 3}
        elif found["state"] != "done":
            found["state"] = STATES[STATES.index(found["state"]) + 1]
            found["progress"] = {"seconds_done": 4.0, "seconds_in_all": 4.0}
        return response

    def _result(self, job: str, request: httpx.Request) -> httpx.Response:
        if self.jobs[job]["state"] != "done":
            return problem(409, "job_unfinished")
        if request.url.params["format"] == "webvtt":
            return httpx.Response(200, text="WEBVTT")
        return httpx.Response(200, content=self.answer)

    def _delete(self, job: str, _: httpx.Request) -> httpx.Response:
        del self.jobs[job]
        return httpx.Response(204)


def told(job: dict[str, Any], status: int = 200) -> httpx.Response:
    return httpx.Response(status, json={k: v for k, v in job.items() if k != "clip"})


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "detail": code}, headers=headers)
