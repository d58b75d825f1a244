"""The files of clips: the film, its annotation frames in packs, its sound."""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from service.jobs import files
from service.jobs.files import FilesGone, JobFiles
from ssuformer.contract import SAMPLE_RATE
from ssuformer.errors import StudioNotFound

PACK = 25
"""Frames of a pack: one file, so that a clip has not thousands of them."""

_SOUND = "sound.wav"


class Media:
    """Reads and writes what clips are shown by; all methods block."""

    def __init__(self, kept: JobFiles) -> None:
        self.files = kept

    def write_pack(self, clip: str, number: int, pictures: Sequence[bytes]) -> int:
        """Write frames from `number * PACK` on, as JPEG; return the bytes that they take."""
        head = orjson.dumps([len(one) for one in pictures]) + b"\n"
        return files.write(self.files, clip, _pack(number), head + b"".join(pictures))

    def picture(self, clip: str, frame: int) -> bytes:
        """Return a frame as JPEG; StudioNotFound if there is none."""
        try:
            with self.files.opened(clip, _pack(frame // PACK)) as file:
                sizes = orjson.loads(file.readline())
                number = frame % PACK
                if number >= len(sizes):
                    raise StudioNotFound(f"the clip has no frame {frame}")
                file.seek(sum(sizes[:number]), io.SEEK_CUR)
                return file.read(sizes[number])
        except FilesGone as error:
            raise StudioNotFound("the clip has been deleted, or has no such frame") from error

    def write_sound(self, clip: str, samples: bytes) -> int:
        """Write the sound, of 16 bits, as WAV; return the bytes that it takes."""
        with self.files.writing(clip, _SOUND) as out:
            file = io.BytesIO()
            with wave.open(file, "wb") as written:
                written.setnchannels(1)
                written.setsampwidth(2)
                written.setframerate(SAMPLE_RATE)
                written.writeframes(samples)
            out.write(file.getvalue())
            return file.tell()

    def sound(self, clip: str) -> NDArray[np.float32]:
        """Return the sound, mono at 16 kHz: [samples], -1..1."""
        try:
            content = files.read(self.files, clip, _SOUND)
        except FilesGone as error:
            raise StudioNotFound("the clip has been deleted") from error
        with wave.open(io.BytesIO(content)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return (samples / 32768).astype(np.float32)


def _pack(number: int) -> str:
    return f"frames-{number:05}"
