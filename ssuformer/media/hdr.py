"""Map pictures with high dynamic range (PQ, HLG) to the usual range and colours.

Light is counted in units of the white of a sheet of paper, 203 nits (BT.2408). Up to a knee it is
kept, brighter light is compressed. The result is coded for a display of gamma 2.4 (BT.1886).

Axes: h w pixels, c channels (red, green, blue).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import numpy as np
from av.video.reformatter import ColorTrc
from numpy.typing import NDArray

Light = NDArray[np.float32]

CURVES: Mapping[int, str] = MappingProxyType(
    {int(ColorTrc.SMPTE2084): "PQ", int(ColorTrc.ARIB_STD_B67): "HLG"}
)
"""Names of the transfer curves of HDR."""

_WHITE = 203.0
"""Nits."""
_HLG_PEAK = 1000.0
_HLG_GAMMA = 1.2
_KNEE = 0.75
_GAMMA = 2.4
_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)
_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)
"""From the primaries of BT.2020 to those of BT.709 (BT.2087)."""


def to_usual_range(picture: NDArray[np.uint16], curve: int) -> NDArray[np.uint8]:
    """Return a picture [h w c] in BT.2020, 0..65535 on an HDR curve, in BT.709, 0..255."""
    light = _table(CURVES[curve])[picture]
    if CURVES[curve] == "HLG":
        system = (light @ _LUMA)[..., None] ** (_HLG_GAMMA - 1) * (_HLG_PEAK / _WHITE)
        light = (light * system).astype(np.float32)
    light = np.maximum(light @ _TO_709.T, 0)
    brightest = np.maximum(light.max(-1, keepdims=True), 1e-6)
    light *= _compress(brightest) / brightest
    coded: NDArray[np.uint8] = np.rint(255 * light ** (1 / _GAMMA)).astype(np.uint8)
    return coded


def _compress(light: Light) -> Light:
    """Return light below the knee as it is, more of it ever closer to 1."""
    room = 1 - _KNEE
    bent: Light = _KNEE + room * (1 - np.exp(-np.maximum(light - _KNEE, 0) / room))
    return np.where(light < _KNEE, light, bent)


@cache
def _table(curve: str) -> Light:
    """Return the light of each code: PQ in units of white (ST 2084), HLG of the scene (BT.2100)."""
    code = np.arange(65_536) / 65_535
    if curve == "PQ":
        root = code ** (1 / 78.84375)
        base = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
        return (base ** (1 / 0.1593017578125) * (10_000 / _WHITE)).astype(np.float32)
    high = (np.exp((code - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return np.where(code <= 0.5, code**2 / 3, high).astype(np.float32)
