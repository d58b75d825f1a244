"""Answers in the formats of the service, written here: needs the service's packages."""

from __future__ import annotations

import io
from pathlib import Path

from ssuformer.errors import ConfigError, OptionError
from ssuformer.run_lengths import Mask


def write(answer: bytes, name: str, clip: Path | bytes | None) -> bytes:
    """Return an answer, a JSON document, in the format of this name."""
    try:
        from service.formats.catalogue import named
        from service.formats.clip_names import ClipName
        from service.formats.format import Material
        from service.understanding.schemas import Understanding
    except ModuleNotFoundError as error:
        raise lacking(f"the format {name}", error) from error
    form = named(name)
    called = ClipName.of(clip.name) if isinstance(clip, Path) else ClipName()
    found = Understanding.model_validate_json(answer)
    material = Material(found, called.stem, clip, suffix=called.suffix)
    form.check(masks=material.masks, clip=clip is not None)
    out = io.BytesIO()
    form.write(material, out)
    return out.getvalue()


def name_for(file: str) -> str:
    """Return the format whose suffix fits a file's name best; OptionError if none does."""
    if Path(file).suffixes == [".json"]:
        return "json"
    try:
        from service.formats.catalogue import every
    except ModuleNotFoundError as error:
        raise lacking(f"the format of {file}", error) from error
    fitting = [one for one in every() if file.endswith(one.suffix)]
    if not fitting:
        known = ", ".join(one.suffix for one in every())
        raise OptionError(f"{file}: no format has such a suffix; there are {known}", actual=file)
    return max(fitting, key=lambda one: len(one.suffix)).name


def read_png(size: tuple[int, int], png: str) -> Mask:
    """Return the mask of a black-and-white PNG in base64."""
    try:
        from service.understanding.mask_formats import PngMask
    except ModuleNotFoundError as error:
        raise lacking("a mask as PNG", error) from error
    return PngMask(size=size, png=png).to_mask()


def lacking(what: str, error: ModuleNotFoundError) -> ConfigError:
    """Return the error of what needs a package that is not installed."""
    return ConfigError(
        f"{what} needs {error.name}, which is not installed: pip install 'ssuformer[cpu]'"
    )
