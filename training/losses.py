"""The training losses and their weighted sum.

Axes: b clips, t frames, q queries, s sources, k categories, y x mask pixels, n matched frames or
described regions, l caption tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from einops import rearrange
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from ssuformer.model.caption import Regions
from ssuformer.model.segmentation import QueryAnswer
from ssuformer.model.sound_source_model import Segmented, SoundSourceModel, union
from ssuformer.tokenizer import BEGIN, PAD
from training.batch import Batch
from training.joint import BACKGROUND, Shares, total
from training.matching import match


class LossWeights(BaseModel):
    """The weight of each loss."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sounding: float = 4.0
    category: float = 1.0
    mask: float = 3.0
    dice: float = 2.0
    union: float = 1.0
    heard: float = 3.0
    """Categories that sound, predicted from the audio alone."""
    seen: float = 1.0
    """The category of every pixel, predicted from the picture alone, silent objects included."""
    caption: float = 1.0
    balance: float = 0.01
    focus: float = Field(default=0.0, ge=0)
    """Exponent of the focal loss in `sounding` (TransAVS, after RetinaNet: 2); 0: cross-entropy."""
    queries_apart: float = 0.0
    """AQDL of TransAVS: sounding queries keep their distance."""
    masks_apart: float = 0.0
    """AQML of TransAVS: masks of sounding queries do not overlap."""


@dataclass(frozen=True, slots=True)
class Matches:
    """Matched queries and sources as index vectors over the whole batch."""

    clip: Int[Tensor, " n"]
    query: Int[Tensor, " n"]
    source: Int[Tensor, " n"]


def find_matches(answer: QueryAnswer, batch: Batch) -> Matches:
    """Assign a query to every source that sounds at least once."""
    clips, queries, sources = [], [], []
    ever = batch.present & (batch.sounding.sum(dim=-1) > 0)
    for b in range(len(batch.frames)):
        chosen = ever[b].nonzero().flatten()
        if not len(chosen):
            continue
        rows, columns = match(
            answer.masks[b].flatten(-2), answer.sounding[b], answer.categories[b],
            batch.masks[b, chosen].flatten(-2), batch.sounding[b, chosen],
            batch.categories[b, chosen],
        )  # fmt: skip
        clips += [b] * len(rows)
        queries += rows
        sources += chosen[columns].tolist()
    device = batch.frames.device
    return Matches(
        *(torch.tensor(x, dtype=torch.int64, device=device) for x in (clips, queries, sources))
    )


def dice_loss(
    probability: Float[Tensor, "n y x"], truth: Float[Tensor, "n y x"]
) -> Float[Tensor, " n"]:
    """Return 1 - Dice, smoothed by one pixel."""
    overlap = (probability * truth).sum(dim=(-2, -1))
    total = probability.sum(dim=(-2, -1)) + truth.sum(dim=(-2, -1))
    return 1.0 - (2.0 * overlap + 1.0) / (total + 1.0)


def focal_loss(
    logits: Float[Tensor, "*n"], truth: Float[Tensor, "*n"], exponent: float
) -> Float[Tensor, ""]:
    """Return the cross-entropy, in which an answer of probability p counts `(1 - p)^exponent`."""
    if not exponent:
        return F.binary_cross_entropy_with_logits(logits, truth)
    each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return ((1.0 - torch.exp(-each)) ** exponent * each).mean()


def in_float32(found: Segmented) -> Segmented:
    """Return the inputs of the losses in float32, whatever precision the model uses."""
    answers = [
        QueryAnswer(answer.masks.float(), answer.sounding.float(), answer.categories.float())
        for answer in found.answers
    ]
    return replace(
        found,
        answers=answers,
        queries=found.queries.float(),
        apart=found.apart.float(),
        heard=found.heard.float(),
        seen=found.seen.float(),
    )


