"""The pack `films`: photographs with the outline of their main thing, and recordings.

    PACK/photos/<class>/<name>.jpg    longest side at most 400 px
    PACK/photos/<class>/<name>.png    the outline, 0..255; missing if there is no one clear thing
    PACK/sounds/<category>/<name>.wav mono 16 kHz, at most six seconds, without long pauses
    PACK/films.json                   where each file comes from

Axes: h w pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from pydantic import BaseModel, ConfigDict

from ssuformer.errors import ConfigError
from ssuformer.manifest import digest
from ssuformer.published import Published
from ssuformer.salience import U2NETP, Salience
from training.categories import CATEGORIES
from training.packs.melodies import FILM_MELODIES, SOUNDFONT, Melody, play
from training.packs.recordings import finish, read_sound, write_sound

Pixels = npt.NDArray[np.uint8]

INDEX = "films.json"
LONGEST_SIDE = 400
SMALLEST_SHARE, LARGEST_SHARE = 0.04, 0.9
"""Share of the picture that a main thing covers."""
MOST_DOUBT = 0.25
"""Largest share of uncertain pixels (0.2 to 0.8) to certain ones."""

VOICES = (
    ("/usr/share/asterisk/sounds", "**/*.wav"),
    ("/usr/share/klettres", "**/*.ogg"),
    ("/usr/share/tuxpaint/stamps", "**/*_desc*.ogg"),
)
"""People who speak, in Debian's asterisk-core-sounds-en-wav, klettres-data and
tuxpaint-stamps-default."""
SIGNALS = (
    *("ascending-2tone", "beep", "beeperr", "confbridge-join", "confbridge-leave"),
    "descending-2tone",
)
"""Files among the voices that hold tones; those in a folder `silence` hold no voice either."""
VOICE_COUNT = 600
"""Recordings taken from each of them."""
MELODY_COUNT = 30
"""Phrases played of each instrument."""


class FilmItem(BaseModel):
    """A file of the pack and the file it was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    origin: str
    sha256: str
    """Of the original file; of the file itself, if it was played by a synthesiser."""


