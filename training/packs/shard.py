"""Packs as one small file for another machine: what training and validation need, recompressed.

    SHARD.zip
      shard.json                        ShardIndex: how it was made, the length of each recording
      PACK/manifest.json, films.json    as they are, but manifests name no test material
      PACK/photos/<class>/<name>.jpg    WebP: pictures smaller, lossy; outlines and cut-outs too
      PACK/sounds/<category>/<name>.wav Opus in Ogg: lossy, of the same length

The names are those of the files that unpacking writes again, so that packs open as they do here.
Recompressed material gives other scenes than the original: scores are measured on the original.
"""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import cast

import av
import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from ssuformer.errors import ConfigError
from training.packs.pack import MANIFEST, PackManifest
from training.packs.recordings import read_sound, write_sound
from training.packs.synthesis import SAMPLE_RATE, Wave

INDEX = "shard.json"
SOUND, PHOTOGRAPH, DRAWING, TEXT = ".wav", ".jpg", ".png", ".json"
STORED_QUALITY = 92
"""Quality of the photographs that unpacking writes."""


class Compression(BaseModel):
    """How much is kept of pictures and recordings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    side: PositiveInt = 256
    """Longest side of a picture in pixels; scenes are 224 px wide, and show a part of it."""
    quality: PositiveInt = 45
    """WebP's quality of a photograph."""
    drawing_quality: PositiveInt = 60
    """WebP's quality of cut-outs and outlines."""
    bits_per_second: PositiveInt = 14_000
    """Of a recording."""


