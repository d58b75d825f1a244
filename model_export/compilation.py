"""Compile an ONNX file to a TensorRT plan, with TensorRT 10 and 11, or ahead of time without a GPU.

Precision is defined in the ONNX file (`model_export.variants`) and the plan follows it:
TensorRT 10 needs the flag STRONGLY_TYPED for this, TensorRT 11 always does so and ignores it.

Proven without a GPU, through the package `tensorrt_rtx`: NVIDIA's parser accepts every node; names,
types and axes are the contract's; the profiles fit; engines compile ahead of time. No GPU has run
yet: the package `tensorrt`, the timing cache, and the options of compatibility.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, PositiveInt

from model_export.server_config import BATCHING
from model_export.storage import load_float32
from ssuformer.contract import CAPTION, SEGMENTATION, EngineSpec, TensorSpec
from ssuformer.errors import ConfigError, EngineError, EngineMismatch

_TYPES = {"uint8": "UINT8", "int64": "INT64", "float32": "FLOAT"}

Shape = tuple[int, ...]
OptimizationProfile = dict[str, tuple[Shape, Shape, Shape]]
"""The minimum, optimum and maximum shape of each input."""


@dataclass(frozen=True, slots=True)
class Range:
    """The sizes of one dynamic axis that a plan accepts, and the one it is optimised for."""

    least: int
    usual: int
    most: int


class CompilationOptions(BaseModel):
    """Build options of a plan."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workspace_mib: PositiveInt | None = None
    """Workspace memory one layer may use; None allows all of the GPU's."""
    version_compatible: bool = False
    """Loadable by later versions of TensorRT if they allow host code; may be slower."""
    hardware_compatible: bool = False
    """Runs on every GPU since Ampere; may be slower."""


class Severity(Protocol):
    """Severity of a message, by TensorRT's names."""

    name: str


class CompilationLog(Protocol):
    """A TensorRT logger that records messages."""

    lines: list[str]
    last_error: str


class _Parser(Protocol):
    num_errors: int

    def get_error(self, index: int) -> Any: ...  # noqa: ANN401


def load(package: str) -> ModuleType:
    """Return `tensorrt` or `tensorrt_rtx`; raises ConfigError with the install command."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        extra = package.replace("_", "-")
        raise ConfigError(f"{package} is not installed: pip install '.[{extra}]'") from error


def ranges(window_frames: int) -> dict[str, Range]:
    """Return the sizes of the contract's dynamic axes used by Triton and the service."""
    clips, regions = (BATCHING[name] for name in (SEGMENTATION, CAPTION))
    return {
        "b": Range(1, clips.preferred[0], clips.largest),
        "t": Range(1, window_frames, window_frames),
        "n": Range(1, regions.preferred[0], regions.largest),
    }


def profile_of(spec: EngineSpec, sizes: dict[str, Range]) -> OptimizationProfile:
    """Return the shapes of an engine's inputs for the sizes of its axes."""
    least = {axis: size.least for axis, size in sizes.items()}
    usual = {axis: size.usual for axis, size in sizes.items()}
    most = {axis: size.most for axis, size in sizes.items()}
    return {
        tensor.name: (tensor.shape(**least), tensor.shape(**usual), tensor.shape(**most))
        for tensor in spec.inputs
    }


