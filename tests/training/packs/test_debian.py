"""The collected pack, built from a tiny set of fake sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssuformer.errors import ConfigError
from training.packs import debian
from training.packs.categories import Category, Recorded, Synthesised
from training.packs.debian import Sources, build, seed_of
from training.packs.drawings import LONGEST_SIDE, STYLES, emoji_drawings, stamp_drawing, tight
from training.packs.pack import AssetPack
from training.packs.recordings import write_sound
from training.packs.synthesis import hiss

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 36 36">'
    '<circle cx="12" cy="18" r="9"/></svg>'
)

SNAKE = Category(
    "snake",
    "snake",
    "hisses",
    "lifescene",
    ("1f40d",),
    ("animals/snake.png",),
    (Synthesised(hiss),),
)
DOG = Category(
    "dog", "dog", "barks", "lifescene", ("1f415",), (), (Recorded(("animals/dog.wav",)),)
)


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sources:
    found = Sources(
        stamps=tmp_path / "stamps",
        font=tmp_path / "noto.ttf",
        soundfont=tmp_path / "gm.sf2",
        npm=tmp_path / "npm/node_modules",
    )
    (found.stamps / "animals").mkdir(parents=True)
    Image.new("RGBA", (300, 200), (90, 80, 70, 255)).save(found.stamps / "animals/snake.png")
    write_sound(
        found.stamps / "animals/dog.wav", hiss(np.random.default_rng(0), 0.5) * np.float32(0.05)
    )
    found.font.touch()
    found.soundfont.touch()
    for style in STYLES:
        folder = found.npm / style.folder
        folder.mkdir(parents=True)
        for code in ("1f40d", "1f415"):
            path = folder / f"{code.upper() if style.upper else code}{style.suffix}"
            if style.suffix == ".svg":
                path.write_text(SVG)
            else:
                Image.new("RGBA", (64, 64), (0, 200, 0, 255)).save(path)
    monkeypatch.setattr("shutil.which", lambda _name: "/bin/true")
    monkeypatch.setattr(debian, "noto_drawing", lambda _font, _code: None)
    monkeypatch.setattr(debian, "COUNTS", {"train": 2, "val": 1, "test": 1})
    monkeypatch.setattr(debian, "RECORDED_COUNTS", {"train": 2, "val": 1, "test": 1})
    return found


def test_a_built_pack_opens_with_looks_sounds_and_licences(
    sources: Sources, tmp_path: Path
) -> None:
    heard: list[str] = []

    build(tmp_path / "pack", sources, categories=(SNAKE, DOG), progress=heard.append)

    pack = AssetPack.open(tmp_path / "pack")
    styles = {item.style: item.licence for item in pack.items("sprite", "snake", "train")}
    assert heard == ["snake", "dog"]
    assert styles == {
        "fluent-3d": "MIT",
        "fluent-flat": "MIT",
        "openmoji": "CC-BY-SA-4.0",
        "photo": "GPL-2.0-only",
    }
    assert [i.style for i in pack.items("sprite", "snake", "test-style")] == ["twemoji"]
    assert len(pack.sounds("snake", "train")) == 2
    assert pack.items("sound", "dog", "test")[0].origin.startswith("tuxpaint-stamps/animals/dog")


def test_only_the_free_part_is_kept_when_asked(sources: Sources, tmp_path: Path) -> None:
    build(tmp_path / "pack", sources, categories=(SNAKE, DOG), licences="free")

    pack = AssetPack.open(tmp_path / "pack")

    assert [category.name for category in pack.categories] == ["snake"]
    assert all(item.free for item in pack.manifest.items)
    assert not list((tmp_path / "pack").rglob("*photo*"))


def test_a_new_build_replaces_the_old_one(sources: Sources, tmp_path: Path) -> None:
    build(tmp_path / "pack", sources, categories=(SNAKE, DOG))

    build(tmp_path / "pack", sources, categories=(SNAKE,))

    assert not list((tmp_path / "pack").rglob("dog"))
    assert [path.name for path in tmp_path.glob(".pack*")] == []


def test_missing_packages_are_named_with_the_command_that_brings_them(tmp_path: Path) -> None:
    nothing = Sources(stamps=tmp_path / "s", font=tmp_path / "f", soundfont=tmp_path / "sf")

    with pytest.raises(ConfigError, match=r"apt-get install -y .*tuxpaint-stamps-default"):
        nothing.require()


def test_missing_emoji_are_named_with_the_command_that_brings_them(
    sources: Sources, tmp_path: Path
) -> None:
    (sources.npm / "@twemoji/svg").rename(tmp_path / "gone")

    with pytest.raises(ConfigError, match=r"@twemoji/svg\. Run `npm i --ignore-scripts --prefix"):
        sources.require()


def test_a_sprite_is_cropped_to_what_is_visible_and_at_most_256_px() -> None:
    picture = Image.new("RGBA", (900, 700))
    picture.paste((200, 0, 0, 255), (100, 50, 700, 350))

    sprite = tight(picture)

    assert sprite is not None
    assert sprite.shape == (LONGEST_SIDE // 2, LONGEST_SIDE, 4)
    assert (sprite[..., 3] == 255).all()


def test_an_invisible_picture_gives_no_sprite() -> None:
    assert tight(Image.new("RGBA", (20, 20))) is None


def test_an_emoji_is_found_under_any_spelling_of_its_variation_selector(sources: Sources) -> None:
    (sources.npm / STYLES[1].folder / "2702-fe0f.svg").write_text(SVG)

    (drawing,) = emoji_drawings(sources.npm, "2702")

    assert (drawing.style, drawing.name) == ("fluent-flat", "2702")
    assert abs(drawing.rgba.shape[0] - drawing.rgba.shape[1]) <= 1


def test_a_cartoon_stamp_is_a_drawing_and_a_lost_one_is_none(sources: Sources) -> None:
    (sources.stamps / "cartoon").mkdir()
    Image.new("RGBA", (9, 9), (1, 2, 3, 255)).save(sources.stamps / "cartoon/tug.png")

    drawing = stamp_drawing(sources.stamps, "cartoon/tug.png")

    assert drawing is not None
    assert drawing.style == "drawing"
    assert stamp_drawing(sources.stamps, "nowhere.png") is None


def test_seeds_are_the_same_on_every_machine() -> None:
    assert seed_of("dog", "train", 3) == 217077901035626
