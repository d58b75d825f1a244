"""The model repository on disk, in Triton's layout: `<model>/<version>/model.onnx`.

This module alone defines file locations and names, not file contents. The exception is
`service/triton_server/backend.py`, which cannot import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ssuformer.contract import CAPTION, MODELS, SEGMENTATION
from ssuformer.errors import ConfigError, EngineMismatch, EngineUnavailable
from ssuformer.manifest import FILE_NAME, Manifest, digest

MODEL = "model.onnx"
PLAN = "model.plan"
WEIGHTS = "model.safetensors"
"""The checkpoint file both engines are made from; an equal digest identifies a matching pair."""

REPOSITORY = "triton_repo"
SAMPLES = "samples"
CONFIG = "config.pbtxt"
VARIANTS = "configs"
_SAME_WEIGHTS = ("name", "version", "created", "git_revision", "dimensions", "vocabulary")


@dataclass(frozen=True, slots=True)
class Pair:
    """Both engines of one version, made from the same weights; the files may be on a server."""

    version: int
    manifest: Manifest
    digest: str
    segmentation: Path
    caption: Path


def default_repository() -> Path:
    """Return `triton_repo` of the current folder, of the checkout, or of the installed package.

    The first that exists; `triton_repo` if there is none.
    """
    here, package = Path(REPOSITORY), Path(__file__).parent
    places = (here, package.parent / REPOSITORY, package / REPOSITORY)
    return next((place for place in places if place.is_dir()), here)


def default_samples() -> Path | None:
    """Return `samples` of the checkout, or of the installed package; None if there is none."""
    package = Path(__file__).parent
    places = (package.parent / SAMPLES, package / SAMPLES)
    return next((place for place in places if place.is_dir()), None)


def weights_parameter(version: int) -> str:
    """Return the configuration parameter that contains the digest of a version's weights."""
    return f"weights_sha256.{version}"


def version_folder(repository: Path, model: str, version: int) -> Path:
    """Return the folder of one version of a model."""
    return repository / model / str(version)


def staged_folder(repository: Path, model: str, version: int) -> Path:
    """Return the staging folder of a version, which servers ignore."""
    return repository / model / f"{version}.new"


def model_names(repository: Path) -> list[str]:
    """Return the models that a server finds in the repository."""
    return sorted(path.parent.name for path in repository.glob(f"*/{CONFIG}"))


def read_manifests(repository: Path, model: str) -> dict[int, Manifest]:
    """Return the manifests of a model by version number."""
    return {
        number: Manifest.read(version_folder(repository, model, number))
        for number in _versions(repository / model, FILE_NAME)
    }


def open_repository(folder: Path, version: int | None = None) -> Pair:
    """Find both engines' files, by default the newest, and check that they match and are intact."""
    return _pair(folder, versions(folder, MODEL)[0] if version is None else version, whole=True)


def read_labels(folder: Path, version: int | None = None) -> Pair:
    """Read both engines' manifests and check that they match; the models need not be there."""
    return _pair(folder, versions(folder, FILE_NAME)[0] if version is None else version)


def _pair(folder: Path, version: int, *, whole: bool = False) -> Pair:
    segmentation, caption = (version_folder(folder, name, version) for name in MODELS)
    manifest, other = _label(segmentation), _label(caption)
    _check_same_weights(manifest, other)
    if whole:
        _check_digest(segmentation, manifest)
        _check_digest(caption, other)
    weights = _digest(segmentation, manifest)
    return Pair(version, manifest, weights, segmentation / MODEL, caption / MODEL)


def versions(folder: Path, file: str) -> list[int]:
    """Return the versions for which both models have such a file, the highest first.

    A version that is still being written may exist for one model only; it is left out.
    Raises EngineUnavailable if there is none.
    """
    found = [_versions(folder / name, file) for name in MODELS]
    for name, numbers in zip(MODELS, found, strict=True):
        if not numbers:
            raise EngineUnavailable(
                f"{folder / name} contains no <version>/{file}; export a model first"
            )
    both = found[0] & found[1]
    if not both:
        raise EngineUnavailable(
            f"{folder} has no version of both {SEGMENTATION} and {CAPTION}; export a model first"
        )
    return sorted(both, reverse=True)


def _versions(model: Path, file: str) -> set[int]:
    return {
        int(path.name)
        for path in model.glob("*")
        if path.name.isdecimal() and (path / file).is_file()
    }


def _label(version: Path) -> Manifest:
    try:
        return Manifest.read(version)
    except ConfigError as error:
        raise EngineMismatch(error.message) from error


def _check_same_weights(one: Manifest, other: Manifest) -> None:
    differing = [name for name in _SAME_WEIGHTS if getattr(one, name) != getattr(other, name)]
    shared = (one.digests.keys() & other.digests.keys()) - {MODEL, FILE_NAME}
    differing += [f"digest of {k}" for k in sorted(shared) if one.digests[k] != other.digests[k]]
    if differing:
        raise EngineMismatch(
            f"{SEGMENTATION} and {CAPTION} are not from the same weights: {', '.join(differing)}"
        )


def _check_digest(version: Path, label: Manifest) -> None:
    """Compare a model file with its manifest."""
    actual = digest(version / MODEL)
    stated = label.digests.get(MODEL, actual)
    if actual != stated:
        raise EngineMismatch(
            f"{version / MODEL} is not the file its manifest was written for",
            limit=stated,
            actual=actual,
        )


def _digest(version: Path, label: Manifest) -> str:
    """Return the digest of the weights, or of the exported file if there is none."""
    for name in (WEIGHTS, MODEL):
        if name in label.digests:
            return label.digests[name]
    if (version / MODEL).is_file():
        return digest(version / MODEL)
    raise EngineMismatch(f"the manifest in {version} has no digest of {WEIGHTS}")
