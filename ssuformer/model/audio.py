"""Audio encoders: one second of log-mel to a few tokens.

Axes: b seconds, f mel bands, s spectrogram steps, n tokens, c channels.
"""

from __future__ import annotations

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ssuformer.model.config import ModelConfig


def _stage(inputs: int, outputs: int, stride: int = 2) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class SmallAudio(nn.Module):
    """Five strided convolutions; about 20 million multiplications per second of audio."""

    widths = (16, 32, 64, 128, 192)

    def __init__(self) -> None:
        super().__init__()
        inputs = (1, *self.widths[:-1])
        self.stages = nn.Sequential(
            *(_stage(narrow, wide) for narrow, wide in zip(inputs, self.widths, strict=True)),
            _stage(self.widths[-1], self.widths[-1], stride=1),
        )

    def forward(self, spectrogram: Float[Tensor, "b 1 f s"]) -> Float[Tensor, "b c y x"]:
        """Return features 1/32 as long in frequency and time."""
        return self.stages(spectrogram)


class VggishAudio(nn.Module):
    """The convolutions of VGGish: 64, 128, 256, 256, 512, 512 with pooling between."""

    widths = (64, 128, 256, 512, 512)

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.Sequential(
            _stage(1, 64, 1), nn.MaxPool2d(2),
            _stage(64, 128, 1), nn.MaxPool2d(2),
            _stage(128, 256, 1), _stage(256, 256, 1), nn.MaxPool2d(2),
            _stage(256, 512, 1), _stage(512, 512, 1), nn.MaxPool2d(2),
        )  # fmt: skip

    def forward(self, spectrogram: Float[Tensor, "b 1 f s"]) -> Float[Tensor, "b c y x"]:
        """Return features 1/16 as long in frequency and time."""
        return self.stages(spectrogram)


ENCODERS: dict[str, type[SmallAudio | VggishAudio]] = {"small": SmallAudio, "vggish": VggishAudio}
"""By the name that `ModelConfig.audio` gives."""


class AudioEncoder(nn.Module):
    """Log-mel to `audio_tokens` tokens: each attends to the whole second with learned weights."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.convolutions = ENCODERS[config.audio]()
        width = self.convolutions.widths[-1]
        self.scores = nn.Conv2d(width, config.audio_tokens, 1)
        self.project = nn.Linear(width, config.channels)
        self.norm = nn.LayerNorm(config.channels)

    def forward(self, spectrogram: Float[Tensor, "b 1 f s"]) -> Float[Tensor, "b n c"]:
        """Return the audio tokens of every second."""
        features = self.convolutions(spectrogram)
        weights = rearrange(self.scores(features), "b n y x -> b n (y x)").softmax(dim=-1)
        tokens = weights @ rearrange(features, "b c y x -> b (y x) c")
        return self.norm(self.project(tokens))
