import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from service.formats.catalogue import named
from service.formats.format import Material
from ssuformer.errors import ClipUnreadable, OptionError
from tests.service.formats.made import made, written
from tests.ssuformer.footage import Footage


def test_av_reads_the_overlay_as_a_film_with_sound(clip: bytes) -> None:
    content = written("overlay", clip=clip)

    with av.open(io.BytesIO(content), "r") as film:
        pictures = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        video = film.streams.video[0]
        assert len(film.streams.audio) == 1
        assert video.codec_context.name == "h264"
    assert len(pictures) == 100
    with av.open(io.BytesIO(clip), "r") as film:
        plain = next(film.decode(video=0)).to_ndarray(format="rgb24")
    assert pictures[10].astype(int).sum() != plain.astype(int).sum()
    assert np.ptp(pictures[10].astype(int), axis=-1).max() > 40  # something is coloured


def test_pillow_reads_the_sheet(clip: bytes) -> None:
    with Image.open(io.BytesIO(written("sheet", clip=clip))) as picture:
        assert picture.format == "PNG"
        assert picture.width > 4 * 288


def test_a_film_by_its_descriptor_is_drawn_as_one_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(Footage(seconds=1).make())

    with path.open("rb") as opened:
        by_descriptor = written("overlay", made(shown=((1,),)), clip=opened.fileno())

    assert by_descriptor == written("overlay", made(shown=((1,),)), clip=path)


def test_a_file_that_cannot_be_finished_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"

    with pytest.raises(ClipUnreadable):
        named("overlay").write_file(Material(made(), clip=b"nothing" * 100), path)
    with pytest.raises(OptionError):
        named("sheet").write_file(Material(made()), path)

    assert list(tmp_path.iterdir()) == []
