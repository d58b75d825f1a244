"""Opening packs: with a manifest, without one, and when something is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssuformer.errors import ConfigError
from training.packs import procedural
from training.packs.pack import (
    MANIFEST,
    AssetPack,
    PackCategory,
    PackItem,
    PackManifest,
    Share,
    only_free,
    sound_shares,
)
from training.packs.recordings import write_sound
from training.packs.synthesis import siren_wail
from training.scene import Split


def own_folder(root: Path, *, sounds: int = 12) -> Path:
    (root / "sprites/tea_kettle").mkdir(parents=True)
    Image.new("RGBA", (8, 6), (9, 9, 9, 255)).save(root / "sprites/tea_kettle/red.png")
    for number in range(sounds):
        wave = siren_wail(np.random.default_rng(number), 0.2)
        write_sound(root / f"sounds/tea_kettle/take{number}.wav", wave * np.float32(0.25))
    return root


def item(*, licence: str = "MIT", split: Share = "all", kind: str = "sprite") -> PackItem:
    return PackItem.model_validate(
        {
            "path": f"{kind}/{licence}/{split}",
            "kind": kind,
            "category": "dog",
            "style": "plain",
            "origin": "here",
            "licence": licence,
            "split": split,
        }
    )


def test_a_written_pack_opens_with_the_same_arrays(tmp_path: Path) -> None:
    in_memory = procedural.pack()
    procedural.build(tmp_path)

    opened = AssetPack.open(tmp_path)

    assert opened.manifest == in_memory.manifest
    for there, here in zip(
        opened.sprites("star", "train"), in_memory.sprites("star", "train"), strict=True
    ):
        np.testing.assert_array_equal(there, here)
    for read, made in zip(
        opened.sounds("star", "test"), in_memory.sounds("star", "test"), strict=True
    ):
        assert read.dtype == np.float32
        np.testing.assert_allclose(read, made, atol=1e-4)


def test_a_pack_that_is_not_there_names_the_folder_and_the_command(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"

    with pytest.raises(ConfigError, match=r"nowhere.*python -m training pack build"):
        AssetPack.open(missing)


@pytest.mark.parametrize("text", ["", "{", '{"name": "x"}', '{"name": "x", "colour": 1}'])
def test_a_broken_manifest_names_the_file_and_the_command(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)

    with pytest.raises(ConfigError, match=r"manifest\.json.*python -m training pack build"):
        AssetPack.open(tmp_path)


def test_an_empty_folder_is_not_a_pack(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sprites/ and sounds/"):
        AssetPack.open(tmp_path)


def test_an_unknown_category_is_refused_with_the_known_ones() -> None:
    pack = procedural.pack()

    with pytest.raises(ConfigError, match=r"no category 'trombone'.*circle"):
        pack.items("sprite", "trombone", "train")


@pytest.mark.parametrize("name", ["sprite", "sound"])
def test_a_lost_file_names_itself_and_the_command(tmp_path: Path, name: str) -> None:
    procedural.build(tmp_path)
    pack = AssetPack.open(tmp_path)
    lost = pack.items("sprite" if name == "sprite" else "sound", "star", "train")[0]
    (tmp_path / lost.path).unlink()

    with pytest.raises(ConfigError, match=r"star.* is missing.*pack build"):
        pack.sprite(lost) if name == "sprite" else pack.sound(lost)


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    procedural.build(tmp_path)
    pack = AssetPack.open(tmp_path)
    first = pack.items("sprite", "star", "train")[0]
    (tmp_path / first.path).write_text("not a picture")

    with pytest.raises(ConfigError, match="is not a picture"):
        pack.sprite(first)


def test_a_file_that_is_no_sound_is_refused(tmp_path: Path) -> None:
    procedural.build(tmp_path)
    pack = AssetPack.open(tmp_path)
    first = pack.items("sound", "star", "train")[0]
    (tmp_path / first.path).write_text("not a sound")

    with pytest.raises(ConfigError, match="is not a sound file"):
        pack.sound(first)


def test_only_keeps_the_named_categories_in_their_order() -> None:
    pack = procedural.pack()

    smaller = pack.only(["star", "circle"])

    assert [category.name for category in smaller.categories] == ["star", "circle"]
    with pytest.raises(ConfigError, match="no category 'square'"):
        smaller.sprites("square", "train")


@pytest.mark.parametrize(
    ("share", "kind", "split", "serves"),
    [
        ("all", "sprite", "train", True),
        ("all", "sprite", "test", True),
        ("all", "sprite", "test-style", False),
        ("test-style", "sprite", "test-style", True),
        ("test-style", "sprite", "test", False),
        ("train", "sound", "train", True),
        ("train", "sound", "val", False),
        ("test", "sound", "test", True),
        ("test", "sound", "test-style", True),
        ("train", "sound", "test-style", False),
        ("all", "sound", "test-style", True),
    ],
)
def test_an_item_serves_only_its_splits(
    share: Share, kind: str, split: Split, *, serves: bool
) -> None:
    assert item(split=share, kind=kind).serves(split) is serves


def test_the_free_part_has_no_other_licence_and_no_incomplete_category() -> None:
    dog = PackCategory(name="dog", noun="dog", verb="barks", profile="lifescene")
    kept = (item(), item(kind="sound", split="train"))
    conditional = item(licence="GPL-2.0-only")
    whole = PackManifest(
        name="x", version="1", command="x", categories=(dog,), items=(*kept, conditional)
    )
    without_free_sound = whole.model_copy(update={"items": (kept[0], conditional)})

    assert only_free(whole).items == kept
    assert only_free(without_free_sound).categories == ()


def test_a_folder_without_a_manifest_opens_and_its_sounds_are_divided(tmp_path: Path) -> None:
    pack = AssetPack.open(own_folder(tmp_path, sounds=40))

    (category,) = pack.categories
    takes = {
        split: {i.path for i in pack.items("sound", "tea_kettle", split)}
        for split in ("train", "val", "test")
    }

    assert (category.name, category.noun) == ("tea_kettle", "tea kettle")
    assert pack.sprites("tea_kettle", "train")[0].shape == (6, 8, 4)
    assert all(takes.values())
    assert sum(map(len, takes.values())) == 40
    assert len(set.union(*takes.values())) == 40


def test_too_few_sounds_of_ones_own_serve_every_split(tmp_path: Path) -> None:
    pack = AssetPack.open(own_folder(tmp_path, sounds=2))

    assert len(pack.sounds("tea_kettle", "train")) == len(pack.sounds("tea_kettle", "test")) == 2


def test_the_share_of_a_sound_depends_on_its_name_alone() -> None:
    names = [f"take{number}.wav" for number in range(40)]

    shares = dict(zip(names, sound_shares(names), strict=True))

    assert shares == dict(zip(names[::-1], sound_shares(names[::-1]), strict=True))
