"""Predictor on exported engines, so that a variant is scored like a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.sessions import open_session
from ssuformer.contract import CAPTION, EngineSpec, engines
from ssuformer.regions import Float, Segmentation
from ssuformer.repository import open_repository
from ssuformer.sentences import Wording
from ssuformer.tokenizer import Tokenizer
from training.predictor import Predictor


class OnnxPredictor(Predictor):
    """A model repository on onnxruntime, with the same region rules as the torch model."""

    def __init__(self, models: Path, *, threads: int = 1) -> None:
        files = open_repository(models)
        manifest = files.manifest
        super().__init__(
            categories=manifest.categories,
            tokenizer=Tokenizer(manifest.vocabulary),
            thresholds=manifest.thresholds,
            wording=Wording(manifest),
        )
        self.specs: dict[str, EngineSpec] = {
            spec.name: spec for spec in engines(manifest.dimensions)
        }
        self.files = dict(zip(self.specs, (files.segmentation, files.caption), strict=True))
        self.sessions = {
            name: open_session(path, threads=threads) for name, path in self.files.items()
        }
        self._segmentation, self._caption = self.sessions.values()

    def segment(
        self, frames: npt.NDArray[np.uint8], waveform: npt.NDArray[np.float32]
    ) -> list[Segmentation]:
        """Return the engine's outputs per clip: frames [b t h w 3], waveform [b t 16000]."""
        outputs = self._segmentation.run(None, {"frames": frames, "waveform": waveform})
        return [Segmentation(*(output[clip] for output in outputs)) for clip in range(len(frames))]

    def caption(self, regions: tuple[Float, Float, Float]) -> npt.NDArray[np.int64]:
        """Return the engine's token ids [n l]."""
        names = (tensor.name for tensor in self.specs[CAPTION].inputs)
        ids: npt.NDArray[np.int64] = self._caption.run(
            ["token_ids"], dict(zip(names, regions, strict=True))
        )[0]
        return ids
