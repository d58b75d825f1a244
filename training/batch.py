"""Scenes as tensors: the input of a training step.

Axes: b clips, t frames, s sources (padded), h w pixels, y x mask pixels, l caption tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float, Int, Shaped, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ssuformer.errors import ConfigError
from ssuformer.tokenizer import PAD, Tokenizer
from training.scene import Scene

MAX_SOURCES = 4
AT_ONCE = 8
"""Batch size in scenes."""
MASK_STRIDE = 4
LABEL_STRIDE = 8


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of scenes with their ground truth; sources beyond a scene's own are padding."""

    frames: UInt8[Tensor, "b t h w 3"]
    waveform: Float[Tensor, "b t samples"]
    masks: Float[Tensor, "b s t y x"]
    sounding: Float[Tensor, "b s t"]
    categories: Int[Tensor, "b s"]
    heard: Float[Tensor, "b t k"]
    """1 where a category sounds, in the picture or not."""
    present: Bool[Tensor, "b s"]
    labels: Int[Tensor, "b t y8 x8"]
    """The category of every pixel at stride 8, silent objects too; the last one is background."""
    tokens: Int[Tensor, "b s t l"]

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        moved: dict[str, Any] = {
            field.name: getattr(self, field.name).to(device, non_blocking=True)
            for field in fields(self)
        }
        return Batch(**moved)


@runtime_checkable
class SceneSource(Protocol):
    """Returns a scene for a number, deterministically."""

    def compose(self, index: int) -> Scene:
        """Return scene `index`."""
        ...


def groups(scenes: SceneSource, count: int) -> Iterator[list[Scene]]:
    """Yield the scenes in order, neighbours of the same length together."""
    group: list[Scene] = []
    for scene in map(scenes.compose, range(count)):
        if group and (len(group) == AT_ONCE or scene.frames.shape != group[0].frames.shape):
            yield group
            group = []
        group.append(scene)
    if group:
        yield group


def shrink(masks: Shaped[np.ndarray, "... h w"], stride: int) -> Float[np.ndarray, "... y x"]:
    """Return, for every `stride x stride` cell, the share covered by a mask."""
    *rest, h, w = masks.shape
    cells = masks.reshape(*rest, h // stride, stride, w // stride, stride)
    return cells.mean(axis=(-3, -1), dtype=np.float32)


class SceneTensors(Dataset[dict[str, npt.NDArray[Any]]]):
    """Scenes by number, as arrays of fixed shape."""

    def __init__(
        self,
        scenes: SceneSource,
        categories: tuple[str, ...],
        tokenizer: Tokenizer,
        length: int,
        looks: tuple[int, ...] = (),
    ) -> None:
        self._scenes = scenes
        self._looks = looks or tuple(range(len(categories)))
        self._number = {name: number for number, name in enumerate(categories)}
        self._tokenizer = tokenizer
        self._length = length

    def __getitem__(self, index: int) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of scene `index`, named like the fields of a Batch."""
        scene = self._scenes.compose(index)
        if len(scene.sources) > MAX_SOURCES:
            raise ConfigError(
                f"scene {index} has {len(scene.sources)} sources, a batch holds {MAX_SOURCES}",
                limit=MAX_SOURCES,
                actual=len(scene.sources),
            )
        t, h, w, _ = scene.frames.shape
        masks = np.zeros((MAX_SOURCES, t, h // MASK_STRIDE, w // MASK_STRIDE), np.float32)
        sounding = np.zeros((MAX_SOURCES, t), np.float32)
        categories = np.zeros(MAX_SOURCES, np.int64)
        heard = np.zeros((t, len(self._number)), np.float32)
        sounds = [(s.category, s.sounding) for s in scene.sources]
        for category, sounding_in in (*sounds, *((u.category, u.sounding) for u in scene.unseen)):
            heard[sounding_in, self._number[category]] = 1.0
        tokens = np.full((MAX_SOURCES, t, self._length), PAD, np.int64)
        cover = np.full((t, h // LABEL_STRIDE, w // LABEL_STRIDE), 0.5, np.float32)
        labels = np.full(cover.shape, len(self._number), np.int64)
        for s, source in enumerate(scene.sources):
            masks[s] = shrink(source.masks, MASK_STRIDE)
            sounding[s] = source.sounding
            categories[s] = self._number[source.category]
            coarse = shrink(masks[s], LABEL_STRIDE // MASK_STRIDE)
            labels = np.where(coarse > cover, self._looks[categories[s]], labels)
            cover = np.maximum(cover, coarse)
            for frame, sentence in enumerate(source.sentences):
                if sentence:
                    ids = self._tokenizer.encode(sentence)[: self._length]
                    tokens[s, frame, : len(ids)] = ids
        return {
            "frames": scene.frames,
            "waveform": scene.waveform,
            "masks": masks,
            "sounding": sounding,
            "categories": categories,
            "heard": heard,
            "present": np.arange(MAX_SOURCES) < len(scene.sources),
            "labels": labels,
            "tokens": tokens,
        }


def collate(samples: list[dict[str, npt.NDArray[Any]]]) -> Batch:
    """Stack samples into a batch."""
    names = [field.name for field in fields(Batch)]
    return Batch(**{n: torch.from_numpy(np.stack([s[n] for s in samples])) for n in names})


class Counting(Sampler[int]):
    """The numbers of the scenes of `steps` batches from `first` on; training can resume anywhere.

    Each batch has `size` scenes for each of its `parts`; only those of the parts `own` are told.
    """

    def __init__(
        self, first: int, *, steps: int, size: int, parts: int, own: Sequence[int]
    ) -> None:
        self._starts = [first + (n * parts + part) * size for n in range(steps) for part in own]
        self._size = size

    def __iter__(self) -> Iterator[int]:
        return (start + number for start in self._starts for number in range(self._size))

    def __len__(self) -> int:
        return len(self._starts) * self._size


def batches(
    scenes: SceneTensors, *, first: int, steps: int, size: int, workers: int,
    parts: int = 1, own: Sequence[int] = (0,),
) -> Iterable[Batch]:  # fmt: skip
    """Return a loader of `steps` batches, from scene number `first`.

    They come in `parts` of `size` scenes, of which this loads those numbered `own`, in order.
    """
    return DataLoader(
        scenes,
        batch_size=size,
        sampler=Counting(first, steps=steps, size=size, parts=parts, own=own),
        num_workers=workers,
        collate_fn=collate,
        prefetch_factor=4 if workers else None,
        multiprocessing_context="fork" if workers else None,
    )
