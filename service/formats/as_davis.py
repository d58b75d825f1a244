"""DAVIS: an indexed PNG for each frame, whose numbers are the tracks.

Layout: https://davischallenge.org (`Annotations`, `ImageSets`). Numbers count the tracks from 1, as
`tracks.json` says; where regions overlap, the smaller one is on top. Frames are those analysed.
"""

from __future__ import annotations

import io
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.formats.archive import archive
from service.formats.categories import track_categories
from service.formats.format import Format, Material, Need
from service.formats.pixels import mask_in, shown_size
from service.understanding.schemas import Frame, Understanding
from ssuformer.errors import OptionError

_MOST = 255
_FOLDER = "Annotations/Full-Resolution"


def write(material: Material, out: IO[bytes]) -> None:
    """Write the archive, picture by picture; OptionError for more than 255 tracks."""
    answer = material.answer
    categories = track_categories(answer)
    if len(categories) > _MOST:
        raise OptionError(
            f"format: an indexed picture tells {_MOST} tracks apart, there are {len(categories)}",
            limit=_MOST,
            actual=len(categories),
        )
    numbers = {track: number for number, track in enumerate(categories, start=1)}
    with archive(out) as made:
        made.write("ImageSets/2017/val.txt", f"{material.name}\n".encode())
        tracks = [
            {"value": numbers[track], "track": track, "category": category}
            for track, category in categories.items()
        ]
        times = [frame.time for frame in answer.frames]
        made.write_json("tracks.json", {"tracks": tracks, "times": times})
        for number, frame in enumerate(answer.frames):
            picture = _png(_indices(frame, numbers, answer))
            made.write(f"{_FOLDER}/{material.name}/{number:05}.png", picture, packed=False)


def _indices(frame: Frame, numbers: dict[int, int], answer: Understanding) -> NDArray[np.uint8]:
    """Return the picture [h w]: 0, or the number of the smallest region."""
    picture = np.zeros(shown_size(answer), np.uint8)
    for region in sorted(frame.regions, key=lambda one: -one.area):
        mask = mask_in(region, answer)
        if mask is not None:
            picture[mask] = numbers[region.track]
    return picture


def _png(indices: NDArray[np.uint8]) -> bytes:
    picture = Image.fromarray(indices, mode="L")
    picture.putpalette(palette())
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()


def palette() -> list[int]:
    """Return the colours of PASCAL VOC and DAVIS: 256 times red, green, blue."""
    return [_channel(number, channel) for number in range(256) for channel in range(3)]


def _channel(number: int, channel: int) -> int:
    """Return a colour's part: every third bit of its number, the first as the highest."""
    return sum(((number >> (3 * i + channel)) & 1) << (7 - i) for i in range(8))


FORMAT = Format(
    summary="DAVIS, an indexed PNG for each frame, zipped",
    media_type="application/vnd.ssu.davis+zip",
    suffix=".davis.zip",
    write=write,
    needs=frozenset({Need.MASKS}),
)
