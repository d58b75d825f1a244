"""Tools called for a clip: pictures are smaller than what a player shows, masks are not."""

from __future__ import annotations

import asyncio
import io
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from service.formats.pixels import stretched
from service.studio.answers import sounding_at
from service.studio.layer_store import Batch, LayerStore
from service.studio.layers import ClipShape, Layer, MaskRle, PutMask, decoded
from service.studio.media import Media
from service.studio.records import Clip
from service.studio.schemas import MadeMask, MaskPrompt, Propagation, ProposedSentences
from service.studio.tool_pool import Followed, ToolPool
from service.studio.tools.prompt import Prompt
from ssuformer.contract import SAMPLE_RATE
from ssuformer.errors import EditInvalid, StudioNotFound
from ssuformer.masks import Mask, encode_rle, enlarge


@dataclass(frozen=True, slots=True)
class ClipTools:
    """The tools, for the clips of the store."""

    media: Media
    layers: LayerStore
    pool: ToolPool

    async def mask(self, clip: Clip, asked: MaskPrompt) -> MadeMask:
        """Return a mask of what a person shows; OptionError if the prompt does not fit."""
        began = time.perf_counter()
        with self.pool.refusing("mask"):
            picture = await self._picture(clip, asked.frame)
            prompt = await asyncio.to_thread(_prompt, asked, clip.shape, _size_of(picture))
        mask, tool = await self.pool.mask(picture, prompt)
        written = await asyncio.to_thread(written_mask, mask, clip.shape)
        spent = round(1000 * (time.perf_counter() - began), 1)
        return MadeMask(mask=written, tool=tool, milliseconds=spent)

    async def sentences(
        self, clip: Clip, layer: Layer, frame: int, track: str, *, fps: float
    ) -> ProposedSentences:
        """Return sentences for a track in a frame; StudioNotFound if it is not in the layer."""
        with self.pool.refusing("sentences"):
            found = layer.track(track)
            if found is None:
                raise StudioNotFound(f"the layer has no track {track!r}")
            picture = await self._picture(clip, frame)
        shape, size, at = clip.shape, _size_of(picture), frame / fps
        near = min(found.masks, key=lambda one: abs(one.frame - frame), default=None)
        mask = np.zeros(size, bool)
        if near is not None:
            mask = await asyncio.to_thread(lambda: stretched(decoded(near.mask, shape), size))
        said, tool = await self.pool.sentences(
            picture, mask, found.category, _heard_at(layer, track, at)
        )
        return ProposedSentences(sentences=said, tool=tool)

    async def onsets(self, clip: Clip) -> list[float]:
        """Return the seconds at which something begins to sound."""
        sound = await asyncio.to_thread(self.media.sound, clip.id)
        found = await self.pool.onsets(sound, SAMPLE_RATE)
        return [time for time in found if time <= clip.duration]

    async def propagate(
        self, clip: Clip, layer: Layer, asked: Propagation, *, fps: float
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Carry a mask on, frame by frame; each is in the layer before it is yielded.

        The last one yielded says why it ends. Raises EditInvalid if there is no such mask.
        """
        start, numbers, locked = _way(clip, layer, asked)
        last, lost = asked.frame, "done" if locked is None else "locked"
        pictures = self._pictures(clip, [asked.frame, *numbers])
        first = await self._picture(clip, asked.frame)
        size = _size_of(first)
        mask = await asyncio.to_thread(lambda: stretched(decoded(start, clip.shape), size))
        async with aclosing(self.pool.follow(pictures, mask, fps=fps)) as follow:
            for number in numbers:
                found = await anext(follow, None)
                if found is None or found.cut or not found.mask.any():
                    lost = "cut" if found is not None and found.cut else "lost"
                    break
                yield await self._save(clip, layer, asked.track, number, found)
                last = number
            if numbers:
                await anext(follow, None)  # it ends by itself: its process stays
        yield {"end": lost, "frame": last}

    async def _save(
        self, clip: Clip, layer: Layer, track: str, number: int, found: Followed
    ) -> dict[str, Any]:
        """Put a mask that was carried on into the layer, and return what is told of it."""
        mask = await asyncio.to_thread(written_mask, found.mask, clip.shape)
        edit = PutMask(op="put_mask", track=track, frame=number, mask=mask, tool="propagate")
        batch = Batch(
            id=f"~{secrets.token_hex(8)}",
            edits=[edit],
            who=layer.annotator,
            model=self.pool.choice.tracker,
            held=found.held,
        )
        revision = await self.layers.change(clip.id, layer.annotator, batch, base=None)
        told = None if mask is None else mask.model_dump(mode="json")
        return {"frame": number, "mask": told, "held": found.held, "revision": revision}

    def check(self, clip: Clip, layer: Layer, asked: Propagation) -> None:
        """Raise EditInvalid if there is no mask to be carried on so."""
        with self.pool.refusing("track"):
            _way(clip, layer, asked)

    async def _picture(self, clip: Clip, frame: int) -> bytes:
        if frame >= clip.frames:
            raise StudioNotFound(f"the clip has {clip.frames} annotation frames")
        return await asyncio.to_thread(self.media.picture, clip.id, frame)

    async def _pictures(self, clip: Clip, frames: list[int]) -> AsyncIterator[bytes]:
        for frame in frames:
            yield await self._picture(clip, frame)


def _way(clip: Clip, layer: Layer, asked: Propagation) -> tuple[MaskRle, list[int], int | None]:
    """Return the mask to carry on, the frames to carry it to, and the locked one that ends it."""
    track = layer.track(asked.track)
    if track is None:
        raise EditInvalid(f"the layer has no track {asked.track!r}", actual=asked.track)
    if max(asked.frame, asked.to) >= clip.frames:
        raise EditInvalid(f"the clip has {clip.frames} annotation frames", limit=clip.frames)
    masks = {one.frame: one for one in track.masks}
    if asked.frame not in masks:
        raise EditInvalid(f"track {asked.track!r} has no mask in frame {asked.frame}")
    step = 1 if asked.to >= asked.frame else -1
    numbers = list[int]()
    for number in range(asked.frame + step, asked.to + step, step):
        if number in masks and masks[number].locked:
            return masks[asked.frame].mask, numbers, number
        numbers.append(number)
    return masks[asked.frame].mask, numbers, None


def _prompt(asked: MaskPrompt, shape: ClipShape, size: tuple[int, int]) -> Prompt:
    """Return a prompt in pixels of the picture."""
    down, across = size[0] / shape.height, size[1] / shape.width
    box = asked.box
    so_far = asked.previous
    previous = None if so_far is None else stretched(decoded(so_far, shape), size)
    stroke = asked.stroke
    return Prompt(
        points=tuple((one.x * across, one.y * down, one.inside) for one in asked.points),
        box=box and (box[0] * across, box[1] * down, box[2] * across, box[3] * down),
        stroke=None if not stroke else tuple((x * across, y * down) for x, y in stroke),
        previous=previous,
    )


def written_mask(mask: Mask, shape: ClipShape) -> MaskRle | None:
    """Return a mask of a picture in pixels of what a player shows; None if it is empty."""
    size = shape.height, shape.width
    if mask.shape != size:
        mask = enlarge(mask.astype(np.float32), size=size, threshold=0.5)
    if not mask.any():
        return None
    rle = encode_rle(mask)
    return MaskRle(size=size, counts=rle["counts"])


def _size_of(jpeg: bytes) -> tuple[int, int]:
    """Return height and width of a JPEG, by its head alone."""
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
        return picture.height, picture.width


def _heard_at(layer: Layer, track: str, time: float) -> tuple[str, ...]:
    """Return what else sounds at a time."""
    others = [
        one.category
        for one in layer.tracks
        if one.id != track and sounding_at(one, time) is not None
    ]
    alone = [
        one.category
        for one in layer.heard
        if any(span.start <= time < span.end for span in one.intervals)
    ]
    return tuple(dict.fromkeys([*others, *alone]))
