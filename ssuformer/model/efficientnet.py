"""EfficientNet-Lite: a convolutional image encoder with published ImageNet weights.

After Tan and Le, "EfficientNet" (ICML 2019), in its Lite form: no squeeze-and-excitation, ReLU6.
The layers follow the published weights: TensorFlow's "same" padding, batch norm with epsilon 1e-3.

Axes: b frames, c channels, h w pixels, k ImageNet classes.
"""

from __future__ import annotations

from typing import NamedTuple, cast

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-3
STEM = 32
HEAD = 1280
IMAGENET_CLASSES = 1000


class StageShape(NamedTuple):
    """The blocks of a stage: how many, and the shape of each."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    StageShape(1, 3, 1, 1, 16),
    StageShape(2, 3, 2, 6, 24),
    StageShape(2, 5, 2, 6, 40),
    StageShape(3, 3, 2, 6, 80),
    StageShape(3, 5, 1, 6, 112),
    StageShape(4, 5, 2, 6, 192),
    StageShape(1, 3, 1, 6, 320),
)
"""The stages of Lite0."""

PYRAMID_STAGES = (1, 2, 4, 6)
"""Last stages at strides 4, 8, 16 and 32."""

WIDTHS = (24, 40, 112, 320)
"""Channels of the pyramid."""


class SamePadding(nn.Module):
    """Padding as TensorFlow pads a convolution of an even-sized picture."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        total = kernel - stride
        self.sides = (total // 2, total - total // 2) * 2

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c y x"]:
        """Return the padded picture."""
        return F.pad(x, self.sides)


def convolution(
    inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, *, act: bool
) -> nn.Sequential:
    """Return a convolution with batch norm, and with ReLU6 if `act`."""
    padding = 0 if stride > 1 else kernel // 2
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=EPSILON),
    ]
    before = [SamePadding(kernel, stride)] if stride > 1 else []
    return nn.Sequential(*before, *layers, *([nn.ReLU6()] if act else []))


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, projection (MobileNetV2), with a shortcut if it fits."""

    def __init__(self, inputs: int, shape: StageShape, stride: int) -> None:
        super().__init__()
        wide = inputs * shape.expansion
        expand = [convolution(inputs, wide, act=True)] if shape.expansion > 1 else []
        self.layers = nn.Sequential(
            *expand,
            convolution(wide, wide, shape.kernel, stride, groups=wide, act=True),
            convolution(wide, shape.channels, act=False),
        )
        self.shortcut = stride == 1 and inputs == shape.channels

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d y x"]:
        """Return the block's features."""
        found = cast(Tensor, self.layers(x))
        return x + found if self.shortcut else found


class EfficientNetLite0(nn.Module):
    """The trunk as a feature pyramid, and ImageNet's classifier for every cell at stride 32."""

    pixel_mean = (127.0, 127.0, 127.0)
    pixel_std = (128.0, 128.0, 128.0)

    def __init__(self) -> None:
        super().__init__()
        self.stem = convolution(3, STEM, 3, 2, act=True)
        inputs = (STEM, *(shape.channels for shape in STAGES[:-1]))
        self.stages = nn.ModuleList(
            nn.Sequential(
                InvertedResidual(before, shape, shape.stride),
                *(InvertedResidual(shape.channels, shape, 1) for _ in range(shape.repeats - 1)),
            )
            for before, shape in zip(inputs, STAGES, strict=True)
        )
        self.head = convolution(STAGES[-1].channels, HEAD, act=True)
        self.classifier = nn.Linear(HEAD, IMAGENET_CLASSES)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the features at strides 4, 8, 16 and 32."""
        x = self.stem(x)
        levels = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in PYRAMID_STAGES:
                levels.append(x)
        fine, middle, coarse, coarsest = levels
        return fine, middle, coarse, coarsest

    def classes(self, coarsest: Float[Tensor, "b c y x"]) -> Float[Tensor, "b y x k"]:
        """Return ImageNet's logits for every cell of the features at stride 32."""
        return cast(Tensor, self.classifier(self.head(coarsest).permute(0, 2, 3, 1)))
