"""The folder layout: what is written is read, and bad documents are named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssuformer.clip import read_clip
from ssuformer.errors import ConfigError
from tests.training.data.small_data import (
    HEIGHT,
    SECONDS,
    WIDTH,
    dog,
    left_half,
    one_clip,
    second,
    write_film,
    write_layout,
)
from training.data.filmed import squeezed
from training.data.layout import (
    DataInfo,
    Layout,
    ListedClip,
    PngMask,
    Truth,
    things,
    write_list,
    write_truth,
)
from training.scene import Source


def test_what_is_written_is_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    source = Source(
        category="cat",
        masks=rng.random((SECONDS, HEIGHT, WIDTH)) > 0.5,
        sounding=np.array([True, False, True]),
        sentences=("a cat meows", "", "a cat meows loudly"),
    )
    write_film(tmp_path / "clips" / "a.mp4")
    truth = Truth(
        film="a.mp4", height=HEIGHT, width=WIDTH, seconds=SECONDS, sources=things([source])
    )

    written = write_truth(tmp_path / "clips", truth)
    info = DataInfo(name="small", version="2", categories=("cat",))
    write_list(tmp_path, info, [ListedClip(truth="clips/a.truth.json", split="val")])
    data = Layout(tmp_path)
    scene = data.only("val").compose(0)

    (read,) = scene.sources
    assert written == tmp_path / "clips" / "a.truth.json"
    assert (data.info, data.splits) == (info, ("val",))
    assert read.category == "cat"
    assert read.sentences == source.sentences
    assert np.array_equal(read.sounding, source.sounding)
    assert np.array_equal(read.masks, squeezed(source.masks))
    assert len(scene.frames_known()) == SECONDS


def test_frames_and_sound_are_what_the_service_reads(tmp_path: Path) -> None:
    one_clip(tmp_path)

    scene = Layout(tmp_path).compose(0)

    clip = read_clip(tmp_path / "a.mp4")
    assert np.array_equal(scene.frames, clip.frames)
    assert np.array_equal(scene.waveform, clip.waveform)


def test_a_mask_may_be_a_value_of_an_indexed_picture(tmp_path: Path) -> None:
    seconds = [{"second": 0, "sounding": False, "mask": {"png": "masks/0.png", "value": 2}}]
    one_clip(tmp_path, sources=[{"category": "dog", "seconds": seconds}])
    (tmp_path / "masks").mkdir()
    numbers = Image.fromarray(np.where(left_half(), 2, 5).astype(np.uint8)).convert("P")
    numbers.save(tmp_path / "masks" / "0.png")

    (source,) = Layout(tmp_path).compose(0).sources

    assert np.array_equal(source.masks[0], squeezed(left_half()))
    assert not source.masks[1:].any()


def test_seconds_that_are_unsure_or_not_labelled_are_not_known(tmp_path: Path) -> None:
    seconds = [second(0, sounding=None), second(1, sounding=False)]
    one_clip(tmp_path, sources=[{"category": "dog", "seconds": seconds}], unlabelled=[2])

    scene = Layout(tmp_path).compose(0)

    assert scene.frames_known().tolist() == [1]


def test_sounds_from_outside_the_picture_are_read(tmp_path: Path) -> None:
    one_clip(tmp_path, unseen=[{"category": "cat", "sounding": [True, False, True]}])

    (cat,) = Layout(tmp_path).compose(0).at(np.array([1, 2])).unseen

    assert (cat.category, cat.sounding.tolist()) == ("cat", [False, True])


def test_numbers_beyond_the_last_clip_begin_again(tmp_path: Path) -> None:
    for name in "ab":
        write_film(tmp_path / f"{name}.mp4", grey=20 if name == "a" else 200)
    write_layout(tmp_path, {f"{n}.truth.json": dog(film=f"{n}.mp4") for n in "ab"})

    data = Layout(tmp_path)
    levels = [int(data.compose(index).frames.mean()) for index in range(4)]

    assert levels[:2] == levels[2:]
    assert levels[0] != levels[1]


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("data.json", '{"name": "small", "categories": ["dog"]}', r"data\.json: version"),
        ("data.json", "nonsense", r"data\.json: "),
        ("clips.jsonl", '{"truth": "a.truth.json"}', r"clips\.jsonl:1: split"),
        ("clips.jsonl", "\n", r"lists no clips"),
        ("a.truth.json", "{}", r"a\.truth\.json: film"),
    ],
)
def test_a_bad_document_is_named_with_its_field(
    tmp_path: Path, file: str, text: str, named: str
) -> None:
    one_clip(tmp_path)
    (tmp_path / file).write_text(text)

    with pytest.raises(ConfigError, match=named) as raised:
        Layout(tmp_path).compose(0)

    assert "\n" not in raised.value.message


def test_an_unknown_split_is_named_beside_those_there_are(tmp_path: Path) -> None:
    data = Layout(one_clip(tmp_path))

    with pytest.raises(ConfigError, match=r"no split 'train'; it has test"):
        data.only("train")


def test_a_picture_in_true_colours_is_no_mask(tmp_path: Path) -> None:
    data = Layout(one_clip(tmp_path))
    entry = data.entries[0]
    (thing,) = data.truth(entry).sources
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "0.png")
    coloured = replace_mask(data.truth(entry), PngMask(png="0.png", value=1))
    write_truth(tmp_path, coloured)

    with pytest.raises(ConfigError, match=r"0\.png is not an indexed picture but RGB"):
        data.compose(0)
    assert thing.category == "dog"


def replace_mask(truth: Truth, mask: PngMask) -> Truth:
    """Return the truth with this mask in its first second."""
    (thing,) = truth.sources
    first = thing.seconds[0].model_copy(update={"mask": mask})
    changed = thing.model_copy(update={"seconds": (first, *thing.seconds[1:])})
    return truth.model_copy(update={"sources": (changed,)})


def test_a_scene_of_some_frames_has_their_truth(tmp_path: Path) -> None:
    scene = Layout(one_clip(tmp_path)).compose(0)

    part = replace(scene, known=None).at(np.array([1, 1]))

    assert part.frames.shape[0] == part.waveform.shape[0] == 2
    assert part.sources[0].sounding.tolist() == [True, True]
    assert part.sources[0].sentences == ("a dog barks", "a dog barks")
