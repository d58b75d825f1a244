"""Preprocessing inside the graph, so that training and serving agree.

Axes: b clips, t frames, h w pixels, c channels, f mel bands, s spectrogram steps.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ssuformer.contract import SAMPLE_RATE

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)

WINDOW = 400
"""25 ms at 16 kHz."""
HOP = 160
"""10 ms at 16 kHz."""
FFT = 400
MEL_BANDS = 64
MEL_RANGE_HZ = (60.0, 7800.0)
LOG_FLOOR = 1e-3


class PixelNorm(nn.Module):
    """Turn RGB bytes into zero-mean, unit-variance channels first."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(PIXEL_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(PIXEL_STD).view(1, 3, 1, 1))

    def forward(self, frames: UInt8[Tensor, "b t h w 3"]) -> Float[Tensor, "bt 3 h w"]:
        """Return the normalised frames of all clips in one batch."""
        pixels = rearrange(frames, "b t h w c -> (b t) c h w").to(torch.float32)
        return (pixels - self.mean) / self.std


def mel_filters() -> Float[np.ndarray, "f bins"]:
    """Return triangular filters on the HTK mel scale, each summing to about one."""

    def to_mel(hertz: float) -> float:
        return 2595.0 * math.log10(1.0 + hertz / 700.0)

    edges = np.linspace(to_mel(MEL_RANGE_HZ[0]), to_mel(MEL_RANGE_HZ[1]), MEL_BANDS + 2)
    hertz = 700.0 * (10.0 ** (edges / 2595.0) - 1.0)
    bins = np.arange(FFT // 2 + 1) * SAMPLE_RATE / FFT
    low, centre, high = hertz[:-2, None], hertz[1:-1, None], hertz[2:, None]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    filters = np.maximum(0.0, np.minimum(rising, falling))
    return (filters / (filters.sum(axis=1, keepdims=True) + 1e-8)).astype(np.float32)


class LogMel(nn.Module):
    """Log-mel spectrogram of one second, by a DFT written as matrices (exports everywhere).

    The Hann window and the cosines are even about a window's middle, the sines odd: a window is
    folded there before it is multiplied, which halves the work.
    """

    cosines: Tensor
    sines: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        times = np.arange(1, WINDOW // 2 + 1)
        phase = 2 * math.pi * np.outer(times, np.arange(FFT // 2 + 1)) / FFT
        hann = np.hanning(WINDOW + 1)[times, None]
        for name, table in {
            "cosines": np.cos(phase) * hann,
            "sines": (np.sin(phase) * hann)[:-1],
            "filters": mel_filters().T,
        }.items():
            values = torch.from_numpy(np.ascontiguousarray(table, dtype=np.float32))
            self.register_buffer(name, values, persistent=False)

    def forward(self, waveform: Float[Tensor, "b t samples"]) -> Float[Tensor, "bt 1 f s"]:
        """Return `log(mel energy + floor)`, shifted and scaled to about -1..1."""
        hops = rearrange(waveform, "b t (s hop) -> (b t) s hop", hop=HOP)
        # A window is two and a half hops: three shifted views side by side cover it.
        windows = torch.cat([hops[:, :-2], hops[:, 1:-1], hops[:, 2:, : WINDOW - 2 * HOP]], dim=-1)
        middle = WINDOW // 2
        early, late = windows[..., 1:middle], windows[..., middle + 1 :].flip(-1)
        even = torch.cat([early + late, windows[..., middle : middle + 1]], dim=-1)
        energy = (even @ self.cosines).square() + ((early - late) @ self.sines).square()
        spectrogram = (torch.log(energy @ self.filters + LOG_FLOOR) + 2.0) / 4.0
        return rearrange(spectrogram, "bt s f -> bt 1 f s")
