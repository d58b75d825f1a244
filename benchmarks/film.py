"""Films of any length and size for measurements, made from a sample."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from ssuformer.contract import SAMPLE_RATE


def write_film(
    source: Path, target: Path, *, seconds: int, height: int, width: int, fps: int = 25
) -> None:
    """Write this many seconds of `source` as H.264 with AAC; a short source is repeated."""
    with av.open(str(source)) as film:
        pictures = [frame.reformat(width, height, "yuv420p") for frame in film.decode(video=0)]
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
    with av.open(str(source)) as film:
        parts = [part for frame in film.decode(audio=0) for part in resampler.resample(frame)]
    sound = np.concatenate([part.to_ndarray()[0] for part in parts])
    sound = np.resize(sound, seconds * SAMPLE_RATE)
    with av.open(str(target), "w") as film:
        video = film.add_stream("libx264", rate=fps, options={"crf": "20", "preset": "fast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = film.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for number in range(seconds * fps):
            picture = pictures[number % len(pictures)]
            picture.pts, picture.time_base = number, Fraction(1, fps)
            film.mux(video.encode(picture))
        frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        film.mux([*audio.encode(frame), *audio.encode(None), *video.encode(None)])
