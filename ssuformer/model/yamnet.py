"""YAMNet: an audio encoder with published AudioSet weights.

After Plakal and Ellis, "YAMNet" (TensorFlow Model Garden, 2019): MobileNetV1 over log-mel patches
of 0.96 s, with a classifier of 521 AudioSet classes. Batch norm is folded into the convolutions.

Axes: b seconds, s spectrogram steps, f mel bands, c channels, k AudioSet classes.
"""

from __future__ import annotations

from typing import cast

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

STEM = 32
LAYERS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
"""Channels and stride of each separable convolution."""

WIDTH = 1024
AUDIOSET_CLASSES = 521
PATCH_STEPS = 96
"""Steps of 10 ms in a patch; the last two of a second are left out."""


class Convolution(nn.Module):
    """A convolution with TensorFlow's padding, its bias (batch norm folded) and ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        total = kernel - stride if stride > 1 else kernel - 1
        self.sides = (total // 2, total - total // 2) * 2
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d y x"]:
        """Return the features."""
        return F.relu(self.convolution(F.pad(x, self.sides) if any(self.sides) else x))


class Yamnet(nn.Module):
    """The convolutions of YAMNet, and its classifier."""

    widths = (WIDTH,)

    def __init__(self) -> None:
        super().__init__()
        layers = [Convolution(1, STEM, 3, 2)]
        inputs = STEM
        for outputs, stride in LAYERS:
            layers.append(Convolution(inputs, inputs, 3, stride, groups=inputs))
            layers.append(Convolution(inputs, outputs, 1))
            inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(WIDTH, AUDIOSET_CLASSES)

    def forward(self, spectrogram: Float[Tensor, "b 1 f s"]) -> Float[Tensor, "b c y x"]:
        """Return features 1/32 as long in time (y, 3) and frequency (x, 2)."""
        patch = spectrogram[..., :PATCH_STEPS].transpose(2, 3)
        return cast(Tensor, self.layers(patch))

    def classes(self, features: Float[Tensor, "b c y x"]) -> Float[Tensor, "b k"]:
        """Return the logits of AudioSet's classes; their sigmoids are YAMNet's scores."""
        return cast(Tensor, self.classifier(features.mean(dim=(2, 3))))
