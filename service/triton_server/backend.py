"""The `onnxruntime` backend of a development server, in Python: pip's onnxruntime inside Triton.

NVIDIA's image contains this backend in C++; with `tritonserver` alone installed, Triton loads
this file under the same name, from `backends/onnxruntime/model.py`, and the model repository is
served unchanged. It runs in the server's own Python and therefore imports nothing of this project.

The first axis of every tensor is Triton's batch.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument

_THREADS = "intra_op_thread_count"
"""The parameter's name in `config.pbtxt`; the same as for the C++ backend."""

_Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class _Work:
    """A pending request: its position among the requests, its inputs, its requested outputs."""

    place: int
    inputs: _Arrays
    outputs: tuple[str, ...]

    @property
    def kind(self) -> tuple[object, ...]:
        """The properties requests must share to run as one batch."""
        return tuple((name, *array.shape[1:]) for name, array in sorted(self.inputs.items()))

    @property
    def size(self) -> int:
        """The number of batch entries of this request."""
        return len(next(iter(self.inputs.values())))


class TritonPythonModel:
    """One instance of a model, in the interface of Triton's Python backend."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Load the version of the model that Triton names."""
        config = json.loads(args["model_config"])
        if args["model_instance_kind"] != "CPU":
            raise triton.TritonModelException(
                f"{args['model_name']}: this backend computes on the CPU only, "
                f"not on {args['model_instance_kind']}"
            )
        file = config["default_model_filename"] or "model.onnx"
        path = Path(args["model_repository"]) / args["model_version"] / file
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _threads(config)
        # Every model runs in its own process: spinning threads would take cores from the others.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer every request, in order; requests of equal shapes run as one batch."""
        answers: dict[int, Any] = {}
        groups: defaultdict[tuple[object, ...], list[_Work]] = defaultdict(list)
        for place, request in enumerate(requests):
            if request.is_cancelled():
                answers[place] = _failure("cancelled before it ran", triton.TritonError.CANCELLED)
                continue
            inputs = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
            if any(array.size == 0 for array in inputs.values()):
                # onnxruntime 1.31 ends its process on some graphs then.
                answers[place] = _failure("an input is empty", triton.TritonError.INVALID_ARG)
                continue
            work = _Work(place, inputs, tuple(request.requested_output_names()))
            groups[work.kind].append(work)
        for group in groups.values():
            answers |= self._answers(group)
        return [answers[place] for place in range(len(requests))]

    def _answers(self, group: Sequence[_Work]) -> dict[int, Any]:
        """Run a group as one batch and return each request's part, or the error for all of them."""
        names = sorted({name for work in group for name in work.outputs})
        inputs = {
            name: np.concatenate([work.inputs[name] for work in group]) for name in group[0].inputs
        }
        try:
            outputs = self._session.run(names, inputs)
        except (InvalidArgument, Fail) as error:
            # onnxruntime raises `Fail` if a node's operands do not match: on a graph that
            # loaded, only the input shapes can be the cause.
            answer = _failure(
                f"invalid input for the model: {error}", triton.TritonError.INVALID_ARG
            )
            return {work.place: answer for work in group}
        except Exception as error:
            answer = _failure(f"onnxruntime failed: {error}", triton.TritonError.INTERNAL)
            return {work.place: answer for work in group}
        return _parts(group, dict(zip(names, outputs, strict=True)))


def _parts(group: Sequence[_Work], outputs: _Arrays) -> dict[int, Any]:
    """Split the outputs of a batch into the responses of its requests."""
    responses, begin = {}, 0
    for work in group:
        end = begin + work.size
        tensors = [triton.Tensor(name, outputs[name][begin:end]) for name in work.outputs]
        responses[work.place] = triton.InferenceResponse(tensors)
        begin = end
    return responses


def _threads(config: Mapping[str, Any]) -> int:
    """Return the threads per inference; the default is one, never all of the host's."""
    return int(config["parameters"].get(_THREADS, {"string_value": "1"})["string_value"])


def _failure(message: str, code: int) -> Any:  # noqa: ANN401
    return triton.InferenceResponse(error=triton.TritonError(message, code))
