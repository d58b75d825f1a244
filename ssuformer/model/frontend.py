"""Preprocessing inside the graph, so that training and serving agree.

Axes: b clips, t frames, h w pixels, c channels, f mel bands, s spectrogram steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ssuformer.contract import SAMPLE_RATE

WINDOW = 400
"""25 ms at 16 kHz."""
HOP = 160
"""10 ms at 16 kHz."""
MEL_BANDS = 64

REFERENCE_LEVEL = 0.1
"""Root mean square, -20 dBFS, that a clip's loudest second is brought to."""
SILENCE_LEVEL = 5e-4
"""Root mean square, -66 dBFS: well below it, a clip stays silent."""


@dataclass(frozen=True, slots=True)
class MelShape:
    """How a log-mel spectrogram is computed."""

    fft: int
    range_hz: tuple[float, float]
    power: bool
    """Mel bands sum the power spectrum, otherwise the magnitudes."""
    mel_slopes: bool
    """Triangles are straight on the mel scale and reach 1 (TensorFlow), otherwise straight in
    hertz with an area of about one."""
    floor: float
    shift: float = 0.0
    scale: float = 1.0


SMALL_MEL = MelShape(
    fft=400,
    range_hz=(60.0, 7800.0),
    power=True,
    mel_slopes=False,
    floor=1e-3,
    shift=2.0,
    scale=0.25,
)
YAMNET_MEL = MelShape(fft=512, range_hz=(125.0, 7500.0), power=False, mel_slopes=True, floor=1e-3)
"""After YAMNet's `features.py`."""


class PixelNorm(nn.Module):
    """Turn RGB bytes into zero-mean, unit-variance channels first."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, frames: UInt8[Tensor, "b t h w 3"]) -> Float[Tensor, "bt 3 h w"]:
        """Return the normalised frames of all clips in one batch."""
        pixels = rearrange(frames, "b t h w c -> (b t) c h w").to(torch.float32)
        return (pixels - self.mean) / self.std


class Loudness(nn.Module):
    """Brings the loudest second of a clip to the reference level, and leaves silence silent."""

    def forward(self, waveform: Float[Tensor, "b t samples"]) -> Float[Tensor, "b t samples"]:
        """Return the waveform times one gain per clip.

        The gain is `REFERENCE_LEVEL / level`, which falls to 0 as the level falls below
        `SILENCE_LEVEL`: noise of the recorder is not amplified.
        """
        power = waveform.square().mean(dim=-1).amax(dim=-1)
        gain = REFERENCE_LEVEL * (power + 1e-12).sqrt() / (power + SILENCE_LEVEL**2)
        return waveform * gain[:, None, None]


def mel_filters(shape: MelShape) -> Float[np.ndarray, "f bins"]:
    """Return triangular filters on the HTK mel scale."""

    def to_mel(hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return 2595.0 * np.log10(1.0 + hertz / 700.0)

    first, last = to_mel(np.array(shape.range_hz))
    places = np.linspace(first, last, MEL_BANDS + 2)
    bins = np.arange(shape.fft // 2 + 1) * SAMPLE_RATE / shape.fft
    if shape.mel_slopes:
        bins = to_mel(bins)
    else:
        places = 700.0 * (10.0 ** (places / 2595.0) - 1.0)
    low, centre, high = places[:-2, None], places[1:-1, None], places[2:, None]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    filters = np.maximum(0.0, np.minimum(rising, falling))
    if not shape.mel_slopes:
        filters /= filters.sum(axis=1, keepdims=True) + 1e-8
    return filters.astype(np.float32)


class LogMel(nn.Module):
    """Log-mel spectrogram of one second, by a DFT written as matrices (exports everywhere).

    About a window's middle, the Hann window and the cosines are even, the sines odd: a window is
    folded there before it is multiplied, which halves the work.
    """

    cosines: Tensor
    sines: Tensor
    filters: Tensor

    def __init__(self, shape: MelShape = SMALL_MEL) -> None:
        super().__init__()
        self.shape = shape
        times = np.arange(1, WINDOW // 2 + 1)
        bins = np.arange(shape.fft // 2 + 1)
        phase = 2 * math.pi * np.outer(times - WINDOW // 2, bins) / shape.fft
        hann = np.hanning(WINDOW + 1)[times, None]
        for name, table in {
            "cosines": np.cos(phase) * hann,
            "sines": (np.sin(phase) * hann)[:-1],
            "filters": mel_filters(shape).T,
        }.items():
            values = torch.from_numpy(np.ascontiguousarray(table, dtype=np.float32))
            self.register_buffer(name, values, persistent=False)

    def forward(self, waveform: Float[Tensor, "b t samples"]) -> Float[Tensor, "bt 1 f s"]:
        """Return `scale * (log(mel + floor) + shift)` in float32, also under autocast."""
        device = waveform.device.type
        if torch.is_autocast_enabled(device):
            with torch.autocast(device, enabled=False):
                return self._spectrogram(waveform)
        return self._spectrogram(waveform)

    def _spectrogram(self, waveform: Float[Tensor, "b t samples"]) -> Float[Tensor, "bt 1 f s"]:
        hops = rearrange(waveform, "b t (s hop) -> (b t) s hop", hop=HOP)
        # A window is two and a half hops: three shifted views side by side cover it.
        windows = torch.cat([hops[:, :-2], hops[:, 1:-1], hops[:, 2:, : WINDOW - 2 * HOP]], dim=-1)
        middle = WINDOW // 2
        early, late = windows[..., 1:middle], windows[..., middle + 1 :].flip(-1)
        even = torch.cat([early + late, windows[..., middle : middle + 1]], dim=-1)
        energy = (even @ self.cosines).square() + ((early - late) @ self.sines).square()
        bands = (energy if self.shape.power else energy.sqrt()) @ self.filters
        spectrogram = (torch.log(bands + self.shape.floor) + self.shape.shift) * self.shape.scale
        return rearrange(spectrogram, "bt s f -> bt 1 f s")
