"""Checks of `ssu doctor`: each reports what it found and a command that fixes the problem."""

from __future__ import annotations

import asyncio
import os
import platform
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

from service.cli import installation
from service.settings import Settings
from service.telemetry.container import available_cores
from service.telemetry.metrics import Metrics
from ssuformer.contract import CAPTION, SEGMENTATION
from ssuformer.errors import EngineMismatch, SsuError

Verdict = Literal["good", "warning", "missing"]
_RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
_MEND_PACKAGES = "pip install '.[cpu]'"
_MEND_CLIENT = "pip install '.[triton]'"
_MEND_RUNTIME = f"pip uninstall -y {' '.join(_RUNTIMES)} && pip install '.[cpu]'   # or .[gpu]"
_OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    name: str
    verdict: Verdict
    found: str
    mend: str = ""
    """The command or step that fixes the problem."""


def examine(settings: Settings, *, port: int) -> Iterator[Check]:
    """Check everything the service needs with these settings on this machine."""
    yield _python()
    yield _system()
    yield _packages()
    yield from _runtime(settings)
    yield _cores(settings)
    yield from _ffmpeg()
    yield _fonts()
    yield _sandbox(settings)
    yield _models(settings)
    if settings.engine == "triton":
        yield _triton(settings)
    yield _port(port)


def _python() -> Check:
    new_enough = sys.version_info >= _OLDEST_PYTHON
    return Check(
        "python",
        "good" if new_enough else "missing",
        f"{platform.python_version()}, {sys.executable}",
        "" if new_enough else "install Python 3.11 or newer",
    )


def _system() -> Check:
    able = hasattr(os, "memfd_create") and hasattr(os, "sched_getaffinity")
    return Check(
        "system",
        "good" if able else "missing",
        f"{platform.system()} {platform.release()}, {platform.machine()}",
        "" if able else "the service needs Linux; elsewhere use its container image",
    )


def _packages() -> Check:
    versions = {name: installation.version_of(name) for name in installation.required_packages()}
    absent = [name for name, version in versions.items() if version is None]
    if absent or not versions:
        lacking = ", ".join(absent) or "the list of required packages is unknown"
        return Check("packages", "missing", f"missing: {lacking}", _MEND_PACKAGES)
    found = ", ".join(f"{name} {version}" for name, version in versions.items())
    return Check("packages", "good", f"ssuformer {installation.version()}; {found}")


def _runtime(settings: Settings) -> Iterator[Check]:
    """Check the engine: its package, conflicting packages, its execution providers."""
    if settings.engine == "triton":
        yield _client()
        return
    installed = {name: installation.version_of(name) for name in _RUNTIMES}
    there = [f"{name} {version}" for name, version in installed.items() if version]
    needed: Verdict = "missing" if settings.engine == "onnx" else "warning"
    try:
        import onnxruntime
    except ImportError as error:
        mend = _MEND_RUNTIME if there else _MEND_PACKAGES
        yield Check("engine", needed, f"onnxruntime cannot be imported: {error}", mend)
        return
    yield Check("engine", "good", f"{settings.engine}: {', '.join(there)}")
    if len(there) > 1:
        clash = "both are installed: one overwrites files of the other"
        yield Check("engine", "warning", clash, _MEND_RUNTIME)
    yield Check("providers", "good", ", ".join(onnxruntime.get_available_providers()))


def _client() -> Check:
    version = installation.version_of("tritonclient")
    if version is None:
        return Check("engine", "missing", "tritonclient is not installed", _MEND_CLIENT)
    return Check("engine", "good", f"triton: tritonclient {version}")


def _cores(settings: Settings) -> Check:
    cores, threads = available_cores(), settings.engine_threads
    affinity = len(os.sched_getaffinity(0))
    found = (
        f"{os.cpu_count()} in the machine, {affinity} by affinity, {cores} by the cgroup's quota; "
        f"threads per inference: {threads}"
    )
    if threads > cores:
        return Check("cores", "warning", found, f"export SSU_ENGINE_THREADS={cores}")
    return Check("cores", "good", found)


def _ffmpeg() -> Iterator[Check]:
    """Check the FFmpeg inside PyAV: version, containers, decoders and encoders."""
    mend = "pip install --force-reinstall av"
    try:
        import av
        import av.codec
        import av.format
    except ImportError as error:
        yield Check("ffmpeg", "missing", f"PyAV cannot be imported: {error}", mend)
        return
    libraries = ", ".join(
        f"{name} {'.'.join(map(str, number))}" for name, number in av.library_versions.items()
    )
    yield Check("ffmpeg", "good", f"{av.ffmpeg_version_info} in PyAV {av.__version__}: {libraries}")

    from ssuformer.media.file_kind import FORMATS
    from ssuformer.media.opening import AUDIO_CODECS, VIDEO_CODECS

    yield _available("containers", FORMATS.split(","), _opens)
    yield _available("decoders", sorted(VIDEO_CODECS | AUDIO_CODECS), _codec("r"))
    yield _available("encoders", ["libx264", "aac"], _codec("w"))