class ShardIndex(BaseModel):
    """How a shard was made, and the number of samples of each recording."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    packs: tuple[str, ...]
    compression: Compression
    samples: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Packed:
    """A file of a shard: its name there, its bytes, and its samples if it is a recording."""

    name: str
    stored: bytes
    samples: int | None = None


Progress = Callable[[str, int], None]
"""Is called with the name of each finished file and the number of all."""


def write_shard(
    packs: Mapping[str, Path],
    out: Path,
    *,
    compression: Compression,
    processes: int = 1,
    progress: Progress = lambda _name, _total: None,
) -> ShardIndex:
    """Write the training and validation material of packs, by name, into one file.

    Raises ConfigError for a folder that is no pack, and for a file that cannot be read.
    """
    # Entries have no time of day: the same packs give the same shard.
    files = [
        (f"{name}/{path}", root / path) for name, root in packs.items() for path in _kept(root)
    ]
    samples: dict[str, int] = {}
    out.parent.mkdir(parents=True, exist_ok=True)
    half_written = out.with_name(f"{out.name}.part")
    with zipfile.ZipFile(half_written, "w") as archive, _mapped(processes) as mapped:
        for packed in mapped(partial(_compressed, compression=compression), files):
            text = packed.name.endswith(TEXT)
            how = zipfile.ZIP_DEFLATED if text else zipfile.ZIP_STORED
            archive.writestr(zipfile.ZipInfo(packed.name), packed.stored, how)
            if packed.samples is not None:
                samples[packed.name] = packed.samples
            progress(packed.name, len(files))
        index = ShardIndex(packs=tuple(packs), compression=compression, samples=samples)
        archive.writestr(zipfile.ZipInfo(INDEX), index.model_dump_json(), zipfile.ZIP_DEFLATED)
    half_written.replace(out)
    return index


def unpack_shard(
    shard: Path,
    out: Path,
    *,
    processes: int = 1,
    progress: Progress = lambda _name, _total: None,
) -> tuple[Path, ...]:
    """Write the packs of a shard as folders of `out`; return those that were not there yet.

    A pack that is there stays as it is. Raises ConfigError if the file is no shard.
    """
    index, names = _opened(shard)
    new = tuple(name for name in index.packs if not (out / name).exists())
    drafts = {name: out / f".{name}.draft" for name in new}
    for draft in drafts.values():
        shutil.rmtree(draft, ignore_errors=True)
    wanted = [name for name in names if PurePosixPath(name).parts[0] in drafts]
    with zipfile.ZipFile(shard) as archive, _mapped(processes) as mapped:
        packed = (_Packed(name, archive.read(name), index.samples.get(name)) for name in wanted)
        for name in mapped(partial(_unpacked, drafts), packed):
            progress(name, len(wanted))
    for name, draft in drafts.items():
        draft.rename(out / name)
    return tuple(out / name for name in new)


@contextmanager
def _mapped(processes: int) -> Iterator[Callable[..., Iterator[_Packed | str]]]:
    """Yield a `map` over this many processes, in order."""
    if processes == 1:
        yield map
        return
    with ProcessPoolExecutor(processes) as pool:
        yield partial(pool.map, chunksize=16)


def _kept(root: Path) -> Sequence[str]:
    """Return the files of a pack that training or validation uses, its manifest first."""
    if (root / MANIFEST).is_file():
        return [MANIFEST, *(item.path for item in _trained(root / MANIFEST).items)]
    kept = [
        path.relative_to(root).as_posix()
        for path in sorted(root.rglob("*"))
        if path.suffix in (SOUND, PHOTOGRAPH, DRAWING, TEXT)
    ]
    if not kept:
        raise ConfigError(f"{root} is no pack: it contains no pictures and no recordings")
    return kept


def _trained(manifest: Path) -> PackManifest:
    """Return the manifest of a pack without what only tests use."""
    try:
        whole = PackManifest.model_validate_json(manifest.read_bytes())
    except ValidationError as error:
        raise ConfigError(f"{manifest} is not a manifest: {error.errors()[0]['msg']}") from error
    items = tuple(item for item in whole.items if item.serves("train") or item.serves("val"))
    return whole.model_copy(update={"items": items})


def _compressed(file: tuple[str, Path], *, compression: Compression) -> _Packed:
    name, path = file
    if path.suffix == SOUND:
        wave = read_sound(path)
        return _Packed(name, to_opus(wave, compression.bits_per_second), len(wave))
    if path.suffix == TEXT:
        manifest = path.name == MANIFEST
        return _Packed(
            name, _trained(path).model_dump_json().encode() if manifest else _compact(path)
        )
    quality = compression.quality if path.suffix == PHOTOGRAPH else compression.drawing_quality
    return _Packed(name, _to_webp(path, side=compression.side, quality=quality))


def _compact(path: Path) -> bytes:
    return json.dumps(json.loads(path.read_bytes()), separators=(",", ":")).encode()


def _to_webp(path: Path, *, side: int, quality: int) -> bytes:
    try:
        with Image.open(path) as picture:
            form = "RGBA" if "A" in picture.getbands() else "RGB"
            small = picture.convert(form)
    except OSError as error:
        raise ConfigError(f"{path} is not a picture: {error}") from error
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    stored = io.BytesIO()
    small.save(stored, "WEBP", quality=quality, method=6)
    return stored.getvalue()


def to_opus(wave: Wave, bits_per_second: int) -> bytes:
    """Return a mono sound at 16 kHz as Opus in Ogg.

    `lowdelay` is Opus without its model of speech, which loses a third of the level of rain, and
    which FFmpeg's decoder returns five times too loud where a siren rises.
    """
    stored = io.BytesIO()
    # Without +bitexact, streams have random numbers.
    with av.open(stored, "w", format="ogg", container_options={"fflags": "+bitexact"}) as container:
        options = {"b": str(bits_per_second), "application": "lowdelay"}
        stream = cast(
            av.AudioStream,
            container.add_stream("libopus", rate=SAMPLE_RATE, layout="mono", options=options),
        )
        sound = av.AudioFrame.from_ndarray(wave[None], format="flt", layout="mono")
        sound.sample_rate = SAMPLE_RATE
        resampler = av.AudioResampler(
            format=stream.format.name, layout="mono", rate=SAMPLE_RATE,
            frame_size=stream.codec_context.frame_size,
        )  # fmt: skip
        for frame in [*resampler.resample(sound), *resampler.resample(None)]:
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return stored.getvalue()


def _opened(shard: Path) -> tuple[ShardIndex, list[str]]:
    """Return the index of a shard and the names of its other files, or raise ConfigError."""
    try:
        with zipfile.ZipFile(shard) as archive:
            index = ShardIndex.model_validate_json(archive.read(INDEX))
            names = [name for name in archive.namelist() if name != INDEX]
    except (OSError, KeyError, zipfile.BadZipFile, ValidationError) as error:
        why = "" if isinstance(error, ValidationError) else f": {error}"
        raise ConfigError(f"{shard} is no shard of `python -m training pack shard`{why}") from error
    for name in (*names, *index.packs):
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or not name:
            raise ConfigError(f"{shard} names a file outside its packs: {name!r}")
    return index, names


def _unpacked(drafts: Mapping[str, Path], packed: _Packed) -> str:
    """Write a file of a shard in its own format again; return its name."""
    pack, *rest = PurePosixPath(packed.name).parts
    path = drafts[pack].joinpath(*rest)
    path.parent.mkdir(parents=True, exist_ok=True)
    if packed.samples is not None:
        _write_recording(path, packed.stored, packed.samples)
    elif path.suffix == TEXT:
        path.write_bytes(packed.stored)
    else:
        _write_picture(path, packed.stored)
    return packed.name


def _write_recording(path: Path, stored: bytes, samples: int) -> None:
    opus = path.with_suffix(".ogg")
    opus.write_bytes(stored)
    wave = read_sound(opus)[:samples]
    opus.unlink()
    write_sound(path, np.pad(wave, (0, samples - len(wave))).clip(-1, 1))


def _write_picture(path: Path, stored: bytes) -> None:
    with Image.open(io.BytesIO(stored)) as picture:
        if path.suffix == PHOTOGRAPH:
            picture.convert("RGB").save(path, quality=STORED_QUALITY)
        else:
            picture.save(path)
