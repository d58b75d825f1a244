"""The Python backend of a development server, without the server around it."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

import service

BACKEND = Path(service.__file__).with_name("triton_server") / "backend.py"
Array = NDArray[Any]


@dataclass
class FakeTensor:
    key: str
    array: Array

    def name(self) -> str:
        return self.key

    def as_numpy(self) -> Array:
        return self.array


@dataclass
class FakeError:
    message: str
    code: str
    CANCELLED: ClassVar[str] = "CANCELLED"
    INVALID_ARG: ClassVar[str] = "INVALID_ARG"
    INTERNAL: ClassVar[str] = "INTERNAL"


@dataclass
class FakeResponse:
    tensors: list[FakeTensor] = field(default_factory=list)
    error: FakeError | None = None


@dataclass
class FakeRequest:
    arrays: dict[str, Array]
    wanted: tuple[str, ...] = ("double",)
    cancelled: bool = False

    def inputs(self) -> list[FakeTensor]:
        return [FakeTensor(name, array) for name, array in self.arrays.items()]

    def requested_output_names(self) -> tuple[str, ...]:
        return self.wanted

    def is_cancelled(self) -> bool:
        return self.cancelled


class FakeSession:
    """Doubles or negates its input `x`; refuses rows of three, breaks on rows of four."""

    def __init__(self, path: Path, options: onnxruntime.SessionOptions, **_: object) -> None:
        self.path = path
        self.options = options
        self.batches: list[int] = []

    def run(self, names: list[str], inputs: Mapping[str, Array]) -> list[Array]:
        x = inputs["x"]
        self.batches.append(len(x))
        if x.shape[1] == 3:
            raise InvalidArgument("got 3")
        if x.shape[1] == 4:
            raise RuntimeError("out of memory")
        outputs = {"double": 2 * x, "negative": -x}
        return [outputs[name] for name in names]


@dataclass
class Backend:
    """One loaded instance of the model, and the session it made."""

    model: Any
    sessions: list[FakeSession]

    def start(self, kind: str = "CPU", **parameters: str) -> FakeSession:
        config = {
            "default_model_filename": "model.onnx",
            "parameters": {key: {"string_value": value} for key, value in parameters.items()},
        }
        self.model.initialize(
            {
                "model_config": json.dumps(config),
                "model_instance_kind": kind,
                "model_name": "doubling",
                "model_repository": "/models/doubling",
                "model_version": "7",
            }
        )
        return self.sessions[-1]

    def answer(self, *requests: FakeRequest) -> list[FakeResponse]:
        responses: list[FakeResponse] = self.model.execute(requests)
        return responses


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Backend:
    triton = ModuleType("triton_python_backend_utils")
    names = {
        "Tensor": FakeTensor,
        "TritonError": FakeError,
        "InferenceResponse": FakeResponse,
        "TritonModelException": RuntimeError,
    }
    for name, fake in names.items():
        setattr(triton, name, fake)
    monkeypatch.setitem(sys.modules, triton.__name__, triton)
    sessions: list[FakeSession] = []

    def load(path: Path, options: onnxruntime.SessionOptions, **more: object) -> FakeSession:
        sessions.append(FakeSession(path, options, **more))
        return sessions[-1]

    monkeypatch.setattr(onnxruntime, "InferenceSession", load)
    spec = importlib.util.spec_from_file_location("model", BACKEND)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return Backend(module.TritonPythonModel(), sessions)


def request(*rows: list[float], **more: Any) -> FakeRequest:  # noqa: ANN401
    return FakeRequest({"x": np.array(rows, np.float32)}, **more)


def test_the_version_that_triton_names_is_loaded_with_the_threads_of_the_configuration(
    backend: Backend,
) -> None:
    session = backend.start(intra_op_thread_count="3")

    assert session.path == Path("/models/doubling/7/model.onnx")
    assert session.options.intra_op_num_threads == 3


def test_without_a_word_about_threads_one_is_taken(backend: Backend) -> None:
    assert backend.start().options.intra_op_num_threads == 1


def test_a_gpu_is_refused_and_not_quietly_replaced(backend: Backend) -> None:
    with pytest.raises(RuntimeError, match="CPU only, not on GPU"):
        backend.start(kind="GPU")


def test_requests_of_equal_shape_are_one_run_and_each_gets_its_rows(backend: Backend) -> None:
    session = backend.start()

    responses = backend.answer(request([1, 2]), request([3, 4], [5, 6]), request([7, 8]))

    assert session.batches == [4]
    rows = [response.tensors[0].as_numpy().tolist() for response in responses]
    assert rows == [[[2, 4]], [[6, 8], [10, 12]], [[14, 16]]]


def test_requests_of_other_shapes_are_runs_of_their_own_and_answered_in_order(
    backend: Backend,
) -> None:
    session = backend.start()

    responses = backend.answer(request([1, 2]), request([1]), request([3, 4]))

    assert sorted(session.batches) == [1, 2]
    rows = [response.tensors[0].as_numpy().tolist() for response in responses]
    assert rows == [[[2, 4]], [[2]], [[6, 8]]]


def test_each_request_gets_the_outputs_it_asks_for(backend: Backend) -> None:
    backend.start()

    first, second = backend.answer(
        request([1], wanted=("negative",)), request([2], wanted=("double", "negative"))
    )

    assert [tensor.name() for tensor in first.tensors] == ["negative"]
    assert [tensor.as_numpy().tolist() for tensor in second.tensors] == [[[4]], [[-2]]]


def test_a_request_that_the_model_does_not_take_hurts_no_other(backend: Backend) -> None:
    backend.start()

    good, refused, failed, other = backend.answer(
        request([1]), request([1, 2, 3]), request([1, 2, 3, 4]), request([2])
    )

    assert [good.error, other.error] == [None, None]
    assert refused.error is not None
    assert (refused.error.code, "got 3" in refused.error.message) == ("INVALID_ARG", True)
    assert failed.error is not None
    assert failed.error.code == "INTERNAL"


def test_what_was_cancelled_is_not_run(backend: Backend) -> None:
    session = backend.start()

    kept, dropped = backend.answer(request([1]), request([2], cancelled=True))

    assert session.batches == [1]
    assert kept.error is None
    assert dropped.error is not None
    assert dropped.error.code == "CANCELLED"
