"""The work of a clip without a service around it: decode, segment, describe, in one thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

from benchmarks.sessions import open_session
from service.settings import Settings
from service.understanding.windows import Window, cut
from ssuformer import masks
from ssuformer.clip import Chunk, ClipReader, Limits
from ssuformer.contract import FRAME_SIZE
from ssuformer.regions import (
    Detection,
    Segmentation,
    describe,
    find_regions,
    name_of,
    plan_captions,
)
from ssuformer.repository import open_repository
from ssuformer.sentences import Wording
from ssuformer.tokenizer import Tokenizer

_SIZE = (FRAME_SIZE, FRAME_SIZE)

Frames = list[list[dict[str, Any]]]
"""The regions of every second: category, score, mask (COCO's run-lengths), description."""


def regions_of(answer: dict[str, Any]) -> Frames:
    """Return of an answer of the service what `Plain` answers, too: the surest regions first."""
    kept = ("category", "score", "mask", "description")
    return [
        [
            {name: region[name] for name in kept}
            for region in sorted(frame["regions"], key=itemgetter("score"), reverse=True)
        ]
        for frame in answer["frames"]
    ]


@dataclass(frozen=True, slots=True)
class Done:
    """The clips that were worked on in `seconds`, and the processor time that they took."""

    clips: int
    seconds: float
    processor_seconds: float
    """Of decoding and of both engines alone."""


class Plain:
    """Answers clips with both engines of a model repository, one at a time, in one thread."""

    def __init__(self, models: Path) -> None:
        """Load the newest version; raises EngineUnavailable or EngineMismatch."""
        files = open_repository(models)
        self._manifest = files.manifest
        self._tokenizer = Tokenizer(files.manifest.vocabulary)
        self._wording = Wording(files.manifest)
        self._segmentation = open_session(files.segmentation, threads=1)
        self._caption = open_session(files.caption, threads=1)
        self._caption_inputs = [tensor.name for tensor in self._caption.get_inputs()]
        self.processor_seconds = 0.0
        """What decoding and the engines have taken so far."""

    def answer(self, clip: bytes) -> Frames:
        """Return the regions of every second of a clip; raises a ClipError."""
        with self._counted():
            windows = asyncio.run(self._windows(clip))
        return [frame for window in windows for frame in self._window(window)]

    def repeat(self, clips: list[bytes], seconds: float) -> Done:
        """Work on the clips in turn for about so many seconds."""
        began, before, count = time.perf_counter(), self.processor_seconds, 0
        while (spent := time.perf_counter() - began) < seconds or count % len(clips):
            self.answer(clips[count % len(clips)])
            count += 1
        return Done(count, spent, self.processor_seconds - before)

    async def _windows(self, clip: bytes) -> list[Window]:
        size = self._manifest.window_frames
        overlap = min(int(Settings.model_fields["window_overlap"].default), size - 1)
        with ClipReader(clip, limits=Limits(threads=1)) as reader:
            chunks = _as_they_come(reader.chunks(size))
            return [window async for window in cut(chunks, size=size, overlap=overlap)]

    def _window(self, window: Window) -> Frames:
        inputs = {"frames": window.chunk.frames[None], "waveform": window.chunk.waveform[None]}
        with self._counted():
            outputs = self._segmentation.run(None, inputs)
        found = Segmentation(*(output[0] for output in outputs))
        frames = find_regions(
            found,
            thresholds=self._manifest.thresholds,
            min_score=0.0,
            categories=self._manifest.categories,
        )[window.fresh :]
        captions = self._captions(found, frames)
        return [
            self._told(number, regions, captions, found)
            for number, regions in enumerate(frames, start=window.fresh)
        ]

    def _captions(
        self, found: Segmentation, frames: list[list[Detection]]
    ) -> dict[tuple[int, int], str]:
        plan = plan_captions([(found, frames)])
        if not plan.holders:
            return {}
        with self._counted():
            ids = self._caption.run(
                ["token_ids"], dict(zip(self._caption_inputs, plan.inputs, strict=True))
            )[0]
        (said,) = plan.assign(map(self._tokenizer.decode, ids.tolist()))
        return said

    def _told(
        self,
        number: int,
        regions: list[Detection],
        captions: dict[tuple[int, int], str],
        found: Segmentation,
    ) -> list[dict[str, Any]]:
        at = self._manifest.thresholds
        _, said = describe(
            found, number, regions, captions, wording=self._wording, threshold=at.heard
        )
        return [
            {
                "category": name_of(region, self._manifest.categories),
                "score": round(region.score, 4),
                "mask": masks.encode_rle(
                    masks.enlarge(region.probability, size=_SIZE, threshold=at.mask)
                ),
                "description": said[region.query],
            }
            for region in regions
        ]

    @contextmanager
    def _counted(self) -> Iterator[None]:
        began = time.process_time()
        yield
        self.processor_seconds += time.process_time() - began


async def _as_they_come(chunks: Iterator[Chunk]) -> AsyncIterator[Chunk]:
    for chunk in chunks:
        yield chunk
