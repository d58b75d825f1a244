"""The process that draws an answer onto its clip: it decodes, draws, writes to a pipe, and ends.

It is forked and sandboxed as the processes that decode for the models (`decoding_template`). The
gateway sends one `job` with three open files (the clip, the answer in JSON, the pipe) and is told
`drawn` or `error`.
"""

from __future__ import annotations

import io
import os
import socket
import sys
from typing import Any

import av
import orjson

from service.formats.catalogue import named
from service.formats.format import Material
from service.telemetry.places import places
from service.understanding import decoding_template
from service.understanding.decoding_child import MESSAGE_LIMIT, ChunkMemory, report, send
from service.understanding.schemas import ClipFacts, Frame, ModelFacts, Understanding
from ssuformer.errors import ClipTooLarge, DecodeFailed, SsuError

DRAWN = ("overlay", "sheet")
"""The formats that are warm."""


def serve(gateway: socket.socket, memory: ChunkMemory) -> None:
    """Say that all is ready, draw the one answer that the gateway sends, and wait for the end."""
    del memory
    send(gateway, {"ready": True})
    job, files, _, _ = socket.recv_fds(gateway, MESSAGE_LIMIT, 3)
    if job:
        _work(gateway, orjson.loads(job), *files)
        gateway.recv(MESSAGE_LIMIT)  # until the gateway has read all and ends it


def _work(gateway: socket.socket, job: dict[str, Any], clip: int, answer: int, pipe: int) -> None:
    try:
        with os.fdopen(pipe, "wb") as out:
            text = os.pread(answer, os.lseek(answer, 0, os.SEEK_END), 0)
            found = Understanding.model_validate_json(text)
            material = Material(found, job["name"], clip, threads=job["threads"])
            named(job["format"]).write(material, out)
        send(gateway, {"drawn": True})
    except SsuError as error:
        report(gateway, error)
    except (MemoryError, av.error.MemoryError):
        report(gateway, ClipTooLarge("the clip needs more memory to draw than allowed"))
    except Exception as error:  # whatever a clip can make FFmpeg or Python do
        sys.stderr.write(places(error))
        report(gateway, DecodeFailed("the clip could not be drawn on"))


def warm_up() -> None:
    """Draw a tiny clip, so that no child needs a file of Python's or of FFmpeg's."""
    clip = _tiny_clip()
    answer = Understanding(
        clip=ClipFacts(
            duration=1, width=32, height=32, rotation=0, audio=True, fps=5, video_codec="mpeg4",
            audio_codec=None,
        ),
        model=ModelFacts(name="", version="", digest=""),
        sampled_fps=1,
        mask_size=(32, 32),
        timings_ms={},
        warnings=[],
        frames=[Frame(time=0.5, regions=[])],
        tracks=[],
    )  # fmt: skip
    text = answer.model_dump_json()
    for name in DRAWN:
        named(name).write(Material(Understanding.model_validate_json(text), "", clip), io.BytesIO())


def _tiny_clip() -> bytes:
    file = io.BytesIO()
    decoding_template.write_tiny_clip(file)
    return file.getvalue()


if __name__ == "__main__":
    av.logging.set_level(None)
    warm_up()
    decoding_template.main(serve)
