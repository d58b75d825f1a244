"""What is no clip is refused with what it is."""

import gzip
import io
from collections.abc import Callable

import pytest
from PIL import Image

from ssuformer import errors
from ssuformer.clip import read_clip
from tests.ssuformer.footage import Footage


def avif() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(file, "AVIF")
    return file.getvalue()


def of_brand(brand: bytes) -> Callable[[], bytes]:
    def make() -> bytes:
        media = Footage(seconds=1).make()
        return media[:8] + brand + media[12:]

    return make


def faststart(size: int) -> bytes:
    return Footage(container_options=(("movflags", "faststart"),)).make()[:size]


def without_index() -> bytes:
    media = Footage().make()
    return media[: media.index(b"moov") - 4]


REFUSED: dict[str, tuple[Callable[[], bytes], type[errors.ClipError], str]] = {
    "avif": (avif, errors.ClipHasNoVideo, "still picture .avif"),
    "heic": (of_brand(b"heic"), errors.ClipHasNoVideo, "still picture .heic"),
    "a collection of pictures": (of_brand(b"mif1"), errors.ClipHasNoVideo, "still picture"),
    "cut before the index": (
        lambda: Footage().make()[:9000],
        errors.ClipTruncated,
        r"`mdat` ends at byte \d+, the file has 9000",
    ),
    "cut in the index": (
        lambda: faststart(700), errors.ClipTruncated, r"`moov` ends at byte \d+, the file has 700"
    ),
    "without its index": (without_index, errors.ClipTruncated, "`moov`. is not there"),
    "Matroska, cut in its header": (
        lambda: Footage(container="matroska").make()[:300],
        errors.ClipTruncated,
        r"`18538067` ends at byte \d+, the file has 300",
    ),
    "gzip": (lambda: gzip.compress(Footage().make()), errors.ClipUnsupported, "packed with gzip"),
    "JSON": (lambda: b'{"file": "clip.mp4"}', errors.ClipUnsupported, "JSON"),
    "HTML": (lambda: b"<!doctype html>" * 20, errors.ClipUnsupported, "HTML"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_clip_is_refused_with_what_it_is(kind: str) -> None:
    make, error, message = REFUSED[kind]

    with pytest.raises(error, match=message) as raised:
        read_clip(make())

    assert type(raised.value) is error
