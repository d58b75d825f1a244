"""The model repository on disk, laid out as Triton wants it: `<model>/<version>/model.onnx`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ssuformer.contract import CAPTION, SEGMENTATION
from ssuformer.errors import ConfigError, EngineMismatch, EngineUnavailable
from ssuformer.manifest import FILE_NAME, Manifest, digest

MODEL_FILE = "model.onnx"
_WEIGHTS = "model.safetensors"
_SAME_WEIGHTS = ("name", "version", "created", "git_revision", "dimensions", "vocabulary")


@dataclass(frozen=True, slots=True)
class Repository:
    """Both engines' files, newest version each, made from the same weights."""

    segmentation: Path
    caption: Path
    manifest: Manifest
    digest: str


@dataclass(frozen=True, slots=True)
class Labels:
    """What the manifests of a repository say, whose models are loaded elsewhere."""

    manifest: Manifest
    digest: str
    versions: Mapping[str, int]
    """The number of each model's newest version, the one that the manifest is of."""


def open_repository(folder: Path) -> Repository:
    """Find both engines' files and check that they belong together and are whole."""
    segmentation, caption = (_newest(folder / name, MODEL_FILE) for name in (SEGMENTATION, CAPTION))
    manifest, other = _label(segmentation), _label(caption)
    _check_same_weights(manifest, other)
    for version, label in ((segmentation, manifest), (caption, other)):
        _check_digest(version, label)
    return Repository(
        segmentation=segmentation / MODEL_FILE,
        caption=caption / MODEL_FILE,
        manifest=manifest,
        digest=_digest(segmentation, manifest),
    )


def read_labels(folder: Path) -> Labels:
    """Read both engines' manifests and check that they belong together; no model need be there."""
    found = {name: _newest(folder / name, FILE_NAME) for name in (SEGMENTATION, CAPTION)}
    manifest, other = (_label(version) for version in found.values())
    _check_same_weights(manifest, other)
    return Labels(
        manifest=manifest,
        digest=_digest(found[SEGMENTATION], manifest),
        versions={name: int(version.name) for name, version in found.items()},
    )


def _newest(model: Path, file: str) -> Path:
    """Return the folder of the highest version number that holds such a file."""
    versions = [
        path for path in model.glob("*") if path.name.isdecimal() and (path / file).is_file()
    ]
    if not versions:
        raise EngineUnavailable(f"{model} holds no <version>/{file}; export a model first")
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


def _check_digest(version: Path, label: Manifest) -> None:
    """Hold a model file against its manifest."""
    actual = digest(version / MODEL_FILE)
    stated = label.digests.get(MODEL_FILE, actual)
    if actual != stated:
        raise EngineMismatch(
            f"{version / MODEL_FILE} is not the file its manifest was written for",
            limit=stated,
            actual=actual,
        )


def _digest(version: Path, label: Manifest) -> str:
    """Return what tells the weights from others: their digest, or at least the exported file's."""
    for name in (_WEIGHTS, MODEL_FILE):
        if name in label.digests:
            return label.digests[name]
    if (version / MODEL_FILE).is_file():
        return digest(version / MODEL_FILE)
    raise EngineMismatch(f"the manifest in {version} has no digest of {_WEIGHTS}")
