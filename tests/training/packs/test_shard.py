"""A shard gives back packs that open as before, with pictures and sounds nearly the same."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ssuformer.errors import ConfigError
from training.packs import procedural
from training.packs.material import FilmMaterial
from training.packs.pack import AssetPack
from training.packs.photographs import FilmIndex
from training.packs.recordings import read_sound, write_sound
from training.packs.shard import Compression, unpack_shard, write_shard
from training.scenes.composer import Composer

KIND = Compression(side=128)


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A pack of shapes, and one of two photographs and a recording."""
    root = tmp_path_factory.mktemp("packs")
    procedural.build(root / "shapes")
    films = root / "films"
    for number in range(2):
        place = films / f"photos/other_dog/{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.new("RGB", (200, 100), (40, 120, 60))
        ImageDraw.Draw(picture).ellipse((60, 20, 140, 80), fill=(200, 140, 40 + number))
        picture.save(place, quality=95)
        outline = Image.new("L", (200, 100))
        ImageDraw.Draw(outline).ellipse((60, 20, 140, 80), fill=255)
        outline.save(place.with_suffix(".png"))
    t = np.arange(40_001) / 16_000
    write_sound(films / "sounds/dog/bark.wav", (0.3 * np.sin(2000 * t)).astype(np.float32))
    (films / "films.json").write_text(FilmIndex(command="by hand", items=()).model_dump_json())
    return {"shapes": root / "shapes", "films": films}


@pytest.fixture(scope="module")
def unpacked(packs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("unpacked")
    write_shard(packs, folder / "shard.zip", compression=KIND)
    made = unpack_shard(folder / "shard.zip", folder, processes=2)
    return {path.name: path for path in made}


def test_a_pack_that_was_unpacked_composes_scenes(unpacked: dict[str, Path]) -> None:
    pack = AssetPack.open(unpacked["shapes"])

    for split in ("train", "val"):
        scene = Composer(pack, split, size=64, seconds=2).compose(0)
        assert scene.frames.shape == (2, 64, 64, 3)


def test_material_for_tests_alone_is_left_out(
    packs: dict[str, Path], unpacked: dict[str, Path]
) -> None:
    before, after = (AssetPack.open(folder["shapes"]) for folder in (packs, unpacked))

    splits = {item.split for item in after.manifest.items}
    assert splits == {"all", "train", "val"}
    assert splits < {item.split for item in before.manifest.items}
    files = {p.relative_to(unpacked["shapes"]).as_posix() for p in unpacked["shapes"].rglob("*.*")}
    assert files == {"manifest.json", *(item.path for item in after.manifest.items)}


def test_pictures_keep_their_look_and_recordings_their_length(
    packs: dict[str, Path], unpacked: dict[str, Path]
) -> None:
    before, after = (AssetPack.open(folder["shapes"]) for folder in (packs, unpacked))

    for item in after.manifest.items:
        if item.kind == "sprite":
            there, here = (pack.sprite(item).astype(float) for pack in (before, after))
            opaque = there[..., 3] > 200
            assert np.abs(there[..., 3] - here[..., 3]).mean() < 6
            assert np.abs(there[opaque][:, :3] - here[opaque][:, :3]).mean() < 12
        else:
            sound, same = before.sound(item), after.sound(item)
            assert len(sound) == len(same)
            assert np.std(same) == pytest.approx(np.std(sound), rel=0.1)


def test_a_tone_is_where_it_was(packs: dict[str, Path], unpacked: dict[str, Path]) -> None:
    before, after = (
        read_sound(folder["films"] / "sounds/dog/bark.wav") for folder in (packs, unpacked)
    )

    assert len(after) == len(before) == 40_001
    inner = slice(4_000, -4_000)
    assert np.corrcoef(before[inner], after[inner])[0, 1] > 0.95


def test_photographs_and_outlines_become_smaller_together(unpacked: dict[str, Path]) -> None:
    material = FilmMaterial.open(unpacked["films"], AssetPack.open(unpacked["shapes"]), "train")

    assert {photo.category for photo in material.photos} == {"dog"}
    for photo in material.photos:
        with Image.open(photo.picture) as picture, Image.open(photo.outline) as outline:
            assert picture.format == "JPEG"
            assert picture.size == outline.size == (128, 64)
            alpha = np.asarray(outline.convert("L"))
            assert alpha[32, 64] > 240
            assert alpha[4, 4] < 15


def test_a_pack_that_is_there_stays_as_it_is(packs: dict[str, Path], tmp_path: Path) -> None:
    write_shard(packs, tmp_path / "shard.zip", compression=KIND)
    (tmp_path / "shapes").mkdir()

    made = unpack_shard(tmp_path / "shard.zip", tmp_path)

    assert made == (tmp_path / "films",)
    assert list((tmp_path / "shapes").iterdir()) == []


def test_the_same_packs_give_the_same_shard(packs: dict[str, Path], tmp_path: Path) -> None:
    for name, processes in (("one", 1), ("two", 2)):
        write_shard(packs, tmp_path / name, compression=KIND, processes=processes)

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_what_is_no_shard_is_refused(packs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a shard")
    with pytest.raises(ConfigError, match="is no shard"):
        unpack_shard(tmp_path / "text", tmp_path)

    write_shard(packs, tmp_path / "shard", compression=KIND)
    with zipfile.ZipFile(tmp_path / "shard", "a") as archive:
        archive.writestr("films/../../outside.json", "{}")
    with pytest.raises(ConfigError, match="outside its packs"):
        unpack_shard(tmp_path / "shard", tmp_path)


def test_a_folder_without_material_gives_no_shard(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(ConfigError, match="is no pack"):
        write_shard({"empty": tmp_path / "empty"}, tmp_path / "shard", compression=KIND)