@contextmanager
def collection_paused() -> Iterator[None]:
    """Disable Python's garbage collection while TensorRT works.

    TensorRT calls the Python logger while it holds a lock. A collection that starts there and frees
    an earlier builder would deadlock on that lock.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Compilation:
    """Compiles one ONNX file to a plan."""

    def __init__(self, trt: ModuleType, onnx: Path, spec: EngineSpec) -> None:
        """Parse the file; raise EngineMismatch naming an unsupported node or a wrong tensor."""
        with collection_paused():
            self._read(trt, onnx, spec)

    def _read(self, trt: ModuleType, onnx: Path, spec: EngineSpec) -> None:
        self._trt = trt
        self._log = compilation_log(trt)
        self._builder = trt.Builder(self._log)
        typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        self._network = self._builder.create_network(typed)
        self._config = self._builder.create_builder_config()
        parser = trt.OnnxParser(self._network, self._log)
        if not parser.parse(load_float32(onnx).SerializeToString()):
            raise EngineMismatch(f"TensorRT cannot parse {onnx}: {'; '.join(_refusals(parser))}")
        network = self._network
        inputs = [network.get_input(index) for index in range(network.num_inputs)]
        outputs = [network.get_output(index) for index in range(network.num_outputs)]
        _check(onnx, found=inputs, wanted=spec.inputs)
        _check(onnx, found=outputs, wanted=spec.outputs)

    @property
    def messages(self) -> list[str]:
        """The messages of TensorRT so far."""
        return list(self._log.lines)

    def build(
        self,
        profile: OptimizationProfile,
        options: CompilationOptions,
        *,
        cache: Path | None = None,
        target: str | None = None,
    ) -> bytes:
        """Return the plan; `target`, as in "SM89", is for ahead-of-time builds without a GPU.

        Layer timings are read from the file `cache` and added to it. Raises EngineError with
        TensorRT's reason.
        """
        with collection_paused():
            return self._build(profile, options, cache=cache, target=target)

    def _build(
        self,
        profile: OptimizationProfile,
        options: CompilationOptions,
        *,
        cache: Path | None,
        target: str | None,
    ) -> bytes:
        config = self._config
        self._apply(options)
        shapes = self._builder.create_optimization_profile()
        for name, (least, usual, most) in profile.items():
            shapes.set_shape(name, least, usual, most)
        config.add_optimization_profile(shapes)
        if target is not None:
            self._aim(target)
        if cache is not None:
            known = config.create_timing_cache(cache.read_bytes() if cache.exists() else b"")
            config.set_timing_cache(known, ignore_mismatch=False)
        plan = self._builder.build_serialized_network(self._network, config)
        if plan is None:
            raise EngineError(f"TensorRT could not build a plan: {self._log.last_error}")
        if cache is not None:
            cache.write_bytes(bytes(config.get_timing_cache().serialize()))
        return bytes(plan)

    def _apply(self, options: CompilationOptions) -> None:
        trt, config = self._trt, self._config
        if options.workspace_mib is not None:
            size = options.workspace_mib * 2**20
            config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size)
        if options.version_compatible:
            config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
        if options.hardware_compatible:
            config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS

    def _aim(self, target: str) -> None:
        known = self._trt.ComputeCapability.__members__
        if target not in known:
            raise ConfigError(f"unknown target {target!r}; available: {', '.join(sorted(known))}")
        self._config.num_compute_capabilities = 1
        self._config.set_compute_capability(known[target], 0)


def _refusals(parser: _Parser) -> Iterator[str]:
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        reason = " ".join(error.desc().split())
        yield f"node {error.node_name()} ({error.node_operator()}): {reason}"


def compilation_log(trt: ModuleType) -> CompilationLog:
    """Return a logger that records TensorRT's messages, except verbose ones."""

    class _Log(trt.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.lines: list[str] = []
            self.last_error = "no reason given"

        def log(self, severity: Severity, message: str) -> None:
            if severity.name in ("ERROR", "INTERNAL_ERROR"):
                self.last_error = message
            if severity.name != "VERBOSE":
                self.lines.append(f"{severity.name}: {message}")

    return _Log()


def _check(onnx: Path, *, found: list[Any], wanted: tuple[TensorSpec, ...]) -> None:
    """Raise EngineMismatch unless names, types and axes match the contract, in its order."""
    have = [(tensor.name, tensor.dtype.name, tuple(tensor.shape)) for tensor in found]
    want = [
        (w.name, _TYPES[w.dtype], tuple(-1 if isinstance(a, str) else a for a in w.axes))
        for w in wanted
    ]
    if have != want:
        raise EngineMismatch(
            f"the tensors of {onnx} do not match the contract",
            limit=str(want),
            actual=str(have),
        )
