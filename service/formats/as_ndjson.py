"""The answer line by line: a head, a line for each frame, a tail.

Every line is a JSON object with a `record`: `head` (clip, model, sizes), `frame` (as in the answer)
or `tail` (timings, warnings, tracks, and the number of frames, so that a cut file shows).
"""

from __future__ import annotations

from typing import IO

import orjson

from service.formats.format import Format, Material

_HEAD = {"clip", "model", "sampled_fps", "mask_size"}
_TAIL = {"timings_ms", "warnings", "tracks"}


def write(material: Material, out: IO[bytes]) -> None:
    """Write the lines, one by one."""
    answer = material.answer
    _write_line("head", answer.model_dump(mode="json", include=_HEAD), out)
    for frame in answer.frames:
        _write_line("frame", frame.model_dump(mode="json"), out)
    tail = {"frames": len(answer.frames), **answer.model_dump(mode="json", include=_TAIL)}
    _write_line("tail", tail, out)


def _write_line(record: str, content: dict[str, object], out: IO[bytes]) -> None:
    out.write(orjson.dumps({"record": record, **content}) + b"\n")


FORMAT = Format(
    summary="a line of JSON for each frame, after a head and before a tail",
    media_type="application/x-ndjson",
    suffix=".ndjson",
    write=write,
    piecewise=True,
)
