"""Projects and clips, over the real app, in both databases."""

from __future__ import annotations

import io
import math
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.service.conftest import Running
from tests.service.studio.conftest import API, Annotator, square_at, studio_of
from tests.ssuformer.footage import Footage

pytestmark = pytest.mark.anyio


async def test_a_clip_is_prepared_with_frames_sound_and_the_models_layer(
    studio: Running, alice: Annotator, film: bytes
) -> None:
    project = await alice.project()

    clip = await alice.send(project, film)

    found = await alice.get(f"/clips/{clip}")
    assert (found["width"], found["height"], found["fps"]) == (128, 96, 5.0)
    assert found["frames"] == math.ceil(found["duration"] * 5)
    assert [layer["annotator"] for layer in found["layers"]] == ["model"]
    model = await alice.layer(clip, "model")
    assert model["tracks"]
    for track in model["tracks"]:
        assert all(one["mask"]["size"] == [96, 128] for one in track["masks"])
        assert all(one["by"]["tool"] == "model" for one in track["masks"])
    assert studio.metric("ssu_studio_prepared_total", result="ready") == 1


async def test_frames_are_the_pictures_shown_at_their_times(alice: Annotator, film: bytes) -> None:
    clip = await alice.send(await alice.project(), film)

    for frame in (0, 7, 19):
        answer = await alice.call("GET", f"/clips/{clip}/frames/{frame}")
        assert answer.headers["content-type"] == "image/jpeg"
        picture = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"), int)
        red = picture[..., 0] - picture[..., 2] > 90
        truth = square_at(frame)
        assert (red & truth).sum() / (red | truth).sum() > 0.85, frame
    late = await alice.call("GET", f"/clips/{clip}/frames/99")
    assert (late.status_code, late.json()["code"]) == (404, "studio_not_found")


async def test_the_film_is_sent_whole_and_in_ranges(alice: Annotator, film: bytes) -> None:
    clip = await alice.send(await alice.project(), film)

    async def ask(wanted: str | None) -> httpx.Response:
        headers = {} if wanted is None else {"Range": wanted}
        return await alice.call("GET", f"/clips/{clip}/film", headers=headers)

    whole = await ask(None)
    assert (whole.status_code, whole.content) == (200, film)
    for wanted, part in (("bytes=10-19", film[10:20]), ("bytes=-7", film[-7:])):
        answer = await ask(wanted)
        assert (answer.status_code, answer.content) == (206, part)
    assert (await ask(f"bytes={len(film)}-")).status_code == 416
    assert (await ask("bytes=0-1,4-5")).content == film


async def test_onsets_are_where_the_tone_begins(alice: Annotator, film: bytes) -> None:
    clip = await alice.send(await alice.project(), film)

    onsets = (await alice.get(f"/clips/{clip}/onsets"))["onsets"]

    assert any(abs(time - 1.0) <= 0.05 for time in onsets), onsets


async def test_a_film_of_one_picture_is_prepared(alice: Annotator) -> None:
    moment = Footage(seconds=0.04, audio=None, size=(128, 96)).make()

    clip = await alice.send(await alice.project(fps=5), moment)

    assert (await alice.get(f"/clips/{clip}"))["frames"] == 1
    assert (await alice.call("GET", f"/clips/{clip}/frames/0")).content.startswith(b"\xff\xd8")
    await alice.begin(clip, "model")


async def test_what_is_no_film_fails_with_its_problem(alice: Annotator) -> None:
    clip, problem = await alice.send_in_vain(await alice.project(), b"no film" * 99)

    assert problem["code"] == "clip_unreadable"
    refused = await alice.call("GET", f"/clips/{clip}/layers/model")
    assert (refused.status_code, refused.json()["code"]) == (409, "clip_not_ready")


async def test_a_clip_may_last_the_second_that_the_limit_ends_in(
    tmp_path: Path, film: bytes
) -> None:
    async with studio_of(tmp_path, studio_clip_seconds=3.5) as studio:
        alice = Annotator(studio.client, "alice")

        await alice.send(await alice.project(), film)

    async with studio_of(tmp_path, studio_clip_seconds=3.0) as studio:
        alice = Annotator(studio.client, "alice")
        _, problem = await alice.send_in_vain(await alice.project(), film)
        assert (problem["code"], problem["limit"]) == ("clip_too_large", 3.0)
        assert "the limit of the studio is 3 s" in problem["detail"]


async def test_only_who_made_a_project_deletes_it_with_all_in_it(
    studio: Running, alice: Annotator, bob: Annotator, film: bytes
) -> None:
    project = await alice.project()
    clip = await bob.send(project, film)

    refused = await bob.call("DELETE", f"/projects/{project}")
    assert (refused.status_code, refused.json()["code"]) == (403, "studio_forbidden")
    assert (await alice.call("DELETE", f"/projects/{project}")).status_code == 204

    assert (await alice.get("/projects")) == {"projects": []}
    assert (await alice.call("GET", f"/clips/{clip}")).status_code == 404
    media = studio.gateway.studio
    assert media is not None
    assert not media.media.files.holds(clip, "clip")


async def test_the_studio_is_closed_without_a_key_but_for_its_page(studio: Running) -> None:
    for path in (API, f"{API}/facts", f"{API}/projects", f"{API}/clips/x/film"):
        assert (await studio.client.get(path)).status_code == 401, path
    assert (await studio.client.get("/studio/anything")).status_code == 401


async def test_facts_tell_of_tools_limits_and_me(alice: Annotator) -> None:
    facts = await alice.get("/facts")

    assert facts["me"] == "alice"
    assert facts["tools"] == {"masks": "grabcut", "through": "flow", "sentences": "model"}
    assert facts["limits"]["clip_seconds"] == 600
    assert "ra-ssu" in {one["name"] for one in facts["formats"]}


async def test_no_name_with_a_nul_is_the_stores_fault(alice: Annotator, film: bytes) -> None:
    clip = await alice.send(await alice.project(), film)

    for path in ("/clips/%00", "/projects/%00", f"/clips/{clip}/layers/%00"):
        answer = await alice.call("GET", path)
        assert answer.status_code in (404, 422), answer.text


@pytest.mark.parametrize("name", ["", "  ", "a\x00b", "x" * 121])
async def test_a_project_has_a_name(alice: Annotator, name: str) -> None:
    answer = await alice.call("POST", "/projects", json={"name": name})

    assert (answer.status_code, answer.json()["code"]) == (422, "option_invalid")


async def test_a_name_with_a_path_is_only_its_end(alice: Annotator, film: bytes) -> None:
    clip = await alice.send(await alice.project(), film, name="../../etc/dog.mp4")

    assert (await alice.get(f"/clips/{clip}"))["name"] == "dog.mp4"
