"""The model repository on disk, laid out as Triton wants it: `<model>/<version>/model.onnx`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ssuformer.contract import CAPTION, SEGMENTATION
from ssuformer.errors import ConfigError, EngineMismatch, EngineUnavailable
from ssuformer.manifest import FILE_NAME, Manifest, digest

MODEL_FILE = "model.onnx"
_SAME_WEIGHTS = ("name", "version", "created", "git_revision", "dimensions", "vocabulary")


@dataclass(frozen=True, slots=True)
class Repository:
    """Both engines' files, newest version each, made from the same weights."""

    segmentation: Path
    caption: Path
    manifest: Manifest
    digest: str


def open_repository(folder: Path) -> Repository:
    """Find both engines' files and check that they belong together and are whole."""
    segmentation, caption = _newest(folder / SEGMENTATION), _newest(folder / CAPTION)
    manifest, other = _label(segmentation), _label(caption)
    _check_same_weights(manifest, other)
    whole = [
        _check_digest(file, label) for file, label in ((segmentation, manifest), (caption, other))
    ]
    return Repository(
        segmentation=segmentation / MODEL_FILE,
        caption=caption / MODEL_FILE,
        manifest=manifest,
        digest=manifest.digests.get("model.safetensors", whole[0]),
    )


def _newest(model: Path) -> Path:
    """Return the folder of the highest version number that holds a model."""
    versions = [
        path for path in model.glob("*") if path.name.isdecimal() and (path / MODEL_FILE).is_file()
    ]
    if not versions:
        raise EngineUnavailable(f"{model} holds no <version>/{MODEL_FILE}; export a model first")
    return max(versions, key=lambda path: int(path.name))


def _label(version: Path) -> Manifest:
    try:
        return Manifest.read(version)
    except ConfigError as error:
        raise EngineMismatch(error.message) from error


def _check_same_weights(one: Manifest, other: Manifest) -> None:
    differing = [name for name in _SAME_WEIGHTS if getattr(one, name) != getattr(other, name)]
    shared = (one.digests.keys() & other.digests.keys()) - {MODEL_FILE, FILE_NAME}
    differing += [f"digest of {k}" for k in sorted(shared) if one.digests[k] != other.digests[k]]
    if differing:
        raise EngineMismatch(
            f"{SEGMENTATION} and {CAPTION} are not from the same weights: {', '.join(differing)}"
        )


def _check_digest(version: Path, label: Manifest) -> str:
    """Return the SHA-256 of a model file after holding it against its manifest."""
    actual = digest(version / MODEL_FILE)
    stated = label.digests.get(MODEL_FILE, actual)
    if actual != stated:
        raise EngineMismatch(
            f"{version / MODEL_FILE} is not the file its manifest was written for",
            limit=stated,
            actual=actual,
        )
    return actual
