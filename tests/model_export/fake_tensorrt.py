"""A stand-in for the package `tensorrt` on a machine without a GPU: its plans are ONNX files.

It has what `model_export` uses of the real one, under the same names. Plans run on onnxruntime,
which reads and writes the memory it is pointed at, as the real one does.
"""

from __future__ import annotations

import ctypes
from enum import Enum, IntEnum
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime


class Severity(Enum):
    ERROR = 1
    INFO = 3
    VERBOSE = 4


class Logger:
    def log(self, severity: Severity, message: str) -> None:
        raise NotImplementedError


class Tensor:
    def __init__(self, name: str, dtype: str, shape: list[Any]) -> None:
        self.name = name
        self.dtype = DataType[dtype]
        self.shape = tuple(axis if isinstance(axis, int) else -1 for axis in shape)


class DataType(Enum):
    UINT8 = "tensor(uint8)"
    INT64 = "tensor(int64)"
    FLOAT = "tensor(float)"


NUMPY = {DataType.UINT8: np.uint8, DataType.INT64: np.int64, DataType.FLOAT: np.float32}


class Session:
    """What network, engine and context know of an ONNX file."""

    def __init__(self, onnx: bytes) -> None:
        self.run = onnxruntime.InferenceSession(onnx).run
        session = onnxruntime.InferenceSession(onnx)
        self.inputs = [Tensor(t.name, DataType(t.type).name, t.shape) for t in session.get_inputs()]
        self.outputs = [
            Tensor(t.name, DataType(t.type).name, t.shape) for t in session.get_outputs()
        ]


class Network:
    onnx = b""
    session: Session

    num_inputs = property(lambda self: len(self.session.inputs))
    num_outputs = property(lambda self: len(self.session.outputs))

    def get_input(self, index: int) -> Tensor:
        return self.session.inputs[index]

    def get_output(self, index: int) -> Tensor:
        return self.session.outputs[index]


class Parser:
    num_errors = 0

    def __init__(self, network: Network, logger: Logger) -> None:
        self._network = network
        self._logger = logger

    def parse(self, onnx: bytes) -> bool:
        self._network.onnx, self._network.session = onnx, Session(onnx)
        self._logger.log(Severity.INFO, "parsed")
        self._logger.log(Severity.VERBOSE, "every node of it")
        return True


class Cache:
    def __init__(self, timings: bytes) -> None:
        self.timings = timings

    def serialize(self) -> bytes:
        return self.timings + b"timed"


class OptimizationProfile:
    def __init__(self) -> None:
        self.shapes: dict[str, tuple[tuple[int, ...], ...]] = {}

    def set_shape(self, name: str, *shapes: tuple[int, ...]) -> None:
        self.shapes[name] = shapes


class Configuration:
    def __init__(self) -> None:
        self.flags: list[object] = []
        self.pools: dict[object, int] = {}
        self.hardware_compatibility_level: object = None
        self.profile = OptimizationProfile()
        self.cache = Cache(b"")

    def set_flag(self, flag: object) -> None:
        self.flags.append(flag)

    def set_memory_pool_limit(self, pool: object, size: int) -> None:
        self.pools[pool] = size

    def add_optimization_profile(self, profile: OptimizationProfile) -> None:
        self.profile = profile

    def create_timing_cache(self, timings: bytes) -> Cache:
        return Cache(timings)

    def set_timing_cache(self, cache: Cache, *, ignore_mismatch: bool) -> bool:
        self.cache = cache
        return not ignore_mismatch

    def get_timing_cache(self) -> Cache:
        return self.cache


class FakeTensorRT(ModuleType):
    """The module; it remembers how it was configured, and `worn` engines answer a little else."""

    __version__ = "11.1.0"
    ILogger = Logger
    OnnxParser = Parser
    NetworkDefinitionCreationFlag = IntEnum("NetworkDefinitionCreationFlag", {"STRONGLY_TYPED": 1})
    MemoryPoolType = Enum("MemoryPoolType", "WORKSPACE")
    BuilderFlag = Enum("BuilderFlag", "VERSION_COMPATIBLE")
    HardwareCompatibilityLevel = Enum("HardwareCompatibilityLevel", "NONE AMPERE_PLUS")

    def __init__(self, *, worn: bool = False, fails: bool = False) -> None:
        super().__init__("tensorrt")
        self.worn, self.fails = worn, fails
        self.configuration = Configuration()
        self.network_flags = 0

    def Builder(self, logger: Logger) -> Builder:  # noqa: N802
        return Builder(self, logger)

    def Runtime(self, logger: Logger) -> Runtime:  # noqa: N802, ARG002
        return Runtime(self)


class Builder:
    def __init__(self, trt: FakeTensorRT, logger: Logger) -> None:
        self._trt, self._logger = trt, logger

    def create_network(self, flags: int) -> Network:
        self._trt.network_flags = flags
        return Network()

    def create_builder_config(self) -> Configuration:
        self._trt.configuration = Configuration()
        return self._trt.configuration

    def create_optimization_profile(self) -> OptimizationProfile:
        return OptimizationProfile()

    def build_serialized_network(self, network: Network, _: Configuration) -> bytes | None:
        if self._trt.fails:
            self._logger.log(Severity.ERROR, "no tactic was found")
            return None
        return network.onnx


class Runtime:
    engine_host_code_allowed = False

    def __init__(self, trt: FakeTensorRT) -> None:
        self._trt = trt

    def deserialize_cuda_engine(self, plan: bytes) -> Engine:
        return Engine(self._trt, Session(plan))


class Engine:
    def __init__(self, trt: FakeTensorRT, session: Session) -> None:
        self._trt, self._session = trt, session
        self._tensors = [*session.outputs, *session.inputs]
        self.num_io_tensors = len(self._tensors)

    def get_tensor_name(self, index: int) -> str:
        return self._tensors[index].name

    def create_execution_context(self) -> Context:
        return Context(self._trt, self._session, [tensor.name for tensor in self._tensors])


class Context:
    def __init__(self, trt: FakeTensorRT, session: Session, names: list[str]) -> None:
        self._trt, self._session, self._names = trt, session, names
        self._shapes: dict[str, tuple[int, ...]] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shapes[name] = shape
        least, _, most = self._trt.configuration.profile.shapes[name]
        return all(a <= b <= c for a, b, c in zip(least, shape, most, strict=True))

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        """Return the shape, by the rule that an output begins with the input's dynamic axes."""
        first = self._session.inputs[0]
        dynamic = [s for s, axis in zip(self._shapes[first.name], first.shape, strict=True)
                   if axis == -1]  # fmt: skip
        output = next(t for t in self._session.outputs if t.name == name)
        return (*dynamic, *(axis for axis in output.shape if axis != -1))

    def execute_v2(self, bindings: list[int]) -> bool:
        addresses = dict(zip(self._names, bindings, strict=True))
        inputs = {
            t.name: _memory(addresses[t.name], t.dtype, self._shapes[t.name])
            for t in self._session.inputs
        }
        for tensor, array in zip(
            self._session.outputs, self._session.run(None, inputs), strict=True
        ):
            target = _memory(addresses[tensor.name], tensor.dtype, array.shape)
            target[...] = array * 2 if self._trt.worn else array
        return True


def _memory(address: int, dtype: DataType, shape: tuple[int, ...]) -> np.ndarray:
    kind = np.dtype(NUMPY[dtype])
    size = int(np.prod(shape)) * kind.itemsize
    memory = (ctypes.c_byte * size).from_address(address)
    return np.frombuffer(memoryview(memory), kind).reshape(shape)
