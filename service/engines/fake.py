"""A fake engine: moving discs and fixed sentences, without a model. For tests and demos.

Shapes come from the contract. It may also hear: a bell in loud audio, and an engine out of sight.
Query 0 sounds wherever the audio is not silent; query 1 wherever
the picture is bright. Both return a disc that moves with time; the other queries are silent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from service.engines.engine import Captions, EngineFacts
from ssuformer.contract import Dimensions, caption_engine, segmentation_engine
from ssuformer.manifest import Manifest, Thresholds
from ssuformer.regions import Float, Segmentation
from ssuformer.tokenizer import Tokenizer

_SENTENCES = ("a bell is ringing.", "a lamp is humming.")
_AUDIBLE = 0.01
_BRIGHT = 128


class FakeEngine:
    """Answers immediately and deterministically."""

    def __init__(
        self,
        *,
        heard: bool = False,
        sentences: Sequence[str] = _SENTENCES,
        thresholds: Thresholds | None = None,
    ) -> None:
        """With `heard`, it says what is heard too; `sentences` are those of queries 0 and 1."""
        tokenizer = Tokenizer.learn(sentences)
        self._sentences = [tokenizer.encode(sentence) for sentence in sentences]
        manifest = Manifest(
            name="fake",
            version="0",
            author="nobody",
            created=datetime(2025, 1, 1, tzinfo=UTC),
            git_revision="",
            data_seed=0,
            steps=0,
            parameters=0,
            dimensions=Dimensions(
                queries=4,
                mask_size=56,
                categories=3,
                region_tokens=2,
                channels=8,
                caption_tokens=16,
                heard=heard,
            ),
            categories=("bell", "lamp", "other"),
            nouns=("bell", "lamp", "engine"),
            verbs=("rings", "hums", "idles"),
            vocabulary=tokenizer.vocabulary,
            thresholds=thresholds or Thresholds(),
        )
        self.facts = EngineFacts(
            manifest=manifest, digest="0" * 64, repository_version=0, device="none", remote=False
        )

    async def segment(
        self,
        frames: NDArray[np.uint8],
        waveform: Float,
        *,
        timeout: float | None = None,  # noqa: ARG002
    ) -> Segmentation:
        """Return discs for a window: frames [t 224 224 3], a second of sound each [t 16000]."""
        size, t = self.facts.manifest.dimensions, len(frames)
        spec = segmentation_engine(size)
        blank = {out.name: np.zeros(out.shape(b=1, t=t)[1:], np.float32) for out in spec.outputs}
        window = Segmentation(**blank)
        loudness = np.abs(waveform).mean(1)
        if window.heard_probability is not None:
            window.heard_probability[:] = np.outer(loudness > _AUDIBLE, (0.7, 0.1, 0.8))
        brightness = frames.mean((1, 2, 3))
        window.sounding_probability[:, 0] = np.where(loudness > _AUDIBLE, 0.9, 0.05)
        window.sounding_probability[:, 1] = np.where(brightness > _BRIGHT, 0.8, 0.05)
        y, x = np.mgrid[: size.mask_size, : size.mask_size] / size.mask_size
        for i, shift in enumerate(loudness):
            for query in (0, 1):
                away = np.hypot(y - 0.3 - 0.4 * query, x - 0.3 - 0.2 * min(float(shift), 1))
                window.mask_probability[i, query] = 1 / (1 + np.exp(50 * (away - 0.15)))
        for query in range(size.queries):
            window.category_logits[:, query, min(query, size.categories - 1)] = 5
            window.region_tokens[:, query] = query
        return window

    async def caption(
        self,
        region_tokens: Float,
        scene_prompt: Float,  # noqa: ARG002
        source_prompt: Float,  # noqa: ARG002
        *,
        timeout: float | None = None,  # noqa: ARG002
    ) -> Captions:
        """Return the sentence of each region's query."""
        spec = caption_engine(self.facts.manifest.dimensions)
        ids, scores = (np.zeros(out.shape(n=len(region_tokens))) for out in spec.outputs)
        for row, query in enumerate(region_tokens[:, 0, 0].astype(int)):
            sentence = self._sentences[query % len(self._sentences)]
            ids[row, : len(sentence)] = sentence
        return Captions(ids.astype(np.int64), scores.astype(np.float32))

    async def check(self, model: str) -> None:
        """Do nothing: there is no model to compare."""

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""
