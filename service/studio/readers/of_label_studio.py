"""Label Studio: tasks with video rectangles, as `service.formats.as_label_studio` writes them.

Frames count from 1, places are percent of the picture. Between two key frames the rectangle of the
first holds. Masks are rectangles, filled. Annotations come before predictions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from service.studio.readers.documents import json_in, member, members
from service.studio.readers.gathered import Gathered, box_mask, sampled
from ssuformer.masks import Mask


def read(content: bytes, gathered: Gathered) -> None:
    """Read a list of tasks, or one; raise ImportInvalid if it is none of Label Studio's."""
    document = json_in(content, gathered)
    tasks = document if isinstance(document, list) else [document]
    for number, task in enumerate(tasks):
        for place, result in _results(task, gathered, f"[{number}]"):
            if result.get("type") == "videorectangle":
                _read_result(result, gathered, place)


def _results(task: Any, gathered: Gathered, place: str) -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: ANN401
    if not isinstance(task, dict):
        raise gathered.wrong(place, "it is no task")
    kind = "annotations" if task.get("annotations") else "predictions"
    for where, one in members(task, kind, gathered, place):
        for inner, result in members(one, "result", gathered, f"{place}.{where}"):
            if not isinstance(result, dict):
                raise gathered.wrong(f"{place}.{where}.{inner}", "it is no result")
            yield f"{place}.{where}.{inner}", result


def _read_result(result: dict[str, Any], gathered: Gathered, place: str) -> None:
    value = member(result, "value", dict, gathered, place)
    labels = member(value, "labels", list, gathered, place)
    if not labels:
        raise gathered.wrong(place, "it has no label")
    texts = (result.get("meta") or {}).get("text")
    said = texts[0] if isinstance(texts, list) and len(texts) == 1 else None
    keys: dict[int, Mask | None] = {}
    for where, point in members(value, "sequence", gathered, place):
        frame = member(point, "frame", int, gathered, f"{place}.{where}") - 1
        keys[frame] = _mask(point, gathered, f"{place}.{where}")
        if point.get("enabled") is False:
            keys.setdefault(frame + 1, None)
    for frame, mask in sampled(keys, gathered.target):
        gathered.see(result.get("id", place), labels[0], frame, mask, place=place, sentence=said)


def _mask(point: dict[str, Any], gathered: Gathered, place: str) -> Mask:
    shape = gathered.target.shape
    x, y, width, height = (
        member(point, name, float, gathered, place) / 100 for name in ("x", "y", "width", "height")
    )
    box = x * shape.width, y * shape.height, width * shape.width, height * shape.height
    return box_mask(box, shape, lambda what: gathered.wrong(place, what))
