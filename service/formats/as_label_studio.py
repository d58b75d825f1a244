"""Label Studio: one task, its prediction a video rectangle for each track.

Layout: https://labelstud.io/guide/task_format and https://labelstud.io/tags/videorectangle. Frames
count from 1, places are percent of the picture, and a key frame that is not `enabled` ends a span.
Label Studio draws no masks on films. Sentences are the text of the region. The project needs this
labelling interface, with its categories:

    <View>
      <Labels name="label" toName="video"><Label value="dog"/></Labels>
      <Video name="video" value="$video"/>
      <VideoRectangle name="box" toName="video"/>
    </View>
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import IO, Any

import orjson

from service.formats.format import Format, Material
from service.formats.pixels import box_in
from service.formats.timeline import Key, Run, Timeline
from service.understanding.schemas import Understanding


def write(material: Material, out: IO[bytes]) -> None:
    """Write a list with the task."""
    answer = material.answer
    timeline = Timeline(answer)
    scores = [region.score for frame in answer.frames for region in frame.regions]
    prediction = {
        "model_version": f"{answer.model.name} {answer.model.version}",
        "score": max(scores, default=0.0),
        "result": list(_results(answer, timeline)),
    }
    task = {"data": {"video": material.file_name}, "predictions": [prediction]}
    out.write(orjson.dumps([task]) + b"\n")


def _results(answer: Understanding, timeline: Timeline) -> Iterator[dict[str, Any]]:
    for track, grouped in groupby(timeline.runs(), lambda run: run.track):
        runs = list(grouped)
        regions = [key.region for run in runs for key in run.keys]
        said = dict.fromkeys(region.description for region in regions if region.description)
        yield {
            "id": f"track{track}",
            "from_name": "box",
            "to_name": "video",
            "type": "videorectangle",
            "origin": "prediction",
            "score": max(region.score for region in regions),
            "meta": {"text": list(said)},
            "value": {
                "framesCount": timeline.frames,
                "duration": answer.clip.duration,
                "labels": [runs[0].category],
                "sequence": [point for run in runs for point in _sequence(run, answer, timeline)],
            },
        }


def _sequence(run: Run, answer: Understanding, timeline: Timeline) -> Iterator[dict[str, Any]]:
    """Yield the key frames of a run, the last of them in its last frame and not enabled."""
    last = run.end - 1
    keys = [key for key in run.keys if key.frame < last]
    for key in keys:
        yield _point(key, answer, timeline, enabled=True)
    yield _point(Key(last, run.keys[-1].region), answer, timeline, enabled=False)


def _point(key: Key, answer: Understanding, timeline: Timeline, *, enabled: bool) -> dict[str, Any]:
    x, y, width, height = box_in(key.region, answer)
    return {
        "frame": key.frame + 1,
        "time": round(key.frame / timeline.rate, 6),
        "enabled": enabled,
        "x": 100 * x / answer.clip.width,
        "y": 100 * y / answer.clip.height,
        "width": 100 * width / answer.clip.width,
        "height": 100 * height / answer.clip.height,
        "rotation": 0,
    }


FORMAT = Format(
    summary="a Label Studio task, a video rectangle for each track",
    media_type="application/vnd.ssu.label-studio+json",
    suffix=".labelstudio.json",
    write=write,
)