def _available(name: str, wanted: list[str], exists: Callable[[str], bool]) -> Check:
    absent = [one for one in wanted if not exists(one)]
    if absent:
        found = f"this FFmpeg lacks {', '.join(absent)}"
        return Check(name, "warning", found, "pip install --force-reinstall --only-binary av av")
    return Check(name, "good", ", ".join(wanted))


def _opens(name: str) -> bool:
    from av.format import formats_available

    return any(name in known.split(",") for known in formats_available)


def _codec(mode: Literal["r", "w"]) -> Callable[[str], bool]:
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    def exists(name: str) -> bool:
        try:
            Codec(name, mode)
        except UnknownCodecError:
            return False
        return True

    return exists


def _fonts() -> Check:
    from PIL import features

    if features.check("freetype2"):
        return Check("text", "good", f"FreeType {features.version('freetype2')} in Pillow")
    mend = "pip install --force-reinstall --only-binary pillow pillow"
    return Check("text", "warning", "Pillow has no FreeType: text on overlays is tiny", mend)


def _sandbox(settings: Settings) -> Check:
    """Check which layers around the decoding processes this machine gives."""
    from service.understanding.sandbox import layers, probe

    if settings.sandbox == "off":
        return Check("sandbox", "warning", "off: clips are decoded without", "unset SSU_SANDBOX")
    report = dict.fromkeys(layers.Layer, "not tried") | probe.available()
    found = ", ".join(layer for layer, state in report.items() if state == layers.ON)
    absent = [f"{layer} ({state})" for layer, state in report.items() if state != layers.ON]
    found += f"; not here: {', '.join(absent)}" if absent else ""
    if not layers.lacking(report):
        return Check("sandbox", "good", found)
    needed: Verdict = "missing" if settings.sandbox == "required" else "warning"
    mend = "let the process call prctl, seccomp and memfd_create, on x86-64 or ARM64"
    return Check("sandbox", needed, found, mend)


def _models(settings: Settings) -> Check:
    """Check the model repository: both models present, complete, and of the same weights.

    If a Triton server runs the models, the manifests are enough here.
    """
    from ssuformer.repository import open_repository, read_labels

    folder = settings.model_repository
    try:
        files = (read_labels if settings.engine == "triton" else open_repository)(folder)
    except SsuError as error:
        needed: Verdict = "warning" if settings.engine == "fake" else "missing"
        mend = f"python -m model_export export CHECKPOINT --out {folder}"
        return Check("models", needed, f"{error.code}: {error.message}", mend)
    label = files.manifest
    held = "is to be the server's" if settings.engine == "triton" else "holds"
    found = f"{label.name} {label.version} in {folder}, digest {files.digest[:12]} {held}"
    return Check("models", "good", found)


def _triton(settings: Settings) -> Check:
    """Check that the Triton server is reachable and has the models of the manifests."""
    address = settings.triton_address
    try:
        asyncio.run(_ask_triton(settings))
    except ImportError as error:
        found = f"tritonclient cannot be imported: {error}"
        return Check("triton", "missing", found, _MEND_CLIENT)
    except EngineMismatch as error:
        found = f"{address}: {error.code}: {error.message}"
        return Check("triton", "missing", found, "point --models at the server's repository")
    except SsuError as error:
        found = f"{address}: {error.code}: {error.message}"
        port = address.rpartition(":")[2]
        return Check(
            "triton",
            "missing",
            found,
            f"ssu triton --models {settings.model_repository} --grpc-port {port}",
        )
    return Check("triton", "good", f"{address} has both models, with matching weights")


async def _ask_triton(settings: Settings) -> None:
    from service.engines.triton import TritonEngine

    engine = TritonEngine(settings, Metrics())
    try:
        for model in (SEGMENTATION, CAPTION):
            await engine.check(model)
    finally:
        await engine.close()


def _port(port: int) -> Check:
    try:
        with closing(socket.create_server(("127.0.0.1", port))):
            return Check("port", "good", f"{port} is free")
    except OSError as error:
        return Check("port", "warning", f"{port}: {error.strerror}", "ssu serve --port 0")
