"""Somebody who annotates a film in the studio of a gateway."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

from tests.observability.deployment import GatewayProcess


class Annotator:
    """Has a key, and a project of one frame a second."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._client = httpx.Client(
            base_url=f"{gateway.address}/studio/api", headers=gateway.headers, timeout=60
        )
        made = self._told("POST", "/projects", json={"name": "films", "fps": 1})
        self._project = str(made["id"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def send(self, film: bytes) -> str:
        """Send a film into the project; return the clip."""
        path = f"/projects/{self._project}/clips"
        return str(self._told("POST", path, files={"clip": ("film.mp4", film)})["id"])

    def is_in_state(self, clip: str, state: str) -> bool:
        """Return whether a clip is ready, or failed."""
        return bool(self._told("GET", f"/clips/{clip}")["state"] == state)

    def annotate(self, clip: str) -> None:
        """Begin a layer with a track `t1`, with a mask that is made and carried on by tools."""
        here = f"/clips/{clip}"
        self._told("GET", "/facts")
        self._told("GET", f"{here}/onsets")
        size = self._told("GET", here)
        box = [size["width"] / 4, size["height"] / 4, size["width"] / 2, size["height"] / 2]
        mask = self._told("POST", f"{here}/masks", json={"frame": 0, "box": box})["mask"]
        self._told("POST", f"{here}/layers", json={"from": None})
        track = {"id": "t1", "category": "violin", "instance": 1}
        edits = [
            {"op": "put_track", "track": track},
            {"op": "put_mask", "track": "t1", "frame": 0, "mask": mask, "tool": "box"},
        ]
        saved = {"id": "first", "base_revision": 1, "edits": edits}
        self._told("PATCH", f"{here}/layers/mine", json=saved)
        carried = {"track": "t1", "frame": 0, "to": 3}
        self._answer("POST", f"{here}/propagate", json=carried)

    def ask_for_sentences(self, clip: str) -> int:
        """Ask for sentences about the track; return the status."""
        asked = {"frame": 0, "track": "t1"}
        return self._client.post(f"/clips/{clip}/sentences", json=asked).status_code

    def _told(self, method: str, path: str, **more: Any) -> Any:  # noqa: ANN401
        return self._answer(method, path, **more).json()

    def _answer(self, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401
        answer = self._client.request(method, path, **more)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer
