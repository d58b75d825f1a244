"""Vision encoders: frames to a pyramid of features at strides 4, 8, 16 and 32.

Axes: b frames, c channels, h w pixels.
"""

from __future__ import annotations

from typing import Any, cast

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ssuformer.errors import ConfigError
from ssuformer.model.config import ModelConfig
from ssuformer.model.efficientnet import WIDTHS, EfficientNetLite0

Pyramid = tuple[Tensor, Tensor, Tensor, Tensor]

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
"""Mean and standard deviation of ImageNet's pixels, 0..255."""


def _convolution(
    inputs: int, outputs: int, size: int, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    padding = size // 2 * dilation
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(outputs),
    )


class ResidualBlock(nn.Module):
    """Two dense 3x3 convolutions beside a shortcut (ResNet's basic block).

    Dense, not depthwise: on a CPU, training through depthwise layers was measured ten times slower.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, dilation: int = 1) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, 3, stride)
        self.second = _convolution(outputs, outputs, 3, dilation=dilation)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _convolution(inputs, outputs, 1, stride)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d y x"]:
        """Return the block's features."""
        return F.relu(self.shortcut(x) + self.second(F.relu(self.first(x))))


class ConvolutionalPyramid(nn.Module):
    """A small residual pyramid for training from scratch and running on a CPU."""

    pixel_mean, pixel_std = IMAGENET_MEAN, IMAGENET_STD

    def __init__(self, config: ModelConfig, *, levels: int = 4, stem: int = 16) -> None:
        super().__init__()
        self.stem = nn.Sequential(_convolution(3, stem, 3, 2), nn.ReLU())
        widths, depths = config.vision_widths[:levels], config.vision_depths[:levels]
        self.stages = nn.ModuleList(
            nn.Sequential(
                ResidualBlock(narrow, wide, 2),
                *(ResidualBlock(wide, wide, 1) for _ in range(depth - 1)),
            )
            for narrow, wide, depth in zip((stem, *widths[:-1]), widths, depths, strict=True)
        )

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, ...]:
        """Return the features at strides 4, 8, 16 and 32, or at the first `levels` of these."""
        x = self.stem(x)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return tuple(levels)


class PvtPyramid(nn.Module):
    """PVTv2 through transformers, so that published weights load by name or from a folder."""

    pixel_mean, pixel_std = IMAGENET_MEAN, IMAGENET_STD

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        from transformers import PvtV2Backbone, PvtV2Config

        stages = ["stage1", "stage2", "stage3", "stage4"]
        if config.vision_weights is not None:
            self.backbone = _pretrained(PvtV2Backbone, config.vision_weights, stages)
        else:
            sizes = PvtV2Config(
                hidden_sizes=list(config.vision_widths), depths=list(config.vision_depths)
            )
            sizes.out_features = stages
            self.backbone = PvtV2Backbone(sizes)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Pyramid:
        """Return the features at strides 4, 8, 16 and 32."""
        return cast(Pyramid, tuple(self.backbone(x).feature_maps))


def _pretrained(kind: Any, weights: str, stages: list[str]) -> nn.Module:  # noqa: ANN401
    try:
        backbone: nn.Module = kind.from_pretrained(weights, out_features=stages)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"vision_weights {weights!r} cannot be loaded: give a folder with config.json "
            f"and the weights, or the name of a published model ({error})"
        ) from error
    return backbone


class EfficientNetPyramid(EfficientNetLite0):
    """EfficientNet-Lite0, whose shape is fixed."""

    def __init__(self, config: ModelConfig) -> None:
        if config.vision_widths != WIDTHS:
            raise ConfigError(f"vision_widths of {config.vision} must be {WIDTHS}")
        super().__init__()


ENCODERS: dict[str, type[ConvolutionalPyramid | PvtPyramid | EfficientNetPyramid]] = {
    "convolutional": ConvolutionalPyramid,
    "pvt_v2": PvtPyramid,
    "efficientnet_lite0": EfficientNetPyramid,
}
"""By the name that `ModelConfig.vision` gives. Each says how pixels are normalised."""


def vision_encoder(
    config: ModelConfig,
) -> ConvolutionalPyramid | PvtPyramid | EfficientNetPyramid:
    """Return the encoder that `config` names."""
    return ENCODERS[config.vision](config)
