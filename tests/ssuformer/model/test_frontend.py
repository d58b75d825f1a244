"""The spectrogram against one computed by an FFT."""

from __future__ import annotations

import jaxtyping
import numpy as np
import pytest
import torch

from ssuformer.model.frontend import (
    HOP,
    REFERENCE_LEVEL,
    SMALL_MEL,
    WINDOW,
    YAMNET_MEL,
    LogMel,
    Loudness,
    MelShape,
    PixelNorm,
    mel_filters,
)


@pytest.mark.parametrize("shape", [SMALL_MEL, YAMNET_MEL])
def test_the_folded_dft_is_the_mel_spectrogram_of_an_fft(shape: MelShape) -> None:
    waveform = 0.3 * torch.randn(1, 2, 16_000)
    second = waveform[0, 1].double().numpy()
    steps = (second.size - WINDOW) // HOP + 1
    windows = np.stack([second[step * HOP : step * HOP + WINDOW] for step in range(steps)])
    magnitude = np.abs(np.fft.rfft(windows * np.hanning(WINDOW + 1)[:-1], shape.fft))
    bands = mel_filters(shape) @ (magnitude**2 if shape.power else magnitude).T
    wanted = (np.log(bands + shape.floor) + shape.shift) * shape.scale

    spectrogram = LogMel(shape)(waveform)

    assert spectrogram.shape == (2, 1, *wanted.shape)
    np.testing.assert_allclose(spectrogram[1, 0].numpy(), wanted, atol=1e-4)


def test_a_wrong_shape_is_refused_while_tests_run() -> None:
    channels_first = torch.zeros(1, 2, 3, 64, 64, dtype=torch.uint8)

    with pytest.raises(jaxtyping.TypeCheckError, match="frames"):
        PixelNorm((0.0,) * 3, (1.0,) * 3)(channels_first)


@pytest.mark.parametrize("gain_db", [-30, -20, 10])
def test_a_clip_sounds_the_same_at_any_level(gain_db: float) -> None:
    waveform = 0.05 * torch.randn(1, 3, 16_000) * torch.tensor([1.0, 0.1, 0.0])[:, None]

    levelled = Loudness()(waveform)
    other = Loudness()(waveform * 10 ** (gain_db / 20))

    assert levelled[0, 0].square().mean().sqrt() == pytest.approx(REFERENCE_LEVEL, rel=1e-3)
    torch.testing.assert_close(other, levelled, rtol=0.1, atol=1e-5)


def test_what_is_nearly_silent_stays_so() -> None:
    hiss = 1e-5 * torch.randn(1, 2, 16_000)

    assert Loudness()(hiss).square().mean().sqrt() < 0.01
    assert not Loudness()(torch.zeros(1, 2, 16_000)).any()
