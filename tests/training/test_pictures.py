from pathlib import Path

import numpy as np
from PIL import Image

from tests.training.small_pack import SmallPack
from training.composer import Composer
from training.pictures import COLOURS, save, show


def test_what_sounds_is_outlined_in_colour() -> None:
    composer = Composer(SmallPack(), "train", size=96, seed=5)
    scene = next(s for s in map(composer.compose, range(50)) if s.sources[0].sounding[0])

    sheet = np.asarray(show(scene, tile=96))

    assert sheet.shape[1] == 5 * 96
    assert (sheet[:96, :96] == COLOURS[0]).all(axis=-1).any()


def test_a_picture_has_a_row_per_scene(tmp_path: Path) -> None:
    composer = Composer(SmallPack(), "train", size=64)
    scenes = [composer.compose(number) for number in range(2)]

    save(tmp_path / "scenes.png", scenes, tile=64)

    with Image.open(tmp_path / "scenes.png") as sheet:
        assert sheet.height == 2 * show(scenes[0], tile=64).height
