"""TPAVI: the baseline of AVSBench (Zhou et al., "Audio-Visual Segmentation", ECCV 2022).

Dilated convolutions and audio-visual attention on each of four scales, then an FPN.

Taken from its description: the four dilations, the non-local block over all frames with dot
products over their number, a batch norm that begins at zero, the layer norm after the residual, and
one fusion per scale. Open or chosen here: all widths are the config's `channels` (256 there);
fusions use this project's residual block; the fusion to stride 2 is left out, as the contract's
masks are at stride 4; the audio of a frame is the mean of its tokens; queries are those of
`DenseHead`. Its audio-visual loss for several sources is left out.

Axes: b clips, t frames, h w pixels of a scale, c channels, e half as many.
"""

from __future__ import annotations

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ssuformer.model.config import ModelConfig
from ssuformer.model.family.heads import DenseHead
from ssuformer.model.sound_source_model import Features, Fused, SoundSourceModel
from ssuformer.model.vision import ResidualBlock

DILATIONS = (3, 6, 12, 18)


class DilatedConvolutions(nn.Module):
    """The sum of four 3x3 convolutions that see near and far."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, padding=rate, dilation=rate) for rate in DILATIONS
        )

    def forward(self, x: Float[Tensor, "bt d h w"]) -> Float[Tensor, "bt c h w"]:
        """Return the summed features.

        With channels first: in bfloat16 with channels last, oneDNN writes the gradients of dilated
        convolutions past their end (torch 2.13; the result is NaN, or the process dies).
        """
        x = x.contiguous()
        seen = []
        for rate, branch in zip(DILATIONS, self.branches, strict=True):
            weight, bias = map(branch.get_parameter, ("weight", "bias"))
            seen.append(F.conv2d(x, weight.contiguous(), bias, padding=rate, dilation=rate))
        return torch.stack(seen).sum(dim=0)


class AudioVisualAttention(nn.Module):
    """Temporal pixel-wise audio-visual interaction: a non-local block over a clip's pixels.

    `Z = V + norm(out(A g(V)))` with `A = theta(V) phi(audio)^T / (t h w)`: the similarity of every
    pixel with the audio that every other pixel, of any frame, is heard with.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.hear = nn.Linear(channels, channels)
        self.theta = nn.Linear(channels, inner)
        self.phi = nn.Linear(channels, inner)
        self.g = nn.Linear(channels, inner)
        self.out = nn.Conv2d(inner, channels, 1)
        self.begin = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.begin.weight)
        self.norm = nn.LayerNorm(channels)

    def forward(
        self, visual: Float[Tensor, "bt c h w"], audio: Float[Tensor, "b t c"]
    ) -> Float[Tensor, "bt c h w"]:
        """Return the pixels, each with what is seen where the sound is alike."""
        b, h = audio.shape[0], visual.shape[-2]
        pixels = rearrange(visual, "(b t) c h w -> b t (h w) c", b=b)
        found = attended(self.theta(pixels), self.phi(self.hear(audio)), self.g(pixels))
        found = rearrange(found, "b t (h w) e -> (b t) e h w", h=h)
        x = visual + self.begin(self.out(found))
        return rearrange(self.norm(rearrange(x, "bt c h w -> bt h w c")), "bt h w c -> bt c h w")


def attended(
    theta: Float[Tensor, "b t n e"], phi: Float[Tensor, "b t e"], g: Float[Tensor, "b t n e"]
) -> Float[Tensor, "b t n e"]:
    """Return `theta phi^T g / (t n)` over all pixels of a clip, `phi` being one vector per frame.

    Nothing lies between the products, and `phi` is the same for a frame's pixels. So the sum over
    the t n keys is a small matrix, `sum_t phi_t (sum_n g_tn)^T`, without the map of (t n)^2.
    """
    keys = torch.einsum("bte,btf->bef", phi, g.sum(dim=2)) / (theta.shape[1] * theta.shape[2])
    return theta @ keys.unsqueeze(1)


class Tpavi(SoundSourceModel):
    """Convolutions, attention to sound on every scale, and a top-down pyramid."""

    def add_parts(self, config: ModelConfig) -> None:
        """Add convolutions and attention per scale, the pyramid and the head."""
        c = config.channels
        fine, middle, _, coarsest = config.vision_widths
        widths = (coarsest, c, middle, fine)
        self.dilated = nn.ModuleList(DilatedConvolutions(width, c) for width in widths)
        self.attention = nn.ModuleList(AudioVisualAttention(c) for _ in widths)
        self.skips = nn.ModuleList(ResidualBlock(c, c, 1) for _ in widths[1:])
        self.refine = nn.ModuleList(ResidualBlock(c, c, 1) for _ in widths)
        self.smooth = nn.Conv2d(c, c // 2, 3, padding=1)
        self.describe = nn.Conv2d(c, middle, 1)
        self.masks = DenseHead(config, c // 2)

    def fuse(self, features: Features) -> Fused:
        """Return one answer, from the finest level of the pyramid."""
        audio = reduce(features.audio, "b t s c -> b t c", "mean")
        grid = rearrange(features.grid, "bt h w c -> bt c h w")
        levels = (features.coarsest, grid, features.middle, features.fine)
        scales = [
            attend(convolve(level), audio)
            for level, convolve, attend in zip(levels, self.dilated, self.attention, strict=True)
        ]
        pyramid = [self.refine[0](scales[0])]
        for scale, skip, refine in zip(scales[1:], self.skips, self.refine[1:], strict=True):
            above = F.interpolate(pyramid[-1], scale_factor=2.0, mode="bilinear")
            pyramid.append(refine(above + skip(scale)))
        _, coarse, middle, fine = pyramid
        queries, answer = self.masks(F.relu(self.smooth(fine)), features.audio)
        return Fused(
            [answer],
            queries,
            self.describe(middle),
            rearrange(coarse, "bt c h w -> bt h w c"),
            features.audio,
        )
