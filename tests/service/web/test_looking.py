"""What the page shows of an answer: masks, captions, timeline; on real films."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ssuformer.masks import decode_rle, overlap
from tests.service.http.raw_client import service
from tests.service.web.conftest import OpenPage, Pixels, Visit
from tests.ssuformer.footage import Footage, flash_in

FILMS = ("music-duet.mp4", "lifescene-change.mp4", "music-change.webm", "lifescene-upright.webm")


def answer_to(address: str, clip: bytes, **options: object) -> dict[str, Any]:
    query: Any = {name: str(value).lower() for name, value in options.items()}
    response = httpx.post(
        f"{address}/understand", content=clip, params=query, timeout=60, trust_env=False
    )
    answer: dict[str, Any] = response.raise_for_status().json()
    return answer


def nearest(answer: dict[str, Any], time: float) -> dict[str, Any]:
    """Return the frame of an answer for a time; of two that are equally near, the later."""
    ways = {(round(abs(one["time"] - time), 5), -one["time"]): one for one in answer["frames"]}
    frame: dict[str, Any] = ways[min(ways)]
    return frame


def mask_of(frame: dict[str, Any], answer: dict[str, Any], *, track: int | None = None) -> Pixels:
    masks = [decode_rle(one["mask"]) for one in frame["regions"] if track in (None, one["track"])]
    return np.any(masks, axis=0) if masks else np.zeros(answer["mask_size"], bool)


def shown_film(visit: OpenPage, address: str, film: str, *, smooth: bool) -> Visit:
    visited = visit(address)
    path = Path("samples") / film
    visited.choose(film, path.read_bytes(), f"video/{path.suffix[1:]}")
    visited.page.get_by_label("Smooth masks").set_checked(smooth)
    visited.answer()
    return visited


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("film", FILMS)
def test_masks_on_the_picture_are_those_of_the_answer(
    visit: OpenPage, real: str, film: str, *, smooth: bool
) -> None:
    answer = answer_to(real, (Path("samples") / film).read_bytes(), smooth=smooth)
    visited = shown_film(visit, real, film, smooth=smooth)

    for time in np.linspace(0.3, answer["clip"]["duration"] - 0.4, 7):
        shown = visited.seek(float(time))

        expected = mask_of(nearest(answer, shown), answer)
        assert abs(shown - time) < 0.1
        assert overlap(visited.covered(), expected) > 0.98 or not expected.any()
        assert expected.any() == visited.covered().any()


def test_masks_lie_on_what_truly_sounds_as_well_as_those_of_the_answer(
    visit: OpenPage, real: str
) -> None:
    film = "lifescene-change.mp4"
    answer = answer_to(real, (Path("samples") / film).read_bytes())
    told = json.loads((Path("samples") / film).with_suffix(".truth.json").read_text())
    visited = shown_film(visit, real, film, smooth=False)

    for second in range(told["seconds"]):
        visited.seek(second + 0.5)
        now = [source["seconds"][second] for source in told["sources"]]
        true = np.any([decode_rle(one["mask"]) for one in now if one["sounding"]], axis=0)

        on_page = overlap(visited.covered(), true)
        in_answer = overlap(mask_of(nearest(answer, second + 0.5), answer), true)
        assert abs(on_page - in_answer) <= 0.02


def test_each_track_can_be_hidden_and_shown(visit: OpenPage, real: str) -> None:
    film = "lifescene-change.mp4"
    answer = answer_to(real, (Path("samples") / film).read_bytes())
    visited = shown_film(visit, real, film, smooth=False)
    visited.seek(1.5)
    frame = nearest(answer, 1.5)
    (track,) = {region["track"] for region in frame["regions"]}
    toggle = visited.page.get_by_role("button", name=f"track {track}")

    before = visited.covered().any()
    toggle.click()
    visited.settle()
    hidden, captions = visited.covered().any(), visited.page.locator(".captions li").count()
    toggle.click()
    visited.settle()

    assert before
    assert not hidden
    assert captions == 0
    assert np.array_equal(visited.covered(), mask_of(frame, answer, track=track))


def test_captions_and_label_say_what_sounds_now(visit: OpenPage, real: str) -> None:
    visited = shown_film(visit, real, "lifescene-change.mp4", smooth=False)

    visited.seek(1.0)
    first = visited.page.locator(".captions").inner_text()
    label = visited.page.locator(".label").inner_text()
    picture = visited.page.locator(".picture").bounding_box()
    captions = visited.page.locator(".captions").bounding_box()
    visited.seek(3.0)
    then = visited.page.locator(".captions").inner_text()

    assert first == "A large motorcycle revs alone at the bottom right"
    assert label == "motorcycle 99 %"
    assert then.startswith(("A small ship", "A ship"))
    assert picture is not None
    assert captions is not None
    assert captions["y"] >= picture["y"] + picture["height"]


def test_what_is_heard_but_not_seen_has_a_lane_of_its_own(visit: OpenPage, real: str) -> None:
    visited = shown_film(visit, real, "music-duet.mp4", smooth=True)

    heads = visited.page.locator(".heads .head").all_inner_texts()

    assert [text.strip() for text in heads] == ["violin", "piano", "Heard, not seen", "saxophone"]


_COLOUR = """() => {
  const video = document.querySelector(".picture video");
  const masks = document.querySelector(".masks");
  const canvas = new OffscreenCanvas(masks.width, masks.height);
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, masks.width, masks.height);
  const under = context.getImageData(0, 0, masks.width, masks.height).data;
  const over = masks.getContext("2d").getImageData(0, 0, masks.width, masks.height).data;
  const sums = [0, 0, 0, 0, 0, 0];
  let count = 0;
  for (let i = 0; i < over.length; i += 4) {
    if (over[i + 3] === 0) continue;
    count += 1;
    for (let c = 0; c < 3; c += 1) sums[c] += under[i + c];
    if (over[i + 3] === 255) for (let c = 0; c < 3; c += 1) sums[3 + c] = over[i + c];
  }
  return [sums.slice(0, 3).map(sum => sum / count), sums.slice(3)];
}"""


@pytest.mark.parametrize("colour", [(250, 90, 85), (70, 210, 110), (45, 180, 250), (250, 205, 60)])
def test_a_mask_has_another_colour_than_what_it_covers(
    visit: OpenPage, colour: tuple[int, int, int]
) -> None:
    picture = np.full((96, 128, 3), colour, np.uint8)
    clip = Footage(paint=lambda _, __: picture, beep=(0, 4), size=(128, 96)).make()
    with service() as address:
        visited = visit(address)
        visited.choose("clip.mp4", clip)
        visited.answer()
        visited.seek(1.0)
        for _ in range(100):  # the colour is chosen from another picture of the film, soon
            covered, drawn = visited.page.evaluate(_COLOUR)
            if apart := np.linalg.norm(np.subtract(drawn, covered)) > 100:
                break
            visited.page.wait_for_timeout(100)

    assert np.abs(np.subtract(covered, colour)).max() < 40
    assert apart


_LOUD = """canvas => {
  const { width, height } = canvas;
  const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const high = x => {
    let rows = 0;
    for (let y = 0; y < height; y += 1) rows += pixels[4 * (y * width + x) + 3] > 0;
    return rows;
  };
  for (let x = 0; x < width; x += 1) if (high(x) > height / 3) return x / width;
  return null;
}"""
_BRIGHT = """video => {
  const context = new OffscreenCanvas(8, 8).getContext("2d");
  context.drawImage(video, 0, 0, 8, 8);
  return context.getImageData(4, 4, 1, 1).data[0] > 128;
}"""


@pytest.mark.parametrize(
    "kind", [("mp4", "libx264", "aac", 44_100), ("webm", "libvpx-vp9", "libopus", 48_000)]
)
def test_a_flash_and_a_click_are_at_one_time_in_picture_and_waveform(
    visit: OpenPage, kind: tuple[str, str, str, int]
) -> None:
    container, video, audio, rate = kind
    recipe = Footage(paint=flash_in(2), beep=(2.0, 2.2), container=container, video=video)
    clip = replace(recipe, audio=audio, rate=rate).make()
    with service() as address:
        visited = visit(address)
        visited.choose(f"clip.{container}", clip, f"video/{container}")
        visited.answer()
        visited.page.wait_for_selector(".sound-note:empty", state="attached")
        visited.seek(1.9)
        player = visited.page.locator(".picture video")
        while not player.evaluate(_BRIGHT):
            before = visited.shown
            visited.page.keyboard.press(".")
            visited.page.wait_for_function(
                "was => Number(document.querySelector('.masks').dataset.time) > was", arg=before
            )
        share = visited.page.locator(".wave").evaluate(_LOUD)
        whole = float(visited.page.locator(".ruler").get_attribute("aria-valuemax") or 0)

    assert abs(visited.shown - 2.0) < 1 / 25
    assert abs(share * whole - 2.0) < 1 / 25
