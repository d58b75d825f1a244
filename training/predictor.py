"""Predictors: run a model on whole scenes with the region rules of serving."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from functools import partial
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from ssuformer.manifest import Manifest, Thresholds
from ssuformer.masks import enlarge
from ssuformer.model.caption import Regions
from ssuformer.model.sound_source_model import SegmentationOutputs, SoundSourceModel
from ssuformer.regions import (
    Detection,
    Float,
    Segmentation,
    describe,
    find_regions,
    name_of,
    plan_captions,
)
from ssuformer.sentences import Wording
from ssuformer.tokenizer import Tokenizer
from training.metrics.regions import PredictedRegion


class Predictor(ABC):
    """Returns the regions of whole scenes by the same rules as serving.

    `wording` fills the open places of captions; without one they stay as the model writes them.
    """

    def __init__(
        self,
        *,
        categories: tuple[str, ...],
        tokenizer: Tokenizer,
        thresholds: Thresholds,
        wording: Wording | None = None,
    ) -> None:
        self._categories = categories
        self._tokenizer = tokenizer
        self._wording = wording
        self.thresholds = thresholds

    @abstractmethod
    def segment(
        self, frames: npt.NDArray[np.uint8], waveform: npt.NDArray[np.float32]
    ) -> list[Segmentation]:
        """Return the model's outputs per clip: frames `[b t h w 3]`, waveform `[b t 16000]`."""

    @abstractmethod
    def caption(self, regions: tuple[Float, Float, Float]) -> npt.NDArray[np.int64]:
        """Return token ids `[n l]` for region tokens `[n r c]` and their prompts `[n c]`."""

    def regions(
        self, clips: list[Segmentation], size: tuple[int, int], *, captions: bool = True
    ) -> list[list[list[PredictedRegion]]]:
        """Return the regions of every frame of every clip, with masks of `size` and sentences."""
        find = partial(
            find_regions, thresholds=self.thresholds, min_score=0.0, categories=self._categories
        )
        found = [find(clip) for clip in clips]
        said = self._describe(clips, found) if captions else [{} for _ in clips]
        return [
            [
                [
                    self._region(region, size, sentences.get((region.frame, region.query), ""))
                    for region in frame
                ]
                for frame in frames
            ]
            for frames, sentences in zip(found, said, strict=True)
        ]

    def _describe(
        self, clips: list[Segmentation], found: list[list[list[Detection]]]
    ) -> list[dict[tuple[int, int], str]]:
        """Return, for each clip, the sentence of each region by frame and query."""
        plan = plan_captions(list(zip(clips, found, strict=True)))
        ids = self.caption(plan.inputs).tolist() if plan.holders else []
        said = plan.assign(map(self._tokenizer.decode, ids))
        if self._wording is None:
            return said
        return [
            self._filled(clip, frames, captions, self._wording)
            for clip, frames, captions in zip(clips, found, said, strict=True)
        ]

    def _filled(
        self,
        clip: Segmentation,
        frames: list[list[Detection]],
        captions: dict[tuple[int, int], str],
        wording: Wording,
    ) -> dict[tuple[int, int], str]:
        """Return the captions of a clip's regions with their open places filled."""
        filled: dict[tuple[int, int], str] = {}
        for number, regions in enumerate(frames):
            _, said = describe(
                clip, number, regions, captions, wording=wording, threshold=self.thresholds.heard
            )
            filled |= {(number, query): sentence for query, sentence in said.items()}
        return filled

    def _region(self, found: Detection, size: tuple[int, int], sentence: str) -> PredictedRegion:
        mask = enlarge(found.probability, size=size, threshold=self.thresholds.mask)
        return PredictedRegion(mask, found.score, name_of(found, self._categories), sentence)


class TorchPredictor(Predictor):
    """A predictor with a torch model.

    `together`: one region in each frame, where all queries together say that it sounds. It is for
    models whose queries never learned which of them sounds.
    """

    def __init__(
        self,
        model: SoundSourceModel,
        *,
        categories: tuple[str, ...],
        tokenizer: Tokenizer,
        thresholds: Thresholds,
        wording: Wording | None = None,
        together: bool = False,
    ) -> None:
        super().__init__(
            categories=categories, tokenizer=tokenizer, thresholds=thresholds, wording=wording
        )
        self.model = model.eval()
        self._together = together

    @classmethod
    def of(cls, model: SoundSourceModel, manifest: Manifest) -> Self:
        """Return a predictor that answers as the service does with these weights.

        What `told_together` is true of has one region in each frame.
        """
        return cls(
            model,
            categories=manifest.categories,
            tokenizer=Tokenizer(manifest.vocabulary),
            thresholds=manifest.thresholds,
            wording=Wording(manifest),
            together=told_together(manifest),
        )

    @torch.no_grad()
    def segment(
        self, frames: npt.NDArray[np.uint8], waveform: npt.NDArray[np.float32]
    ) -> list[Segmentation]:
        """Return the model's outputs per clip: frames `[b t h w 3]`, waveform `[b t 16000]`."""
        device = next(self.model.parameters()).device
        outputs: SegmentationOutputs = self.model(
            torch.from_numpy(frames).to(device), torch.from_numpy(waveform).to(device)
        )
        clips = as_arrays(outputs)
        return [_together(clip) for clip in clips] if self._together else clips

    def caption(self, regions: tuple[Float, Float, Float]) -> npt.NDArray[np.int64]:
        """Return the model's token ids `[n l]`."""
        device = next(self.model.parameters()).device
        ids, _ = self.model.caption.greedy(
            Regions(*(torch.from_numpy(array).to(device) for array in regions))
        )
        found: npt.NDArray[np.int64] = ids.cpu().numpy()
        return found


def told_together(manifest: Manifest) -> bool:
    """Return whether a model learned where it sounds, but not which of its queries does."""
    experiment = manifest.training.get("experiment")
    losses = experiment.get("losses") if isinstance(experiment, dict) else None
    return isinstance(losses, dict) and losses.get("sounding") == 0


def _together(clip: Segmentation) -> Segmentation:
    """Return a clip's outputs with the union of its queries as the only one."""
    silent = 1 - clip.mask_probability * clip.sounding_probability[..., None, None]
    return replace(
        clip,
        mask_probability=1 - silent.prod(axis=1, keepdims=True),
        sounding_probability=np.ones_like(clip.sounding_probability[:, :1]),
        category_logits=clip.category_logits[:, :1],
        region_tokens=clip.region_tokens[:, :1],
    )


def as_arrays(outputs: SegmentationOutputs) -> list[Segmentation]:
    """Return a model's outputs per clip, as serving has them."""
    arrays = [output.float().cpu().numpy() for output in outputs.tensors()]
    return [Segmentation(*(array[clip] for array in arrays)) for clip in range(len(arrays[0]))]
