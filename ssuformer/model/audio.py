"""Audio encoders: one second of sound to a few tokens.

Axes: b clips or seconds, t seconds, f mel bands, s spectrogram steps, n tokens, c channels,
k classes.
"""

from __future__ import annotations

from typing import NamedTuple

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ssuformer.model.config import ModelConfig
from ssuformer.model.frontend import SMALL_MEL, YAMNET_MEL, LogMel, Loudness
from ssuformer.model.yamnet import Yamnet


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


ENCODERS: dict[str, type[SmallAudio | VggishAudio | Yamnet]] = {
    "small": SmallAudio,
    "vggish": VggishAudio,
    "yamnet": Yamnet,
}
"""By the name that `ModelConfig.audio` gives."""

SPECTROGRAMS = {"yamnet": YAMNET_MEL}
"""Spectrograms that published weights need; the others take `SMALL_MEL`."""


class AudioFeatures(NamedTuple):
    """Output of the audio encoder."""

    tokens: Float[Tensor, "b n c"]
    classes: Float[Tensor, "b k"] | None
    """Logits of the encoder's own classes, if it has any."""


class AudioEncoder(nn.Module):
    """Sound to `audio_tokens` tokens: each attends to the whole second with learned weights."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.loudness = Loudness() if config.loudness else nn.Identity()
        self.log_mel = LogMel(SPECTROGRAMS.get(config.audio, SMALL_MEL))
        self.convolutions = ENCODERS[config.audio]()
        width = self.convolutions.widths[-1]
        self.scores = nn.Conv2d(width, config.audio_tokens, 1)
        self.project = nn.Linear(width, config.channels)
        self.norm = nn.LayerNorm(config.channels)

    def forward(self, waveform: Float[Tensor, "b t samples"]) -> AudioFeatures:
        """Return the audio tokens of every second, and the encoder's own classes."""
        features = self.convolutions(self.log_mel(self.loudness(waveform)))
        weights = rearrange(self.scores(features), "b n y x -> b n (y x)").softmax(dim=-1)
        tokens = weights @ rearrange(features, "b c y x -> b (y x) c")
        known = self.convolutions
        return AudioFeatures(
            tokens=self.norm(self.project(tokens)),
            classes=known.classes(features) if isinstance(known, Yamnet) else None,
        )