class TrainingLoss(nn.Module):
    """The model and its losses as one module, so that they can be distributed together."""

    def __init__(self, model: SoundSourceModel, weights: LossWeights) -> None:
        super().__init__()
        self.model = model
        self.weights = weights

    def forward(
        self, batch: Batch, shares: Shares, progress: float = 0.0
    ) -> dict[str, Float[Tensor, ""]]:
        """Return the weighted losses and their `total`.

        Of a part of a batch these are its shares of the whole's; `progress` is the share of the
        schedule that is over. The model runs under autocast, the losses are float32.
        """
        found = in_float32(self.model.segment(batch.frames, batch.waveform))
        with torch.autocast(batch.frames.device.type, enabled=False):
            matches = find_matches(found.answers[-1], batch)
            losses = self._segmentation(found, matches, batch, shares)
            apart = self._apart(found, found.answers[-1], progress, shares)
        if self.weights.caption or self.weights.balance:
            losses |= self._caption(found, matches, batch, shares)
        losses |= apart
        weighted = {
            name: getattr(self.weights, name) * loss
            for name, loss in losses.items()
            if getattr(self.weights, name)
        }
        return weighted | {"total": torch.stack(list(weighted.values())).sum()}

    def _segmentation(
        self, found: Segmented, matches: Matches, batch: Batch, shares: Shares
    ) -> dict[str, Tensor]:
        losses = self._aside(found, batch, shares)
        for answer in found.answers:
            for name, loss in self._answer(answer, matches, batch, shares).items():
                losses[name] = losses.get(name, 0.0) + loss / len(found.answers)
        return losses

    def _answer(
        self, answer: QueryAnswer, matches: Matches, batch: Batch, shares: Shares
    ) -> dict[str, Float[Tensor, ""]]:
        target = torch.zeros_like(answer.sounding)
        target[matches.clip, :, matches.query] = batch.sounding[matches.clip, matches.source]
        audible = batch.sounding[matches.clip, matches.source].bool()
        logits = answer.masks[matches.clip, :, matches.query][audible]
        truth = batch.masks[matches.clip, matches.source][audible]
        said = answer.categories[matches.clip, :, matches.query][audible]
        named = batch.categories[matches.clip, matches.source][:, None].expand_as(audible)[audible]
        count = shares.audible
        whole = (batch.masks * batch.sounding[..., None, None]).sum(dim=1).clamp(max=1.0)
        together = union(answer).clamp(1e-5, 1.0 - 1e-5)
        either = dice_loss(together.flatten(0, 1), whole.flatten(0, 1)).mean()
        return {
            "sounding": focal_loss(answer.sounding, target, self.weights.focus) / shares.parts,
            "category": F.cross_entropy(said, named, reduction="sum") / count,
            "mask": F.binary_cross_entropy_with_logits(logits, truth, reduction="sum")
            / (count * truth[0].numel() if len(truth) else 1),
            "dice": dice_loss(logits.sigmoid(), truth).sum() / count,
            "union": (either + F.binary_cross_entropy(together, whole)) / shares.parts,
        }

    def _aside(self, found: Segmented, batch: Batch, shares: Shares) -> dict[str, Tensor]:
        background = torch.ones(found.seen.shape[1], device=found.seen.device)
        background[-1] = BACKGROUND
        heard = F.binary_cross_entropy_with_logits(found.heard, batch.heard)
        seen = found.seen
        labels = rearrange(batch.labels, "b t y x -> (b t) y x")
        return {
            "heard": 8 * heard / shares.parts,
            "seen": F.cross_entropy(seen, labels, background, reduction="sum") / shares.pixels,
        }

    def _caption(
        self, found: Segmented, matches: Matches, batch: Batch, shares: Shares
    ) -> dict[str, Tensor]:
        row, frame = shares.described[matches.clip, matches.source].nonzero(as_tuple=True)
        masks = found.answers[-1].masks.sigmoid()
        truly = shares.truly[matches.clip, matches.source]
        clip, query, source = (x[truly] for x in (matches.clip, matches.query, matches.source))
        masks = masks.clone()
        masks[clip, :, query] = batch.masks[clip, source]
        tokens = self.model.regions(found, masks)
        clip = matches.clip[row]
        regions = Regions(
            tokens[clip, frame, matches.query[row]],
            found.scene[clip, frame],
            found.source[clip, frame],
        )
        target = batch.tokens[clip, matches.source[row], frame][:, : shares.length]
        loss, usage = tokens.float().sum() * 0.0, None
        if len(target):
            given = torch.cat([torch.full_like(target[:, :1], BEGIN), target[:, :-1]], dim=1)
            logits, usage = self.model.caption(regions, given)
            said = rearrange(logits.float(), "n l v -> (n l) v")
            loss = F.cross_entropy(said, target.flatten(), ignore_index=PAD, reduction="sum")
        return {"caption": loss / shares.words, "balance": self._balance(usage, shares)}

    def _balance(self, usage: Float[Tensor, "i 2 e"] | None, shares: Shares) -> Float[Tensor, ""]:
        """Return `E sum_e f_e P_e`, 1 when balanced: a mean over the layers of the captions.

        f is how often an expert was taken by what all processes compute now, P its mean share.
        """
        if usage is None:
            usage = self.model.caption.unused()
        counted = total(usage[:, 0].float())
        tokens = counted.sum(dim=1, keepdim=True).clamp(min=1.0)
        share = usage[:, 1].float() / max(shares.regions * shares.length, 1)
        return usage.shape[-1] * (counted / tokens * share).sum(dim=1).mean()

    def _apart(
        self, found: Segmented, answer: QueryAnswer, progress: float, shares: Shares
    ) -> dict[str, Tensor]:
        if not (self.weights.queries_apart or self.weights.masks_apart):
            return {}
        sounding, least = answer.sounding.sigmoid().flatten(0, 1), least_sounding(progress)
        masks = answer.masks.sigmoid().flatten(0, 1)
        return {
            "queries_apart": queries_apart(found.apart.flatten(0, 1), sounding, least=least)
            / shares.parts,
            "masks_apart": masks_apart(masks, sounding, least=least) / shares.parts,
        }


