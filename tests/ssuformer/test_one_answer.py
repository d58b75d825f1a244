"""The same bytes get the same answer, however the threads of the decoder take turns."""

from dataclasses import replace

import numpy as np
import pytest

from ssuformer import errors
from ssuformer.clip import Limits, Sampling, read_clip
from tests.ssuformer.footage import Footage

NOISE = np.random.default_rng(5).integers(0, 255, (144, 176, 3)).astype(np.uint8)
FILM = Footage(
    size=(176, 144),
    paint=lambda i, _: np.roll(NOISE, 3 * i, 1),
    options=(("preset", "medium"), ("bf", "3"), ("g", "25"), ("crf", "30")),
)
KINDS = {
    "flv": replace(FILM, container="flv"),
    "mpegts": replace(FILM, container="mpegts"),
    "matroska": replace(FILM, container="matroska"),
    "avi": replace(FILM, container="avi", video="mpeg4", options=()),
    "mpeg4 in both directions": replace(
        FILM, container="matroska", video="mpeg4", options=(("bf", "2"),)
    ),
}


def answer(media: bytes, fps: float) -> object:
    """Everything that is read, or why nothing is."""
    try:
        clip = read_clip(media, sampling=Sampling(fps=fps), limits=Limits(threads=4))
    except errors.ClipError as error:
        return error.code, error.message
    return clip.frames.tobytes(), clip.waveform.tobytes(), clip.duration, clip.warnings


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fps", [1, 25])
def test_damaged_packets_give_one_answer(kind: str, fps: float) -> None:
    whole = np.frombuffer(KINDS[kind].make(), np.uint8)
    rng = np.random.default_rng(7)
    for flips in (3, 30, 200):
        media = whole.copy()
        at = rng.integers(1500, len(media), flips)
        media[at] = rng.integers(0, 256, flips)

        answers = [answer(media.tobytes(), fps) for _ in range(4)]

        assert all(other == answers[0] for other in answers[1:])


def test_damage_at_the_end_is_a_small_share() -> None:
    media = np.frombuffer(KINDS["matroska"].make(), np.uint8).copy()
    media[int(len(media) * 0.97) :: 400] ^= 255

    clip = read_clip(media.tobytes(), sampling=Sampling(fps=25))

    (message,) = [w.message for w in clip.warnings if w.code == "pictures_damaged"]
    assert int(message.split()[2]) > 80
