"""What is measured is what is served."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import JsonValue

from service.engines.fake import FakeEngine
from ssuformer.clip import read_clip
from ssuformer.manifest import Thresholds
from ssuformer.model import checkpoint
from ssuformer.regions import Float, Segmentation
from ssuformer.sentences import Wording
from ssuformer.tokenizer import Tokenizer
from tests.service.conftest import run, small_settings
from tests.ssuformer.footage import Footage, flash_in
from tests.training.small_films import write_film_model
from training.predictor import Predictor, TorchPredictor

OPEN = ("a <noun> <verb> on the left while a <other> <does>", "a small <noun> <verb> alone")


class OfEngine(Predictor):
    """A predictor with the engine of a service."""

    def __init__(self, engine: FakeEngine) -> None:
        manifest = engine.facts.manifest
        super().__init__(
            categories=manifest.categories, tokenizer=Tokenizer(manifest.vocabulary),
            thresholds=manifest.thresholds, wording=Wording(manifest),
        )  # fmt: skip
        self._engine = engine

    def segment(
        self, frames: npt.NDArray[np.uint8], waveform: npt.NDArray[np.float32]
    ) -> list[Segmentation]:
        clips = zip(frames, waveform, strict=True)
        return [asyncio.run(self._engine.segment(*clip)) for clip in clips]

    def caption(self, regions: tuple[Float, Float, Float]) -> npt.NDArray[np.int64]:
        return asyncio.run(self._engine.caption(*regions)).token_ids


async def served(engine: FakeEngine, clip: bytes) -> list[list[tuple[str, str]]]:
    """Return category and sentence of each region of each frame of the service's answer."""
    async with run(small_settings(), engine=engine) as running:
        answer = (await running.understand(clip)).json()
    return [
        [(region["category"], region["description"]) for region in frame["regions"]]
        for frame in answer["frames"]
    ]


@pytest.mark.parametrize(
    "thresholds",
    [
        Thresholds(),
        Thresholds(sounding=0.85),
        Thresholds(category=0.99),
        Thresholds(heard=0.75),
        Thresholds(heard=0.95),
    ],
    ids=["plain", "surer sources", "unsure names", "one heard", "none heard"],
)
def test_a_predictor_says_of_every_region_what_the_service_says(
    tmp_path: Path, thresholds: Thresholds
) -> None:
    media = Footage(paint=flash_in(2), beep=(1.0, 3.0)).make()
    (tmp_path / "clip.mp4").write_bytes(media)
    clip = read_clip(tmp_path / "clip.mp4")
    engine = FakeEngine(heard=True, sentences=OPEN, thresholds=thresholds)
    predictor = OfEngine(engine)

    clips = predictor.segment(clip.frames[None], clip.waveform[None])
    (frames,) = predictor.regions(clips, (224, 224))

    said = [[(region.category, region.sentence) for region in frame] for frame in frames]
    assert any(said)
    assert said == asyncio.run(served(engine, media))
    assert not any("<" in sentence for frame in said for _, sentence in frame)


def test_the_predictor_of_a_checkpoint_fills_the_sentences_with_its_manifests_words(
    tmp_path: Path,
) -> None:
    model, manifest = checkpoint.load(write_film_model(tmp_path))
    ids = Tokenizer(manifest.vocabulary).encode("a <noun> <verb> alone on the left")

    class Parrot(TorchPredictor):
        def caption(self, regions: tuple[Float, Float, Float]) -> npt.NDArray[np.int64]:
            return np.array([ids] * len(regions[0]))

    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (1, 1, 64, 64, 3), np.uint8)
    parrot = Parrot.of(model, manifest)
    clips = parrot.segment(frames, rng.normal(0, 0.1, (1, 1, 16_000)).astype(np.float32))
    ((regions,),) = parrot.regions(clips, (64, 64))

    assert regions
    for region in regions:
        noun, verb = Wording(manifest).words(manifest.categories.index(region.category))
        assert f"{noun} {verb} on the left while " in region.sentence  # something else is heard


def test_queries_that_are_unsure_alone_are_one_region_together(tmp_path: Path) -> None:
    model, manifest = checkpoint.load(write_film_model(tmp_path))
    frames = np.zeros((1, 2, 224, 224, 3), np.uint8)
    waveform = np.zeros((1, 2, 16_000), np.float32)
    taught: dict[str, JsonValue] = {"experiment": {"losses": {"sounding": 0.0}}}
    union_alone = manifest.model_copy(update={"training": taught})
    apart, together = TorchPredictor.of(model, manifest), TorchPredictor.of(model, union_alone)
    (alone,) = apart.segment(frames, waveform)

    (union,) = together.segment(frames, waveform)

    sure = alone.mask_probability * alone.sounding_probability[..., None, None]
    assert union.mask_probability.shape[1] == 1
    assert (union.mask_probability[:, 0] >= sure.max(axis=1) - 1e-6).all()
    nothing = np.prod([1 - sure[:, query] for query in range(sure.shape[1])], axis=0)
    np.testing.assert_allclose(union.mask_probability[:, 0], 1 - nothing, atol=1e-6)
    (shown,) = together.regions([union], (224, 224), captions=False)
    for frame, region in zip(union.mask_probability[:, 0], shown, strict=True):
        assert len(region) == (frame > manifest.thresholds.mask).any()
