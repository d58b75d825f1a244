import io
import json

import numpy as np
import pytest
from PIL import Image

from service.formats.as_davis import palette
from service.understanding.schemas import Region
from ssuformer.errors import OptionError
from tests.service.formats.made import MASKS, made, region, unzipped, written


def test_pillow_reads_an_indexed_picture_for_each_frame() -> None:
    members = unzipped(written("davis"))

    pictures = [content for name, content in sorted(members.items()) if name.endswith(".png")]
    assert len(pictures) == 4
    with Image.open(io.BytesIO(pictures[1])) as picture:
        assert (picture.mode, picture.size) == ("P", (64, 48))
        assert picture.getpalette() == palette()
        numbers = np.asarray(picture)
    np.testing.assert_array_equal(numbers == 2, MASKS[2])
    np.testing.assert_array_equal(numbers == 1, MASKS[1] & ~MASKS[2])
    with Image.open(io.BytesIO(pictures[2])) as picture:
        assert not np.asarray(picture).any()


def test_the_colours_are_those_of_the_data_set() -> None:
    colours = np.array(palette()).reshape(256, 3).tolist()

    assert colours[:5] == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128]]
    assert colours[255] == [224, 224, 192]


def test_numbers_are_told_apart_and_the_sequence_is_listed() -> None:
    members = unzipped(written("davis"))

    listed = json.loads(members["tracks.json"])
    assert [(one["value"], one["track"]) for one in listed["tracks"]] == [(1, 1), (2, 2)]
    assert listed["times"] == [0.5, 1.5, 2.5, 3.5]
    assert members["ImageSets/2017/val.txt"] == b"film\n"
    assert "Annotations/Full-Resolution/film/00003.png" in members


def test_more_tracks_than_a_picture_can_tell_apart_are_refused() -> None:
    answer = made()
    many: list[Region] = [region(1).model_copy(update={"track": i}) for i in range(300)]
    frame = answer.frames[0].model_copy(update={"regions": many})

    with pytest.raises(OptionError, match="255 tracks apart, there are 300"):
        written("davis", answer.model_copy(update={"frames": [frame], "tracks": []}))
