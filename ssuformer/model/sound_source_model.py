"""A model of sound sources: their masks in every frame, and a sentence about each.

Encoders, evidence, mask collaboration and captions are the same for every family; what lies
between, from features to masks, is the family's own (`ssuformer/model/family/`).

Axes: b clips, t frames, h w pixels, q queries, k categories, r region tokens, s audio tokens,
n visual tokens, c channels. Other channels and sizes bear the stride they are at: c4, h4, w4.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from ssuformer.model.attention import Attention
from ssuformer.model.audio import AudioEncoder, AudioFeatures
from ssuformer.model.caption import CaptionDecoder
from ssuformer.model.config import ModelConfig
from ssuformer.model.draws import Dropout
from ssuformer.model.efficientnet import IMAGENET_CLASSES
from ssuformer.model.evidence import PLACES, Evidence, agreement
from ssuformer.model.frontend import PixelNorm
from ssuformer.model.fusion import halved
from ssuformer.model.mask_collaboration import MaskCollaboration
from ssuformer.model.segmentation import QueryAnswer
from ssuformer.model.vision import ConvolutionalPyramid, EfficientNetPyramid, vision_encoder
from ssuformer.model.yamnet import AUDIOSET_CLASSES


@dataclass(frozen=True, slots=True)
class Features:
    """What the encoders give a family: a pyramid of the picture, and the sound."""

    fine: Float[Tensor, "bt c4 h4 w4"]
    middle: Float[Tensor, "bt c8 h8 w8"]
    grid: Float[Tensor, "bt h w c"]
    """Features at strides 16 and 32 together, at stride 16, and where ear and eye agree."""
    coarsest: Float[Tensor, "bt c32 h32 w32"]
    audio: Float[Tensor, "b t s c"]


@dataclass(frozen=True, slots=True)
class Fused:
    """What a family gives: its answers, and features for region tokens and captions."""

    answers: list[QueryAnswer]
    """One or more, the last one last: training supervises all, serving takes the last."""
    queries: Float[Tensor, "b t q c"]
    details: Float[Tensor, "bt c8 h8 w8"]
    grid: Float[Tensor, "bt h w c"]
    """At stride 16."""
    audio: Float[Tensor, "b t s c"]
    apart: Float[Tensor, "b t q c"] | None = None
    """What AQDL keeps apart; None stands for the queries."""


@dataclass(frozen=True, slots=True)
class Segmented:
    """Output of the segmentation half, and intermediate values for captions and losses."""

    answers: list[QueryAnswer]
    queries: Float[Tensor, "b t q c"]
    apart: Float[Tensor, "b t q c"]
    """What AQDL keeps apart; for training only."""
    levels: tuple[Tensor, Tensor, Tensor]
    around: Float[Tensor, "bt n c"]
    scene: Float[Tensor, "b t c"]
    source: Float[Tensor, "b t c"]
    heard: Float[Tensor, "b t k"]
    """Category logits from the audio alone; for training only."""
    seen: Float[Tensor, "bt k1 y x"]
    """Category logits of every pixel at stride 8, the last one is background; for training only."""


class Clues(NamedTuple):
    """What classifiers hear and see, before the modalities are fused."""

    heard: Float[Tensor, "b t k"]
    """Logits that a category is heard."""
    by_class: Float[Tensor, "b t k"] | None
    """The audio encoder's own logits by category."""
    broad: Float[Tensor, "b t k"] | None
    """The audio encoder's logits of each category's broader classes."""
    cells: Float[Tensor, "bt y x k"] | None
    """The vision encoder's own probabilities by category, at stride 32."""
    seen: Float[Tensor, "bt k1 h w"]
    """Learned logits of every pixel at stride 8, the last one is background."""
    agreement: Float[Tensor, "bt h w 4"]
    """Where something is seen that is heard, from about -1 to 1: learned and by the image
    classifier, each for what is heard and for its broader class."""


