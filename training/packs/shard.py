"""Packs as one small file for another machine: what training and validation need, recompressed.

    python -m zipfile -e shard.zip ~/.cache/ssu/packs     unpacks it there

Files keep their names, as their readers go by content: pictures become WebP, recordings Opus in
Ogg, both lossy. So scenes differ from those of the original: scores are measured on the original.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
from PIL import Image
from rich.progress import track

from ssuformer.errors import ConfigError
from ssuformer.terminal import console
from training.packs.pack import MANIFEST, AssetPack
from training.packs.recordings import read_sound
from training.packs.synthesis import SAMPLE_RATE, Wave

LONGEST_SIDE = 256
"""Of a picture, in pixels: scenes are 224 px wide, and show a part of it."""
QUALITY = {".jpg": 40, ".png": 60}
"""WebP's, of photographs, and of cut-outs and outlines."""
BITS_PER_SECOND = 13_000
"""Of a recording."""


def write_shard(packs: Iterable[Path], out: Path) -> None:
    """Write the training and validation material of packs into one file.

    Raises ConfigError for a folder that is no pack, and for a file that cannot be read.
    """
    files = {path: f"{root.name}/{path.relative_to(root)}" for root in packs for path in _of(root)}
    out.parent.mkdir(parents=True, exist_ok=True)
    # What encodes pictures and sounds lets other threads run.
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        small = track(pool.map(_small, files), "recompressing", len(files), console=console())
        for name, stored in zip(files.values(), small, strict=True):
            archive.writestr(name, stored)


def _of(root: Path) -> list[Path]:
    """Return the files of a pack that training or validation uses."""
    if (root / MANIFEST).is_file():
        items = AssetPack.open(root).manifest.items
        kept = [root / i.path for i in items if i.serves("train") or i.serves("val")]
        return [root / MANIFEST, *kept]
    kept = sorted(p for p in root.rglob("*") if p.suffix in (".wav", ".json", *QUALITY))
    if not kept:
        raise ConfigError(f"{root} is no pack: it contains no pictures and no recordings")
    return kept


def _small(path: Path) -> bytes:
    if path.suffix == ".json":
        return path.read_bytes()
    return to_webp(path) if path.suffix in QUALITY else to_opus(read_sound(path))


def to_webp(path: Path) -> bytes:
    """Return a picture at most `LONGEST_SIDE` wide and high; ConfigError if it is none."""
    try:
        with Image.open(path) as picture:
            small = picture.convert("RGBA" if "A" in picture.getbands() else "RGB")
    except OSError as error:
        raise ConfigError(f"{path} is not a picture: {error}") from error
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    stored = io.BytesIO()
    small.save(stored, "WEBP", quality=QUALITY[path.suffix], method=6)
    return stored.getvalue()


def to_opus(wave: Wave) -> bytes:
    """Return a mono sound at 16 kHz as Opus in Ogg.

    `lowdelay` is Opus without its model of speech, which loses a third of the level of rain, and
    which FFmpeg's decoder returns five times too loud where a siren rises.
    """
    stored = io.BytesIO()
    with av.open(stored, "w", format="ogg") as container:
        options = {"b": str(BITS_PER_SECOND), "application": "lowdelay"}
        stream = container.add_stream("libopus", SAMPLE_RATE, options, layout="mono")
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
