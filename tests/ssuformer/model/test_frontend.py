"""The spectrogram against one computed by an FFT."""

from __future__ import annotations

import jaxtyping
import numpy as np
import pytest
import torch

from ssuformer.model.frontend import FFT, HOP, LOG_FLOOR, WINDOW, LogMel, PixelNorm, mel_filters


def test_the_folded_dft_is_the_mel_spectrogram_of_an_fft() -> None:
    waveform = 0.3 * torch.randn(1, 2, 16_000)
    second = waveform[0, 1].double().numpy()
    steps = (second.size - WINDOW) // HOP + 1
    windows = np.stack([second[step * HOP : step * HOP + WINDOW] for step in range(steps)])
    energy = np.abs(np.fft.rfft(windows * np.hanning(WINDOW + 1)[:-1], FFT)) ** 2
    wanted = (np.log(mel_filters() @ energy.T + LOG_FLOOR) + 2.0) / 4.0

    spectrogram = LogMel()(waveform)

    assert spectrogram.shape == (2, 1, *wanted.shape)
    np.testing.assert_allclose(spectrogram[1, 0].numpy(), wanted, atol=1e-4)


def test_a_wrong_shape_is_refused_while_tests_run() -> None:
    channels_first = torch.zeros(1, 2, 3, 64, 64, dtype=torch.uint8)

    with pytest.raises(jaxtyping.TypeCheckError, match="frames"):
        PixelNorm()(channels_first)
