"""Audio-visual fusion: self-attention within each modality, cross-attention between them.

Axes: b clips, t frames, h w visual tokens of a frame, s audio tokens of a second, c channels.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ssuformer.model.attention import Attention, FeedForward, TimeBias


def halved(grid: Float[Tensor, "b h w c"]) -> Float[Tensor, "b n c"]:
    """Return the means of 2x2 cells as tokens: a quarter of the keys (as in PVTv2)."""
    upper, lower = rearrange(grid, "b (h two) w c -> b h two w c", two=2).unbind(2)
    left, right = rearrange(upper + lower, "b h (w two) c -> b h w two c", two=2).unbind(3)
    return (0.25 * (left + right)).flatten(1, 2)


class FusionBlock(nn.Module):
    """Self-attention, cross-attention to the other modality, feed-forward (pre-norm)."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.visual_self = Attention(channels, heads)
        self.audio_self = Attention(channels, heads)
        self.visual_cross = Attention(channels, heads)
        self.audio_cross = Attention(channels, heads)
        self.visual_mlp = FeedForward(channels)
        self.audio_mlp = FeedForward(channels)
        self.when = TimeBias(heads)
        self.visual_norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(3))
        self.audio_norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(3))

    def forward(
        self, visual: Float[Tensor, "bt h w c"], audio: Float[Tensor, "b t s c"]
    ) -> tuple[Float[Tensor, "bt h w c"], Float[Tensor, "b t s c"]]:
        """Return both modalities, each informed by the other; audio also by its past and future."""
        b, t, s, _ = audio.shape
        height = visual.shape[1]
        times = torch.arange(t, device=audio.device).repeat_interleave(s)

        sound = rearrange(audio, "b t s c -> b (t s) c")
        sound = sound + self.audio_self(self.audio_norms[0](sound), bias=self.when(times))
        sound = rearrange(sound, "b (t s) c -> (b t) s c", s=s)
        grid = self.visual_norms[0](visual)
        sight = visual.flatten(1, 2) + self.visual_self(grid.flatten(1, 2), halved(grid))

        heard, seen = self.audio_norms[1](sound), self.visual_norms[1](sight)
        around = halved(rearrange(seen, "b (h w) c -> b h w c", h=height))
        sight = sight + self.visual_cross.ask_few(seen, heard)
        sound = sound + self.audio_cross.few_ask(heard, around)

        sight = sight + self.visual_mlp(self.visual_norms[2](sight))
        sound = sound + self.audio_mlp(self.audio_norms[2](sound))
        return (
            rearrange(sight, "b (h w) c -> b h w c", h=height),
            rearrange(sound, "(b t) s c -> b t s c", b=b),
        )
