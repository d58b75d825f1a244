"""Masks of things whose outline is known."""

from __future__ import annotations

import numpy as np
import pytest

from service.studio.tools.grabcut import GrabCutMasks
from service.studio.tools.masks import mask_tool
from service.studio.tools.prompt import Box, MaskTool, Prompt, box_of
from ssuformer.errors import ConfigError, OptionError
from ssuformer.masks import overlap
from tests.service.studio.tools.shapes import BLUE, HEIGHT, WIDTH, disc, scene, texture

NAMES = ("grabcut", "u2netp")


@pytest.fixture(params=NAMES, scope="module")
def tool(request: pytest.FixtureRequest) -> MaskTool:
    found = mask_tool(request.param)
    assert found.name == request.param  # without its weights, u2netp is grabcut
    return found


def test_a_click_gives_the_thing_that_is_clicked(tool: MaskTool) -> None:
    picture, truth = scene(200, 100)

    found = tool.mask(picture, Prompt(points=((205.0, 95.0, True),)))

    assert found.dtype == bool
    assert overlap(found, truth) > 0.85


def test_a_box_gives_the_thing_in_it_and_nothing_outside(tool: MaskTool) -> None:
    picture, truth = scene(100, 130)

    found = tool.mask(picture, Prompt(box=(60, 90, 80, 80)))

    assert overlap(found, truth) > 0.9
    assert not found[:88].any()
    assert not found[:, 142:].any()


def test_a_stroke_gives_the_thing_it_is_drawn_over(tool: MaskTool) -> None:
    picture, truth = scene(160, 120, 50)

    found = tool.mask(picture, Prompt(stroke=((125.0, 120.0), (160.0, 95.0), (195.0, 120.0))))

    assert overlap(found, truth) > 0.85


def test_one_of_two_things_is_given_to_a_click(tool: MaskTool) -> None:
    picture, left = scene(80, 120, 34)
    right = disc(240, 120, 34)
    both = np.where(right[..., None], texture(9, BLUE), picture)

    found = tool.mask(both, Prompt(points=((80.0, 120.0, True),)))

    assert overlap(found, left) > 0.8
    assert not (found & right).any()


def test_a_point_outside_takes_away_what_is_over(tool: MaskTool) -> None:
    picture, truth = scene(100, 120, 40)
    over = disc(180, 120, 25)
    points = ((100.0, 120.0, True), (180.0, 120.0, False))

    found = tool.mask(picture, Prompt(points=points, previous=truth | over))

    assert overlap(truth | over, truth) < 0.8
    assert overlap(found, truth) > 0.9


def test_a_point_inside_adds_what_is_missing(tool: MaskTool) -> None:
    picture, truth = scene(150, 120, 50)
    half = truth & (np.arange(WIDTH) < 150)
    points = ((120.0, 120.0, True), (180.0, 120.0, True))

    found = tool.mask(picture, Prompt(points=points, previous=half))

    assert overlap(half, truth) < 0.55
    assert overlap(found, truth) > 0.85


def test_points_hold_whatever_the_colours_say(tool: MaskTool) -> None:
    picture, _ = scene(150, 120, 50)
    points = ((150.0, 120.0, True), (150.0, 150.0, False))

    found = tool.mask(picture, Prompt(points=points))

    assert found[120, 150]
    assert not found[150, 150]


def test_the_same_prompt_gives_the_same_mask(tool: MaskTool) -> None:
    picture, _ = scene(150, 120)
    prompt = Prompt(points=((150.0, 120.0, True),))

    assert (tool.mask(picture, prompt) == tool.mask(picture, prompt)).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (720, 1280)])
def test_pictures_of_any_size_have_a_mask_of_theirs(tool: MaskTool, size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8)

    found = tool.mask(picture, Prompt(points=((size[1] - 1.0, size[0] - 1.0, True),)))

    assert found.shape == size


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(),
        Prompt(points=((5.0, 5.0, False),)),
        Prompt(points=((WIDTH + 1.0, 5.0, True),)),
        Prompt(points=((float("nan"), 5.0, True),)),
        Prompt(box=(0, 0, 0, 5)),
        Prompt(box=(WIDTH, 0, 50, 50)),
        Prompt(box=(0, 0, float("inf"), 50)),
        Prompt(previous=np.zeros((HEIGHT, WIDTH), bool)),
        Prompt(previous=np.ones((5, 5), bool)),
        Prompt(points=((5.0, 5.0, True),) * 1001),
    ],
)
def test_a_prompt_that_does_not_fit_is_refused(prompt: Prompt) -> None:
    with pytest.raises(OptionError):
        GrabCutMasks().mask(scene(100, 100)[0], prompt)


def test_a_name_of_no_tool_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"sam2\.1:FOLDER"):
        mask_tool("lasso")


def test_without_its_package_u2netp_is_grabcut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ConfigError("u2netp.onnx is missing")

    monkeypatch.setattr("service.studio.tools.masks.U2netpMasks", missing)

    assert mask_tool("u2netp").name == "grabcut"


def test_the_box_of_a_mask_holds_all_of_it() -> None:
    mask = np.zeros((10, 20), bool)
    mask[2:5, 7:8] = True
    expected: Box = (7, 2, 1, 3)

    assert box_of(mask) == expected
    assert box_of(np.zeros((3, 3), bool)) is None