class FilmIndex(BaseModel):
    """Every file of the pack."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str
    teachers: tuple[Published, ...] = ()
    """Models that drew the outlines."""
    items: tuple[FilmItem, ...]
    left_out: tuple[str, ...] = ()
    """Recordings that are silent or that FFmpeg cannot read."""


class Outliner:
    """Finds the main thing of a photograph."""

    def __init__(self) -> None:
        self._salience = Salience()

    def outline(self, rgb: Pixels) -> Pixels:
        """Return `[h w]`, 0..255: how surely each pixel belongs to the main thing."""
        found = self._salience.find(rgb)
        low, high = float(found.min()), float(found.max())
        share = (found - low) / max(high - low, 1e-6)
        mask = Image.fromarray((255 * share).astype(np.uint8))
        return np.asarray(mask.resize((rgb.shape[1], rgb.shape[0]), Image.Resampling.BILINEAR))


def passes(mask: Pixels) -> bool:
    """Return whether an outline is of one clear thing, neither tiny nor the whole picture."""
    sure = np.count_nonzero(mask > 204) / mask.size
    doubt = np.count_nonzero((mask > 51) & (mask <= 204)) / mask.size
    return bool(SMALLEST_SHARE <= sure <= LARGEST_SHARE and doubt <= MOST_DOUBT * sure)


def read_photograph(path: Path) -> Pixels:
    """Return a picture as `[h w 3]` RGB with its longest side at most 400 px, or ConfigError."""
    try:
        with Image.open(path) as picture:
            rgb = picture.convert("RGB")
            rgb.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
            return np.asarray(rgb)
    except OSError as error:
        raise ConfigError(f"{path} is not a picture: {error}") from error


def build(
    out: Path,
    photos: Sequence[Path],
    sounds: Sequence[Path],
    *,
    voices: Sequence[tuple[str, str]] = VOICES,
    progress: Callable[[str, int], None] = lambda _name, _total: None,
) -> FilmIndex:
    """Build or complete the pack in `out`; a stopped build goes on where it was.

    `photos` are folders in the layout of 101_ObjectCategories, one folder per class; `sounds` are
    folders of the recordings that the table of categories names. `progress` gets each file's name
    and the number of all. Recordings that are silent or cannot be read are left out. Raises
    ConfigError for a folder or a picture that cannot be used.
    """
    pictures = [path for folder in photos for path in _files(folder, "*/*.jpg")]
    recordings = list(_recordings(sounds, voices))
    total = len(pictures) + len(recordings)
    items: list[FilmItem] = []
    outliner = Outliner()
    for path in pictures:
        items.append(_store_photograph(out, path, outliner))
        progress(path.name, total)
    left_out: list[str] = []
    for category, path in recordings:
        item = _store_recording(out, category, path)
        if item is None:
            left_out.append(str(path))
        else:
            items.append(item)
        progress(path.name, total)
    for category, melody in FILM_MELODIES.items():
        items += _store_melodies(out, category, melody)
    index = FilmIndex(
        command="python -m training pack films",
        teachers=(U2NETP,),
        items=tuple(items),
        left_out=tuple(left_out),
    )
    (out / INDEX).write_text(index.model_dump_json(indent=1) + "\n")
    return index


def _store_photograph(out: Path, path: Path, outliner: Outliner) -> FilmItem:
    place = f"photos/{path.parent.name}/{path.name}"
    if not (out / place).exists():
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        rgb = read_photograph(path)
        mask = outliner.outline(rgb)
        if passes(mask):
            Image.fromarray(mask).save((out / place).with_suffix(".png"), optimize=True)
        Image.fromarray(rgb).save(out / place, quality=90)
    return FilmItem(path=place, origin=f"{path.parent.name}/{path.name}", sha256=digest(path))


def _store_recording(out: Path, category: str, path: Path) -> FilmItem | None:
    # Files of one name lie in different folders of a package: the digest tells them apart.
    found = digest(path)
    place = f"sounds/{category}/{path.stem}-{found[:8]}.wav"
    if not (out / place).exists():
        try:
            wave = finish(read_sound(path))
        except ConfigError:
            return None
        if not len(wave):
            return None
        write_sound(out / place, wave)
    return FilmItem(path=place, origin=path.name, sha256=found)


def _store_melodies(out: Path, category: str, melody: Melody) -> list[FilmItem]:
    """Play phrases of an instrument, unless they are stored already."""
    places = [f"sounds/{category}/melody-{n:02d}.wav" for n in range(MELODY_COUNT)]
    if not all((out / place).exists() for place in places):
        for place, wave in zip(places, play(melody, MELODY_COUNT, 0, SOUNDFONT), strict=True):
            write_sound(out / place, finish(wave))
    return [FilmItem(path=p, origin=SOUNDFONT.name, sha256=digest(out / p)) for p in places]


def _recordings(
    sounds: Sequence[Path], voices: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, Path]]:
    for folder in sounds:
        for category in CATEGORIES:
            for pattern in category.recordings:
                yield from ((category.name, path) for path in sorted(folder.glob(pattern)))
    for root, pattern in voices:
        spoken = (path for path in Path(root).glob(pattern) if not _is_signal(path))
        found = sorted(spoken, key=_by_name)
        yield from (("person_speaking", path) for path in found[:VOICE_COUNT])


def _is_signal(path: Path) -> bool:
    return path.parent.name == "silence" or path.stem in SIGNALS


def _by_name(path: Path) -> str:
    """Return a key that mixes the files of a folder, alike on every machine."""
    return hashlib.sha256(str(path).encode()).hexdigest()


def _files(folder: Path, pattern: str) -> list[Path]:
    files = sorted(folder.expanduser().glob(pattern))
    if not files:
        raise ConfigError(f"{folder} contains no {pattern}: give a folder with a folder per class")
    return files


def outline_sheet(pack: Path, *, columns: int = 16, cell: int = 96) -> Image.Image:
    """Draw a row of photographs per class, spread over it, with their outlines in green."""
    classes = sorted({path.parent for path in (pack / "photos").glob("*/*.png")})
    sheet = Image.new("RGB", (columns * cell, len(classes) * (cell + 12)))
    for row, folder in enumerate(classes):
        top = row * (cell + 12)
        ImageDraw.Draw(sheet).text((2, top), folder.name, fill=(255, 255, 255))
        outlines = sorted(folder.glob("*.png"))
        for column, outline in enumerate(outlines[:: max(1, len(outlines) // columns)][:columns]):
            with Image.open(outline.with_suffix(".jpg")) as picture, Image.open(outline) as mask:
                green = Image.new("RGB", picture.size, (0, 255, 0))
                shown = Image.composite(
                    Image.blend(picture.convert("RGB"), green, 0.45), picture, mask.convert("L")
                )
            shown.thumbnail((cell, cell))
            sheet.paste(shown, (column * cell, top + 12))
    return sheet