class SegmentationOutputs(NamedTuple):
    """The outputs of the segmentation engine, in the contract's order."""

    mask_probability: Float[Tensor, "b t q h w"]
    sounding_probability: Float[Tensor, "b t q"]
    category_logits: Float[Tensor, "b t q k"]
    region_tokens: Float[Tensor, "b t q r c"]
    scene_prompt: Float[Tensor, "b t c"]
    source_prompt: Float[Tensor, "b t c"]
    heard_probability: Float[Tensor, "b t k"] | None = None
    """None unless the config asks for it."""

    def tensors(self) -> tuple[Tensor, ...]:
        """Return the outputs there are, in the contract's order."""
        return tuple(output for output in self if output is not None)


class SoundSourceModel(nn.Module, ABC):
    """Encoders, a family's fusion and mask decoder, mask collaboration and caption decoder."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        c = config.channels
        _, middle, coarse, coarsest = config.vision_widths
        self.vision = vision_encoder(config)
        self.pixel_norm = PixelNorm(self.vision.pixel_mean, self.vision.pixel_std)
        # Published features have a deviation of 3 to 8: what is learned on top expects about one.
        published = isinstance(self.vision, EfficientNetPyramid)
        self.levels = nn.ModuleList(
            nn.BatchNorm2d(width) for width in (config.vision_widths if published else ())
        )
        self.details = (
            ConvolutionalPyramid(config, levels=config.vision_details)
            if config.vision_details
            else None
        )
        self.audio = AudioEncoder(config)
        self.coarse = nn.Conv2d(coarse, c, 1)
        self.coarsest = nn.Conv2d(coarsest, c, 1)
        self.dropout = Dropout(config.dropout)
        self.add_parts(config)
        self.mcm = MaskCollaboration(config)
        self.caption = CaptionDecoder(config)
        self.heard = nn.Linear(c, config.categories)
        self.evidence = None
        self.seen = nn.Conv2d(middle, config.categories + 1, 1)
        if config.audio_classes:
            self.evidence = Evidence(
                config, audio_count=AUDIOSET_CLASSES, image_count=IMAGENET_CLASSES
            )
            self.seen = nn.Conv2d(c, config.categories + 1, 1)
            self.agree = nn.Linear(PLACES, c)

    @abstractmethod
    def add_parts(self, config: ModelConfig) -> None:
        """Add the modules of the family; what decides on sounding and category is in `masks`."""

    @abstractmethod
    def fuse(self, features: Features) -> Fused:
        """Return what sounds where: the family's own part."""

    def looking(self) -> Attention | None:
        """Return the attention with which queries look at the picture last; None without any."""
        return None

    def served(self, answer: QueryAnswer) -> Float[Tensor, "b t q h w"]:
        """Return the mask probabilities to serve."""
        return answer.masks.sigmoid()

    def forward(
        self,
        frames: UInt8[Tensor, "b t h w 3"] | Float[Tensor, "b t h w 3"],
        waveform: Float[Tensor, "b t samples"],
    ) -> SegmentationOutputs:
        """Return the served and evaluated outputs of a clip; frames hold 0..255, of any type."""
        found = self.segment(frames, waveform)
        answer = found.answers[-1]
        masks = self.served(answer)
        return SegmentationOutputs(
            mask_probability=masks,
            sounding_probability=answer.sounding.sigmoid(),
            category_logits=answer.categories,
            region_tokens=self.regions(found, masks),
            scene_prompt=found.scene,
            source_prompt=found.source,
            heard_probability=found.heard.sigmoid() if self.config.heard else None,
        )

    def segment(
        self,
        frames: UInt8[Tensor, "b t h w 3"] | Float[Tensor, "b t h w 3"],
        waveform: Float[Tensor, "b t samples"],
    ) -> Segmented:
        """Segment every frame; height and width are multiples of 32."""
        b = frames.shape[0]
        features, heard, clues = self._encode(frames, waveform)
        fused = self.fuse(features)
        answers = fused.answers
        if self.evidence is not None and clues is not None:
            answers = [self._named(self.evidence, answer, clues) for answer in answers]
        around = halved(fused.grid)
        return Segmented(
            answers=answers,
            queries=fused.queries,
            apart=fused.queries if fused.apart is None else fused.apart,
            levels=(features.fine, fused.details, rearrange(fused.grid, "b h w c -> b c h w")),
            around=around,
            scene=rearrange(around.mean(dim=1), "(b t) c -> b t c", b=b),
            source=fused.audio.mean(dim=2),
            heard=heard,
            seen=self.seen(fused.details) if clues is None else clues.seen,
        )

    def _encode(
        self, frames: Tensor, waveform: Float[Tensor, "b t samples"]
    ) -> tuple[Features, Float[Tensor, "b t k"], Clues | None]:
        """Return the features, the logits that a category is heard, and the clues if any."""
        b = frames.shape[0]
        pixels = self.pixel_norm(frames)
        pyramid = self.vision(pixels)
        levels = list(pyramid)
        if self.levels:
            levels = [norm(level) for norm, level in zip(self.levels, pyramid, strict=True)]
        if self.details is not None:
            for number, learned in enumerate(self.details(pixels)):
                levels[number] = levels[number] + learned
        fine, middle, coarse, coarsest = levels
        sound = self.audio(waveform)
        audio = rearrange(self.dropout(sound.tokens), "(b t) s c -> b t s c", b=b)
        heard = self.heard(audio.mean(dim=2))

        context = F.interpolate(self.coarsest(coarsest), scale_factor=2.0, mode="nearest")
        looked = self.dropout(self.coarse(coarse) + context)
        grid = rearrange(looked, "b c h w -> b h w c")
        clues = None
        if self.evidence is not None:
            clues = self._clues(self.evidence, sound, pyramid[-1], looked, heard)
            heard = clues.heard
            grid = grid + self.agree(clues.agreement.to(grid.dtype))
        return Features(fine, middle, grid, coarsest, audio), heard, clues

    def _clues(
        self,
        evidence: Evidence,
        sound: AudioFeatures,
        coarsest: Float[Tensor, "bt d y x"],
        looked: Float[Tensor, "bt c h w"],
        heard: Float[Tensor, "b t k"],
    ) -> Clues:
        """Return what the encoders' classifiers and the learned ones hear and see."""
        by_class = broad = None
        if sound.classes is not None:
            b, classes = heard.shape[0], sound.classes.float()
            by_class = rearrange(evidence.heard(classes), "(b t) k -> b t k", b=b)
            broad = rearrange(evidence.broad(classes), "(b t) k -> b t k", b=b)
        heard = evidence.presence(heard, by_class)
        audible = [heard.sigmoid().flatten(0, 1)]
        audible.append(audible[0] if broad is None else broad.sigmoid().flatten(0, 1))
        seen = self.seen(looked)
        shown = rearrange(seen.float().softmax(dim=1)[:, :-1], "b k h w -> b h w k")
        shown = shown[..., evidence.looks]
        places = [agreement(loud, shown) for loud in audible]
        cells = None
        if isinstance(self.vision, EfficientNetPyramid):
            cells = evidence.seen(self.vision.classes(coarsest))
            coarse = torch.stack([agreement(loud, cells) for loud in audible], dim=1)
            places += F.interpolate(coarse, scale_factor=2.0).unbind(dim=1)
        else:
            places += [torch.zeros_like(places[0])] * 2
        return Clues(
            heard=heard,
            by_class=by_class,
            broad=broad,
            cells=cells,
            seen=F.interpolate(seen, scale_factor=2.0, mode="nearest"),
            agreement=torch.stack(places, dim=-1),
        )

    def _named(self, evidence: Evidence, answer: QueryAnswer, clues: Clues) -> QueryAnswer:
        masks = answer.masks
        return replace(
            answer,
            categories=evidence.name(
                answer.categories, clues.by_class, clues.broad, clues.cells, masks
            ),
            sounding=evidence.supported(answer.sounding, clues.agreement, masks),
        )

    def regions(
        self, found: Segmented, masks: Float[Tensor, "b t q h w"]
    ) -> Float[Tensor, "b t q r c"]:
        """Return the region tokens under `masks`: predicted ones, or ground truth in training."""
        return self.mcm(masks, found.queries, found.levels, found.around)


def parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(weight.numel() for weight in model.parameters())


def union(answer: QueryAnswer) -> Float[Tensor, "b t h w"]:
    """Return the probability that each pixel belongs to any sound source."""
    probability = answer.masks.sigmoid() * answer.sounding.sigmoid()[..., None, None]
    return 1.0 - torch.prod(1.0 - probability, dim=2)
