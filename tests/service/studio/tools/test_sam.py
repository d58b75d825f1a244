"""SAM 2.1 by name, with a small random network: what goes in and what comes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from service.studio.tools.grabcut import GrabCutMasks
from service.studio.tools.masks import mask_tool
from service.studio.tools.prompt import MaskTool, Prompt
from service.studio.tools.sam_masks import marks
from service.studio.tools.tracking import tracker
from ssuformer.errors import ConfigError, OptionError
from tests.service.studio.tools.shapes import scene
from tests.service.studio.tools.tiny_sam import save


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sam") / "tiny"
    torch.manual_seed(0)
    save(folder)
    return folder


@pytest.fixture(scope="module")
def tool(folder: Path) -> MaskTool:
    return mask_tool(f"sam2.1:{folder}")


def test_every_prompt_gives_a_mask_of_the_picture(tool: MaskTool) -> None:
    picture, truth = scene(150, 120)
    prompts = (
        Prompt(points=((150.0, 120.0, True),)),
        Prompt(points=((150.0, 120.0, True), (2.0, 2.0, False)), box=(100, 70, 100, 100)),
        Prompt(box=(100, 70, 100, 100)),
        Prompt(stroke=((140.0, 120.0), (160.0, 120.0))),
        Prompt(points=((150.0, 120.0, True),), previous=truth),
        Prompt(previous=truth),
    )

    masks = [tool.mask(picture, prompt) for prompt in prompts]

    assert {mask.shape for mask in masks} == {truth.shape}
    assert {mask.dtype for mask in masks} == {np.dtype(bool)}
    assert tool.name == "sam2.1:tiny"


def test_marks_are_given_in_pixels_of_the_network() -> None:
    given = marks(
        Prompt(points=((10.0, 20.0, True), (30.0, 40.0, False)), box=(0, 10, 100, 50)), (2.0, 0.5)
    )

    assert given["input_points"].tolist() == [[[[20, 10], [60, 20]]]]
    assert given["input_labels"].tolist() == [[[1, 0]]]
    assert given["input_boxes"].tolist() == [[[0, 5, 200, 30]]]


def test_the_prompt_counts(tool: MaskTool) -> None:
    picture, _ = scene(150, 120)

    one = tool.mask(picture, Prompt(box=(0, 0, 20, 20)))
    other = tool.mask(picture, Prompt(box=(100, 70, 100, 100)))

    assert (one != other).any()


def test_a_mask_is_followed(folder: Path) -> None:
    film = [scene(100 + 5 * number, 120) for number in range(4)]
    follow = tracker(f"sam2.1:{folder}", masks=GrabCutMasks(), fps=5)

    found = list(follow.follow((picture for picture, _ in film), film[0][1]))

    assert 1 <= len(found) <= 3
    assert all(one.mask.shape == film[0][1].shape for one in found)
    assert not any(one.cut for one in found)


def test_a_prompt_that_does_not_fit_is_refused(tool: MaskTool) -> None:
    with pytest.raises(OptionError):
        tool.mask(scene(150, 120)[0], Prompt())


@pytest.mark.parametrize("make", [True, False])
def test_a_folder_without_weights_is_refused(tmp_path: Path, *, make: bool) -> None:
    folder = tmp_path / "empty"
    if make:
        folder.mkdir()

    with pytest.raises(ConfigError, match=r"SAM 2\.1"):
        mask_tool(f"sam2.1:{folder}")
    with pytest.raises(ConfigError, match=r"SAM 2\.1"):
        tracker(f"sam2.1:{folder}", masks=GrabCutMasks(), fps=5)
