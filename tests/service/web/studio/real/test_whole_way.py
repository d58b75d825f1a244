"""The studio's whole way: two films, two annotators, what they agree on, out, training, and in."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

from ssuformer.manifest import Manifest
from ssuformer.masks import decode_rle
from tests.service.web.conftest import PATIENCE
from tests.service.web.studio.conftest import drag
from tests.service.web.studio.real.conftest import (
    HEIGHT,
    WIDTH,
    Json,
    Seat,
    call,
    click_at,
    layer_of,
    new_track,
    on_the_square,
    say,
    square_that_moves,
    until_open,
    until_saved,
)
from tests.training.small_films import write_pack

FPS = 5
CORRECTED = 7
EXPERIMENT = """
name = "of-a-project"
pack = "{pack}"
workers = 0
warmup_steps = 2
validation_scenes = 2

[model]
channels = 32
heads = 2
queries = 4
caption_layers = 1
detail_tokens = 2

[[data]]
folder = "{data}"
split = "train"

[[stages]]
size = 64
seconds = 2
batch = 2
steps = 3
"""


def test_from_a_new_project_to_training_and_back(
    seat: Seat, address: str, mp4: bytes, webm: bytes, tmp_path: Path
) -> None:
    alice, bob = seat(address, "alice"), seat(address, "bob")
    project = project_made(alice, mp4, webm)
    first = opened(alice, "one.mp4")
    corrected_by_alice(alice)
    second = opened(alice, "two.webm")
    boxed_by_alice(alice)
    bob.goto(f"{address}/studio#clip={first}")
    until_open(bob)
    corrected_by_bob(bob)
    agreed_on(alice)
    data = exported(alice, project, "ra-ssu", tmp_path)

    check_layers(address, first, second)
    check_training(data, tmp_path)
    carol = seat(address, "carol", f"#project={project}")
    check_imports(carol, address, (first, second), tmp_path)


def project_made(page: Page, mp4: bytes, webm: bytes) -> str:
    """Make a project with two clips, and wait until both are ready; return its id."""
    page.fill("#project-name", "Squares")
    page.get_by_role("button", name="Make it").click()
    page.get_by_role("heading", name="Squares").wait_for()
    one: Any = {"name": "one.mp4", "mimeType": "video/mp4", "buffer": mp4}
    two: Any = {"name": "two.webm", "mimeType": "video/webm", "buffer": webm}
    page.set_input_files("#clips", [one, two])
    for name in ("one.mp4", "two.webm"):
        page.get_by_role("link", name=name).wait_for(timeout=2 * PATIENCE)
    return page.evaluate("() => location.hash").partition("=")[2]


def opened(page: Page, name: str) -> str:
    """Open a clip from the list of the project; return its id."""
    if page.locator("a.up").get_attribute("href") != "#":
        page.locator("a.up").click()
    page.get_by_role("link", name=name).click()
    page.get_by_role("heading", name=name).wait_for()
    until_open(page)
    return page.evaluate("() => location.hash").partition("=")[2]


def carried_on(page: Page) -> None:
    page.keyboard.press("f")
    expect(page.locator(".notice")).to_contain_text("carried on to the end", timeout=PATIENCE)


def corrected_by_alice(page: Page) -> None:
    """Delete what the model found; a click, carried on, a frame painted, two sentences."""
    page.get_by_role("button", name="Delete this track").click()
    new_track(page, "dog")
    click_at(page, on_the_square())
    carried_on(page)
    page.keyboard.press("Home")
    for _ in range(CORRECTED):
        page.keyboard.press(".")
    page.keyboard.press("d")
    drag(page, (0.1, 0.8), (0.3, 0.8))
    expect(page.locator(".frame-told")).to_contain_text("(brush), locked")
    page.keyboard.press("Home")
    say(page, "a dog barks on the left")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    say(page, "it barks in the middle")
    page.keyboard.press("a")
    until_saved(page)


def boxed_by_alice(page: Page) -> None:
    page.get_by_role("button", name="Delete this track").click()
    new_track(page, "dog")
    page.keyboard.press("b")
    drag(page, (28 / WIDTH, 38 / HEIGHT), (72 / WIDTH, 82 / HEIGHT))
    expect(page.locator(".frame-told")).to_contain_text("(box)", timeout=PATIENCE)
    carried_on(page)
    page.keyboard.press("Home")
    say(page, "a dog barks")
    page.keyboard.press("a")
    until_saved(page)


def corrected_by_bob(page: Page) -> None:
    """Keep what the model found, and add the dog with another sentence."""
    new_track(page, "dog")
    click_at(page, on_the_square())
    carried_on(page)
    page.keyboard.press("Home")
    say(page, "a dog howls")
    page.keyboard.press("a")
    until_saved(page)


def agreed_on(page: Page) -> None:
    """Compare, take alice's dog and not bob's bell, and write the agreed layer."""
    opened(page, "one.mp4")
    page.get_by_label("First annotator").select_option("alice")
    page.get_by_label("Second annotator").select_option("bob")
    page.get_by_role("button", name="Compare").click()
    page.wait_for_selector(".agreement table")
    expect(page.locator(".agreement")).to_contain_text("J ")
    expect(page.locator(".agreement")).to_contain_text("Dog: another sentence")
    page.get_by_label("What holds of nothing and bell").select_option("none")
    page.get_by_role("button", name="Write the agreed layer").click()
    page.get_by_text("The agreed layer is written.").wait_for()


def exported(page: Page, project: str, form: str, folder: Path) -> Path:
    """Download a project in a format; return the folder with what is in it."""
    page.evaluate("project => { location.hash = `project=${project}` }", project)
    page.get_by_label("Format").select_option(form)
    with page.expect_download() as zipped:
        page.get_by_role("button", name="Export").click()
    archive = folder / zipped.value.suggested_filename
    zipped.value.save_as(archive)
    with zipfile.ZipFile(archive) as read:
        read.extractall(folder / form)
    return folder / form


def masks_of(track: Json) -> dict[int, NDArray[np.bool_]]:
    return {one["frame"]: decode_rle(one["mask"]) for one in track["masks"]}


def check_layers(address: str, first: str, second: str) -> None:
    """The layers are what was done in the page, and `agreed` is what was chosen."""
    frames = call(address, "GET", f"/clips/{first}")["frames"]
    alice, bob, agreed = (layer_of(address, first, who) for who in ("alice", "bob", "agreed"))
    assert {alice["state"], bob["state"], agreed["state"]} == {"accepted"}
    assert [track["category"] for track in bob["tracks"]] == ["bell", "dog"]
    (dog,) = alice["tracks"]
    tools = {one["frame"]: (one["by"]["tool"], one["locked"]) for one in dog["masks"]}
    carried = dict.fromkeys(range(1, frames), ("propagate", False))
    assert tools == {0: ("click", False), **carried, CORRECTED: ("brush", True)}
    assert [(one["start"], one["end"], one["sentence"]) for one in dog["intervals"]] == [
        (0.0, 1.0, "a dog barks on the left"),
        (2.0, 3.0, "it barks in the middle"),
    ]
    for frame, mask in masks_of(dog).items():
        if frame != CORRECTED:
            assert mask[lit(frame)].mean() > 0.5, frame
    assert [(t["category"], t["masks"], t["intervals"]) for t in agreed["tracks"]] == [
        ("dog", dog["masks"], dog["intervals"])
    ]
    (boxed,) = layer_of(address, second)["tracks"]
    assert boxed["masks"][0]["by"]["tool"] == "box"
    assert masks_of(boxed)[0][lit(0)].mean() > 0.5


def lit(frame: int) -> NDArray[np.bool_]:
    """Return where the square is in an annotation frame."""
    return square_that_moves(0, frame / FPS)[..., 0] == 230


def run(*words: object) -> None:
    """Run `python -m training` as somebody would."""
    command = [sys.executable, "-m", "training", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def check_training(data: Path, folder: Path) -> None:
    """What was downloaded is trained on and measured with, as it is."""
    experiment = folder / "experiment.toml"
    experiment.write_text(EXPERIMENT.format(pack=write_pack(folder / "pack"), data=data))
    run("data", "check", data)
    run("fit", experiment, "--out", folder / "run")
    run("evaluate", folder / "run/checkpoint", "--data", data, "--csv")
    manifest = Manifest.read(folder / "run/checkpoint")
    assert manifest.steps == 3
    assert "dog" in manifest.categories
    assert "j" in manifest.metrics[f"{data.name}:train"]


def check_imports(page: Page, address: str, clips: tuple[str, str], folder: Path) -> None:
    """What went out comes in again, as somebody else's layers.

    `ra-ssu` holds a mask a second and whole seconds; `fiftyone` each mask of what sounds.
    """
    before = [layer_of(address, clips[0], "agreed"), layer_of(address, clips[1], "alice")]
    for form in ("ra-ssu", "fiftyone"):
        exported(page, page.evaluate("() => location.hash").partition("=")[2], form, folder)
        (archive,) = folder.glob(f"*-{form}.zip")
        page.set_input_files("#import", archive)
        page.get_by_text("Imported into your layers.").wait_for()
        for known, clip in zip(before, clips, strict=True):
            check_same(form, known, layer_of(address, clip, "carol"))


def check_same(form: str, known: Json, back: Json) -> None:
    for one, other in zip(known["tracks"], back["tracks"], strict=True):
        names = ("category", "instance")
        assert [one[name] for name in names] == [other[name] for name in names]
        assert told(one["intervals"]) == told(other["intervals"])
        wanted = {frame: mask for frame, mask in masks_of(one).items() if held(form, one, frame)}
        found = masks_of(other)
        assert found.keys() == wanted.keys()
        assert all((found[frame] == wanted[frame]).all() for frame in wanted)
    assert [(one["category"], told(one["intervals"])) for one in known["heard"]] == [
        (one["category"], told(one["intervals"])) for one in back["heard"]
    ]


def told(intervals: list[Json]) -> list[tuple[float, float, str | None]]:
    return [(one["start"], one["end"], one.get("sentence")) for one in intervals]


def held(form: str, track: Json, frame: int) -> bool:
    """Return whether a format has the mask of this frame."""
    if form == "ra-ssu":  # the one nearest to the middle of a second, the earlier of two
        return frame % FPS == 2
    return any(one["start"] <= frame / FPS < one["end"] for one in track["intervals"])


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training is small here: more threads would wait for each other."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