def least_sounding(progress: float) -> float:
    """Return delta of TransAVS (18): 0.55 to 0.65 in 18 steps, 5,000 of its 90,000 iterations each.

    `progress` is the share of the schedule that is over.
    """
    return 0.55 + 0.10 / 18 * math.floor(18 * progress)


def _pairs(sounding: Float[Tensor, "b q"], least: float) -> Float[Tensor, "b q q"]:
    """Return 2 / (n (n + 1)) for every pair of queries that both sound, 0 for the others."""
    active = (sounding > least).float()
    count = active.sum(dim=-1)
    pair = (active[:, :, None] * active[:, None, :]).triu(1)
    return pair * (2.0 / (count * (count + 1)).clamp(min=1.0))[:, None, None]


def queries_apart(
    queries: Float[Tensor, "b q c"],
    sounding: Float[Tensor, "b q"],
    *,
    near: float = 1.0,
    least: float = 0.55,
) -> Float[Tensor, ""]:
    """Return AQDL (TransAVS, 9 and 10): inverse squared distances of sounding queries.

    Queries count if they are nearer than `near`. The distance is taken per channel; TransAVS leaves
    its limit d0 open. Its h is part of the model, which gives h(q) as `queries`.
    """
    square = (queries[:, :, None] - queries[:, None, :]).square().mean(dim=-1)
    close = torch.where(square < near, 1.0 / square.clamp(min=1e-2), 0.0)
    return (close * _pairs(sounding, least)).sum(dim=(-2, -1)).mean()


def masks_apart(
    masks: Float[Tensor, "b q y x"], sounding: Float[Tensor, "b q"], *, least: float = 0.55
) -> Float[Tensor, ""]:
    """Return AQML (TransAVS, 11 and 12): how much the masks of sounding queries overlap."""
    flat = masks.flatten(-2)
    hard = (flat > 0.5).float()
    overlap = (hard @ flat.transpose(1, 2) + flat @ hard.transpose(1, 2)) / (2 * flat.shape[-1])
    return (overlap * _pairs(sounding, least)).sum(dim=(-2, -1)).mean()
