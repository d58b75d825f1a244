"""Files that would cost far more than their size: answered with a reason, and soon forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from service.engines.fake import FakeEngine
from ssuformer import errors
from ssuformer.clip import read_clip
from ssuformer.media.opening import Limits
from ssuformer.regions import Float, Segmentation
from tests.service.bombs import BOMBS, PLAIN, compressed_index, hurried, many_tracks, slow_sound
from tests.service.conftest import Running, run, small_settings
from tests.ssuformer.footage import Footage

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def plain(anyio_backend: str) -> AsyncIterator[Running]:  # noqa: ARG001
    async with run(small_settings()) as started:
        yield started


@pytest.mark.parametrize("kind", BOMBS)
async def test_a_bomb_is_answered_and_kills_no_process(plain: Running, kind: str) -> None:
    make, statuses = BOMBS[kind]

    answer = await plain.understand(make())

    assert answer.status_code in statuses, answer.text[:300]
    assert [line for line in plain.lines if line["event"] == "decoding_process_failed"] == []
    assert (await plain.understand(PLAIN.make())).status_code == 200


class CountingEngine(FakeEngine):
    """Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    async def segment(
        self, frames: NDArray[np.uint8], waveform: Float, *, timeout: float | None = None
    ) -> Segmentation:
        self.asked["segment"] += 1
        self.asked["frames"] += len(frames)
        return await super().segment(frames, waveform, timeout=timeout)


async def test_minutes_of_one_picture_in_silence_are_given_to_the_engine_once() -> None:
    times = (0.0, 1.0, 300.0)
    still = Footage(container="matroska", times=times, beep=(0.0, 0.5), audio_seconds=0.5).make()
    engine = CountingEngine()
    async with run(small_settings(), engine=engine) as running:
        plain = await running.understand(PLAIN.make())
        before = engine.asked["segment"]

        answer = await running.understand(still)

        assert len(answer.json()["frames"]) == 300
        assert engine.asked["segment"] - before <= 4
        again = await running.understand(PLAIN.make())
        assert again.json()["frames"] == plain.json()["frames"]


async def test_the_limit_of_frames_is_one_of_the_engines_work_if_a_clip_states_no_length() -> None:
    live = (("live", "1"),)
    film = Footage(seconds=60, fps=5, container="matroska", container_options=live)
    clip = replace(film, paint=lambda number, _: number % 200).make()
    engine, most = CountingEngine(), 24
    window, overlap = engine.facts.manifest.window_frames, 2
    async with run(small_settings(max_samples=most), engine=engine) as running:
        before = engine.asked["frames"]

        answer = await running.understand(clip)

    assert answer.json()["code"] == "clip_too_large"
    given = engine.asked["frames"] - before
    assert most / 2 < given <= most * window / (window - overlap) + window


def test_a_clip_of_many_tracks_says_how_many_there_may_be() -> None:
    with pytest.raises(errors.ClipTooLarge, match="more than 128 tracks") as raised:
        read_clip(many_tracks(127))

    assert raised.value.limit == Limits().tracks == 128


def test_a_warning_names_only_some_of_many_tracks() -> None:
    clip = read_clip(many_tracks(100))

    (warning,) = (one for one in clip.warnings if one.code == "tracks_left_out")
    assert "90 more" in warning.message
    assert len(warning.message) < 2000


def test_a_compressed_index_and_slow_sound_are_refused_by_their_numbers() -> None:
    with pytest.raises(errors.ClipTooLarge, match="compressed index") as index:
        read_clip(compressed_index(70_000_000))
    with pytest.raises(errors.ClipUnsupported, match="samples per second") as sound:
        read_clip(slow_sound(999, 10))

    assert index.value.limit == 64 * 2**20
    assert (sound.value.actual, sound.value.limit) == (999, 1000)


def test_a_number_of_pictures_a_second_that_cannot_be_is_not_stated() -> None:
    assert read_clip(hurried()).info.fps is None
    assert read_clip(PLAIN.make()).info.fps == 25
