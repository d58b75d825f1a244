"""A model for Triton's Python backend that takes as long as a test wants, and answers with zeros.

It runs in the server's own Python. What a test tells it and what it tells the test are files in
the model's folder: while there is `slow` it does not answer, `begun` and `cancelled` it leaves.
"""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as triton

_TYPES = {"TYPE_FP32": np.float32, "TYPE_INT64": np.int64}


class TritonPythonModel:
    """One instance of the model, as Triton's Python backend wants it."""

    def initialize(self, args: dict[str, str]) -> None:
        self._folder = Path(args["model_repository"])
        self._outputs = json.loads(args["model_config"])["output"]

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:  # noqa: ANN401
        (self._folder / "begun").touch()
        while (self._folder / "slow").exists() and not request.is_cancelled():
            time.sleep(0.02)
        if request.is_cancelled():
            (self._folder / "cancelled").touch()
        batch, *rest = request.inputs()[0].as_numpy().shape
        tensors = []
        for output in self._outputs:
            dims = [rest[0] if int(side) < 0 else int(side) for side in output["dims"]]
            zeros = np.zeros((batch, *dims), _TYPES[output["data_type"]])
            tensors.append(triton.Tensor(output["name"], zeros))
        return triton.InferenceResponse(tensors)
