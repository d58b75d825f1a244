"""A shard gives packs that open as before, with pictures and sounds nearly the same."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ssuformer.errors import ConfigError
from training.packs import procedural
from training.packs.material import FilmMaterial, read_outline, read_rgb
from training.packs.pack import AssetPack
from training.packs.recordings import read_sound, write_sound
from training.packs.shard import write_shard
from training.scenes.composer import Composer


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a pack of shapes, and one of two photographs and a recording."""
    root = tmp_path_factory.mktemp("packs")
    procedural.build(root / "shapes")
    films = root / "films"
    for number in range(2):
        place = films / f"photos/other_dog/{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.new("RGB", (800, 400), (40, 120, 60))
        ImageDraw.Draw(picture).ellipse((240, 80, 560, 320), fill=(200, 140, 40 + number))
        picture.save(place, quality=95)
        outline = Image.new("L", (800, 400))
        ImageDraw.Draw(outline).ellipse((240, 80, 560, 320), fill=255)
        outline.save(place.with_suffix(".png"))
    t = np.arange(40_001) / 16_000
    write_sound(films / "sounds/dog/bark.wav", (0.3 * np.sin(2000 * t)).astype(np.float32))
    (films / "films.json").write_text("{}")
    return root


@pytest.fixture(scope="module")
def unpacked(packs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    write_shard((packs / "shapes", packs / "films"), folder / "shard.zip")
    with zipfile.ZipFile(folder / "shard.zip") as archive:
        archive.extractall(folder)
    return folder


def test_an_unpacked_pack_composes_scenes_of_training_and_validation(unpacked: Path) -> None:
    pack = AssetPack.open(unpacked / "shapes")

    for split in ("train", "val"):
        scene = Composer(pack, split, size=64, seconds=2).compose(0)
        assert scene.frames.shape == (2, 64, 64, 3)


def test_material_for_tests_alone_is_left_out(packs: Path, unpacked: Path) -> None:
    there, here = (
        {p.relative_to(root).as_posix() for p in (root / "shapes").rglob("*.*")}
        for root in (packs, unpacked)
    )

    left_out = {item.path for item in procedural.pack().manifest.items if item.split[:4] == "test"}
    assert left_out
    assert here == there - {f"shapes/{path}" for path in left_out}


def test_cut_outs_keep_their_look_and_recordings_their_level(packs: Path, unpacked: Path) -> None:
    before, after = (AssetPack.open(root / "shapes") for root in (packs, unpacked))

    for item in (item for item in after.manifest.items if item.serves("train")):
        if item.kind == "sprite":
            there, here = (pack.sprite(item).astype(float) for pack in (before, after))
            opaque = there[..., 3] > 200
            assert np.abs(there[..., 3] - here[..., 3]).mean() < 6
            assert np.abs(there[opaque][:, :3] - here[opaque][:, :3]).mean() < 12
        else:
            sound, same = before.sound(item), after.sound(item)
            assert abs(len(sound) - len(same)) < 800
            assert np.std(same) == pytest.approx(np.std(sound), rel=0.1)


def test_a_tone_is_where_it_was(packs: Path, unpacked: Path) -> None:
    before, after = (read_sound(root / "films/sounds/dog/bark.wav") for root in (packs, unpacked))

    inner = slice(4_000, 36_000)
    assert np.corrcoef(before[inner], after[inner])[0, 1] > 0.95


def test_photographs_and_outlines_become_smaller_together(unpacked: Path) -> None:
    material = FilmMaterial.open(unpacked / "films", AssetPack.open(unpacked / "shapes"), "train")

    assert {photo.category for photo in material.photos} == {"dog"}
    for photo in material.photos:
        picture, outline = read_rgb(photo.picture), read_outline(photo.outline)
        assert picture.size == outline.size == (256, 128)
        assert outline.getpixel((128, 64)) > 240  # type: ignore[operator]
        assert outline.getpixel((4, 4)) < 15  # type: ignore[operator]


def test_a_folder_without_material_gives_no_shard(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(ConfigError, match="is no pack"):
        write_shard([tmp_path / "empty"], tmp_path / "shard")


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "films/dog.jpg").write_text("no picture")

    with pytest.raises(ConfigError, match=r"dog\.jpg is not a picture"):
        write_shard([tmp_path / "films"], tmp_path / "shard")
