"""What is decided over a whole batch, so that computing it in parts gives the same gradients.

A batch is split into equal parts over processes, and in each process over steps of accumulation.
The losses of all parts add up to the loss of the whole: every mean is divided by the whole's count,
and every draw is made for the whole. Exceptions: with accumulation, BatchNorm and the frequencies
in the balance loss are of what is computed at the same time.

Axes: b clips of a part, k parts of a process, w processes, s sources, t frames, l caption tokens.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from ssuformer.tokenizer import PAD
from training.batch import Batch

REGIONS_PER_CLIP = 2
"""Regions that are described in training, on average."""

BACKGROUND = 0.3
"""Weight of a pixel that shows no object."""

PATIENCE = timedelta(hours=1)
"""How long processes wait for each other: the first one validates alone."""


@dataclass(frozen=True, slots=True)
class Shares:
    """A part's share of what is decided over the whole batch."""

    described: Bool[Tensor, "b s t"]
    """Regions whose sentences are learned."""
    truly: Bool[Tensor, "b s"]
    """Sources that are described under their true masks, not the predicted ones."""
    parts: int
    """Parts of the whole batch."""
    audible: float
    """Sounding sources in all frames of the whole batch, at least 1."""
    pixels: float
    """Sum of the weights of all labels."""
    regions: int
    """Described regions."""
    words: float
    """Tokens of their sentences, at least 1."""
    length: int
    """Tokens of the longest of them."""


def world() -> tuple[int, int]:
    """Return the number of this process, and how many there are."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def started() -> int:
    """Return how many processes torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first_of_started() -> bool:
    """Return whether this is the first of the processes that torchrun started, or the only one."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def processes(device: torch.device) -> Iterator[tuple[int, int]]:
    """Join the processes that torchrun started, for the duration of the block; see `world`."""
    if started() == 1 or dist.is_initialized():
        yield world()
        return
    on_cpu = device.type == "cpu"
    dist.init_process_group(
        "gloo" if on_cpu else None, timeout=PATIENCE, device_id=None if on_cpu else device
    )
    try:
        yield world()
    finally:
        dist.destroy_process_group()


def total(numbers: Tensor) -> Tensor:
    """Return the sum over all processes; without a gradient."""
    numbers = numbers.detach().clone()
    if world()[1] > 1:
        dist.all_reduce(numbers)
    return numbers


def _summed(numbers: Tensor) -> Tensor:
    """Return the sum over all processes, with its gradient."""
    summed: Tensor = all_reduce(numbers)  # type: ignore[no-untyped-call]
    return summed


def share(batches: Sequence[Batch], *, truth_share: float, seed: int) -> list[Shares]:
    """Return the shares of a process's parts of one batch, in order.

    Of all regions that sound and have a sentence, some are chosen to be described. `truth_share` of
    the sources are described under their true masks.
    """
    rank, count = world()
    own = torch.stack([_facts(batch) for batch in batches])
    every = [torch.empty_like(own) for _ in range(count)]
    if count > 1:
        dist.all_gather(every, own)
    joint = torch.stack(every if count > 1 else [own])
    clips = rearrange(joint, "w k b f -> (k w b) f").cpu()
    b, s, t = batches[0].sounding.shape
    pixels, audible, lengths = clips.tensor_split([1, 1 + s * t], dim=1)
    drawn = torch.Generator().manual_seed(seed)
    order = torch.rand(audible.shape, generator=drawn)
    truly = torch.rand((len(clips), s), generator=drawn) < truth_share
    order = torch.where((audible > 0) & (lengths > 0), order, 2.0).flatten()
    first = order.argsort()[: REGIONS_PER_CLIP * len(clips)]
    described = torch.zeros_like(order, dtype=torch.bool)
    described[first] = order[first] < 1.0
    described = described.view_as(audible)
    said = lengths[described]
    device = batches[0].frames.device
    return [
        Shares(
            described=described[at : at + b].view(b, s, t).to(device),
            truly=truly[at : at + b].to(device),
            parts=count * len(batches),
            audible=max(float(audible.sum()), 1.0),
            pixels=float(pixels.double().sum()),
            regions=len(said),
            words=max(float(said.sum()), 1.0),
            length=int(said.max()) if len(said) else 0,
        )
        for at in ((number * count + rank) * b for number in range(len(batches)))
    ]


def _facts(batch: Batch) -> Float[Tensor, "b f"]:
    """Return, for every clip, the weight of its labels, and what sounds and what is said where."""
    labels = batch.labels.flatten(1)
    background = labels == batch.heard.shape[-1]
    weight = torch.where(background, BACKGROUND, 1.0).sum(dim=1, keepdim=True)
    audible = batch.sounding * batch.present[..., None]
    lengths = (batch.tokens != PAD).sum(dim=-1).float()
    return torch.cat([weight, audible.flatten(1), lengths.flatten(1)], dim=1)


class JointBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm with the statistics of all processes, on any device.

    torch's own (SyncBatchNorm) is for accelerators alone.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the normalised features."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        count = x.numel() // x.shape[1] * world()[1]
        mean = _summed(x.sum(dim=(0, 2, 3))) / count
        x = x - mean[:, None, None]
        variance = _summed(x.square().sum(dim=(0, 2, 3))) / count
        if self.track_running_stats:
            self._remember(mean.detach(), variance.detach() * count / max(count - 1, 1))
        scale = self.weight * (variance + self.eps).rsqrt()
        return (x * scale[:, None, None] + self.bias[:, None, None]).to(input.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        for running, now in ((self.running_mean, mean), (self.running_var, variance)):
            if running is not None:
                running.lerp_(now, self.momentum or 0.0)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


def join_norms(model: nn.Module) -> None:
    """Make every BatchNorm of a model one of all processes; its weights stay the same tensors."""
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = JointBatchNorm2d
