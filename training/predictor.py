"""Whoever is asked about whole scenes, and answers by the rules that serving uses."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt
import torch

from ssuformer.manifest import Thresholds
from ssuformer.masks import enlarge
from ssuformer.model.caption import Regions
from ssuformer.model.ssuformer import SSUFormer
from ssuformer.regions import Detection, Float, Segmentation, find_regions, to_describe
from ssuformer.tokenizer import Tokenizer
from training.metrics.regions import PredictedRegion


class Predictor(ABC):
    """Gives the regions of whole scenes by the rules that serving uses."""

    def __init__(
        self, *, categories: tuple[str, ...], tokenizer: Tokenizer, thresholds: Thresholds
    ) -> None:
        self._categories = categories
        self._tokenizer = tokenizer
        self.thresholds = thresholds

    @abstractmethod
    def segment(
        self, frames: npt.NDArray[np.uint8], waveform: npt.NDArray[np.float32]
    ) -> list[Segmentation]:
        """Return what is said of each clip: frames `[b t h w 3]`, waveform `[b t 16000]`."""

    @abstractmethod
    def caption(self, regions: tuple[Float, Float, Float]) -> npt.NDArray[np.int64]:
        """Return token ids `[n l]` for region tokens `[n r c]` and their prompts `[n c]`."""

    def regions(
        self, clips: list[Segmentation], size: tuple[int, int], *, captions: bool = True
    ) -> list[list[list[PredictedRegion]]]:
        """Return the regions of every frame of every clip, with masks of `size` and sentences."""
        found = [find_regions(clip, thresholds=self.thresholds, min_score=0.0) for clip in clips]
        said = self._sentences(clips, found) if captions else {}
        return [
            [
                [self._region(region, size, said.get(id(region), "")) for region in frame]
                for frame in frames
            ]
            for frames in found
        ]

    def _sentences(
        self, clips: list[Segmentation], found: list[list[list[Detection]]]
    ) -> dict[int, str]:
        groups = [
            (clip, *group)
            for clip, frames in zip(clips, found, strict=True)
            for group in to_describe(frames)
        ]
        sentences = self._describe([(clip, first) for clip, first, _ in groups])
        return {
            id(region): sentence
            for (_, _, regions), sentence in zip(groups, sentences, strict=True)
            for region in regions
        }

    def _region(self, found: Detection, size: tuple[int, int], sentence: str) -> PredictedRegion:
        mask = enlarge(found.probability, size=size, threshold=self.thresholds.mask)
        return PredictedRegion(mask, found.score, self._categories[found.category], sentence)

    def _describe(self, kept: list[tuple[Segmentation, Detection]]) -> list[str]:
        if not kept:
            return []
        tokens, scene, source = (
            np.stack(column)
            for column in zip(
                *((c.region_tokens[f.frame, f.query], c.scene_prompt[f.frame],
                   c.source_prompt[f.frame]) for c, f in kept), strict=True,
            )
        )  # fmt: skip
        return [
            self._tokenizer.decode(row) for row in self.caption((tokens, scene, source)).tolist()
        ]


class TorchPredictor(Predictor):
    """A model in torch."""

    def __init__(
        self,
        model: SSUFormer,
        *,
        categories: tuple[str, ...],
        tokenizer: Tokenizer,
        thresholds: Thresholds,
    ) -> None:
        super().__init__(categories=categories, tokenizer=tokenizer, thresholds=thresholds)
        self.model = model.eval()

    @torch.no_grad()
    def segment(
        self, frames: npt.NDArray[np.uint8], waveform: npt.NDArray[np.float32]
    ) -> list[Segmentation]:
        """Return what the model says of each clip: frames `[b t h w 3]`, waveform `[b t 16000]`."""
        device = next(self.model.parameters()).device
        found = self.model.segment(
            torch.from_numpy(frames).to(device), torch.from_numpy(waveform).to(device)
        )
        answer = found.answers[-1]
        masks = answer.masks.sigmoid()
        outputs = (
            masks, answer.sounding.sigmoid(), answer.categories,
            self.model.regions(found, masks), found.scene, found.source,
        )  # fmt: skip
        arrays = [output.float().cpu().numpy() for output in outputs]
        return [Segmentation(*(array[clip] for array in arrays)) for clip in range(len(frames))]

    def caption(self, regions: tuple[Float, Float, Float]) -> npt.NDArray[np.int64]:
        """Return the model's token ids `[n l]`."""
        device = next(self.model.parameters()).device
        ids, _ = self.model.caption.greedy(
            Regions(*(torch.from_numpy(array).to(device) for array in regions))
        )
        found: npt.NDArray[np.int64] = ids.cpu().numpy()
        return found
