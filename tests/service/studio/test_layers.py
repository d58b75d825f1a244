"""Layers and their edits, over the real app, in both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from sqlalchemy import or_, update

from service.studio import layer_store
from service.studio.layers import ClipShape, MaskRle, decoded
from service.studio.tables import EDITS
from ssuformer.errors import EditInvalid
from ssuformer.masks import encode_rle
from tests.service.conftest import Running
from tests.service.studio.conftest import (
    Annotator,
    put_intervals,
    put_mask,
    put_track,
    square_at,
    told,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def clip(alice: Annotator, film: bytes) -> str:
    return await alice.send(await alice.project(), film)


async def test_edits_change_my_layer_and_say_who_made_what(alice: Annotator, clip: str) -> None:
    begun = await alice.begin(clip)

    saved = told(
        await alice.edit(
            clip,
            begun["revision"],
            put_track("t1"),
            put_mask("t1", 3, square_at(3), tool="click", locked=True),
            put_intervals("t1", (0.0, 1.5, "a dog barks"), (2.0, 2.5, None)),
            {
                "op": "put_heard",
                "heard": [{"category": "rain", "intervals": [{"start": 0, "end": 3}]}],
            },
            {"op": "state", "state": "accepted"},
        )
    )

    layer = await alice.layer(clip)
    assert (layer["revision"], layer["state"]) == (saved["revision"], "accepted")
    (track,) = layer["tracks"]
    (mask,) = track["masks"]
    assert (mask["frame"], mask["mask"], mask["locked"]) == (3, encode_rle(square_at(3)), True)
    assert (mask["by"]["who"], mask["by"]["tool"], mask["by"]["model"]) == (
        "alice", "click", "grabcut",
    )  # fmt: skip
    assert [one["sentence"] for one in track["intervals"]] == ["a dog barks", None]
    assert track["intervals"][0]["by"]["tool"] == "text"
    assert layer["heard"][0]["intervals"][0]["by"]["who"] == "alice"


async def test_a_copy_keeps_who_made_what_until_it_is_changed(alice: Annotator, clip: str) -> None:
    begun = await alice.begin(clip, "model")
    track = begun["tracks"][0]
    first, second = track["intervals"][0], dict(track["intervals"][0])
    second["sentence"] = "something else"
    put = {"op": "put_intervals", "track": track["id"]}

    told(await alice.edit(clip, 1, {**put, "intervals": [first]}))
    untouched = (await alice.layer(clip))["tracks"][0]["intervals"][0]
    told(await alice.edit(clip, 2, {**put, "intervals": [second]}))
    changed = (await alice.layer(clip))["tracks"][0]["intervals"][0]

    assert begun["annotator"] == "alice"
    assert untouched["by"]["who"] == "model"
    assert changed["by"]["who"] == "alice"
    again = await alice.call("POST", f"/clips/{clip}/layers", json={"from": None})
    assert (again.status_code, again.json()["code"]) == (409, "layer_exists")


async def test_the_same_edits_again_are_answered_as_the_first_time(
    alice: Annotator, clip: str
) -> None:
    await alice.begin(clip)

    first = await alice.edit(clip, 1, put_track("t1"), identity="once")
    await alice.edit(clip, 2, put_track("t2"))
    again = await alice.edit(clip, 1, put_track("t1"), identity="once")

    assert first.json() == again.json() == {"revision": 2}
    assert (await alice.layer(clip))["revision"] == 3


async def test_edits_of_an_older_revision_are_refused_with_the_one_of_now(
    alice: Annotator, clip: str
) -> None:
    await alice.begin(clip)
    await alice.edit(clip, 1, put_track("t1"))

    late = await alice.edit(clip, 1, put_track("t2"), identity="late")

    assert (late.status_code, late.json()["code"], late.json()["actual"]) == (
        409, "revision_conflict", 2,
    )  # fmt: skip


async def test_of_edits_at_the_same_time_one_is_saved(alice: Annotator, clip: str) -> None:
    await alice.begin(clip)

    answers = await asyncio.gather(
        *(alice.edit(clip, 1, put_track(f"t{n}"), identity=f"at-once-{n}") for n in range(6))
    )

    assert sorted(one.status_code for one in answers) == [200, 409, 409, 409, 409, 409]
    assert len((await alice.layer(clip))["tracks"]) == 1


async def test_every_state_can_be_made_again_from_the_log(
    alice: Annotator, clip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_store, "_PAGE", 2)
    await alice.begin(clip, "model")
    batches: list[list[Any]] = [
        [put_track("new", "cat"), put_mask("new", 0, square_at(0))],
        [put_mask("new", 1, square_at(1)), put_intervals("new", (0.0, 1.0, "a cat meows"))],
        [put_mask("new", 0, None), {"op": "state", "state": "rejected"}],
        [put_track("new", "lion", 2), {"op": "delete_track", "track": "new"}],
    ]
    states = [await alice.layer(clip)]

    for revision, batch in enumerate(batches, start=1):
        told(await alice.edit(clip, revision, *batch))
        states.append(await alice.layer(clip))

    for revision, state in enumerate(states, start=1):
        assert await alice.get(f"/clips/{clip}/layers/alice?revision={revision}") == state
    for later in (len(states) + 1, 2**31 - 1):
        gone = await alice.call("GET", f"/clips/{clip}/layers/alice?revision={later}")
        assert gone.status_code == 404


async def test_of_the_log_only_what_a_state_needs_is_read(
    studio: Running, alice: Annotator, bob: Annotator, clip: str
) -> None:
    for person in (alice, bob):
        await person.begin(clip)
        await person.edit(clip, 1, put_track("t1"))
    vtt = b"WEBVTT\n\n00:00.000 --> 00:01.000\n<v dog>a dog barks\n"
    project = (await alice.get(f"/clips/{clip}"))["project"]
    await alice.call("POST", f"/projects/{project}/import?format=webvtt", content=vtt)
    told(await alice.edit(clip, 3, put_track("t9")))
    state = await alice.layer(clip)
    told(await alice.edit(clip, 4, put_track("t10")))
    assert studio.gateway.studio is not None
    others = or_(EDITS.c.annotator != "alice", EDITS.c.revision.not_in([3, 4]))
    broken = update(EDITS).where(others).values(edits="no JSON")
    await studio.gateway.studio.store.database.run(lambda one: one.execute(broken))

    assert await alice.get(f"/clips/{clip}/layers/alice?revision=4") == state


@pytest.mark.parametrize("what", ["MOST_LAYER", "MOST_LOG"])
async def test_a_layer_and_its_log_have_so_many_bytes_at_most(
    alice: Annotator, clip: str, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(layer_store, "_SELDOM", 1)
    await alice.begin(clip)
    told(await alice.edit(clip, 1, put_track("t1"), put_mask("t1", 0, square_at(0))))
    before = await alice.layer(clip)

    monkeypatch.setattr(layer_store, what, 40)
    full = await alice.edit(clip, 2, *(put_mask("t1", n, square_at(n)) for n in range(9)))

    assert (full.status_code, full.json()["code"], full.json()["limit"]) == (409, "studio_full", 40)
    assert full.json()["actual"] > 40
    assert await alice.layer(clip) == before


async def test_nobody_changes_the_layer_of_another(
    studio: Running, alice: Annotator, bob: Annotator, clip: str
) -> None:
    await alice.begin(clip)
    await alice.edit(clip, 1, put_track("t1"))
    before = await bob.layer(clip, "alice")

    refused = await bob.edit(clip, before["revision"], {"op": "delete_track", "track": "t1"})

    assert (refused.status_code, refused.json()["code"]) == (404, "studio_not_found")
    assert await bob.layer(clip, "alice") == before
    reserved = await Annotator(studio.client, "model").call(
        "POST", f"/clips/{clip}/layers", json={"from": None}
    )
    assert (reserved.status_code, reserved.json()["code"]) == (403, "studio_forbidden")


def put_counts(counts: str) -> dict[str, object]:
    rle = {"size": [96, 128], "counts": counts}
    return {"op": "put_mask", "track": "t1", "frame": 0, "mask": rle}


WRONG: list[tuple[object, str]] = [
    (put_mask("t1", 0, np.ones((5, 5), bool)), "edit_invalid"),
    (put_mask("t1", 9999, square_at(0)), "edit_invalid"),
    (put_mask("none", 0, square_at(0)), "edit_invalid"),
    (put_counts("o" * 300_000), "edit_invalid"),
    (put_counts("0é"), "edit_invalid"),
    (put_counts(""), "edit_invalid"),
    (put_counts("x" * 400_001), "option_invalid"),
    ({"op": "put_mask", "track": "t1", "frame": -1, "mask": None}, "option_invalid"),
    (put_mask("t1", 0, None, tool="magic"), "option_invalid"),
    (put_intervals("t1", (0.0, 99.0, None)), "edit_invalid"),
    (put_intervals("t1", (0.0, 2.0, None), (1.0, 3.0, None)), "edit_invalid"),
    (put_intervals("t1", (2.0, 1.0, None)), "option_invalid"),
    (put_intervals("t1", (0.0, 1.0, "a\x00b")), "option_invalid"),
    (put_intervals("none", (0.0, 1.0, None)), "edit_invalid"),
    (put_track("a/b"), "option_invalid"),
    (put_track("t2", "x" * 81), "option_invalid"),
    ({"op": "drop_tables"}, "option_invalid"),
]  # fmt: skip


async def test_an_edit_that_does_not_fit_is_refused_and_nothing_of_its_request_is_saved(
    alice: Annotator, clip: str
) -> None:
    await alice.begin(clip)
    told(await alice.edit(clip, 1, put_track("t1")))
    before = await alice.layer(clip)

    for edit, code in WRONG:
        answer = await alice.edit(clip, 2, put_track("good"), edit, identity="wrong")
        assert (answer.status_code, answer.json()["code"]) == (422, code), (edit, answer.text)
    assert await alice.layer(clip) == before


async def test_a_layer_has_so_many_tracks_at_most(alice: Annotator, clip: str) -> None:
    await alice.begin(clip)

    answer = await alice.edit(clip, 1, *(put_track(f"t{n}") for n in range(65)))

    assert (answer.status_code, answer.json()["code"], answer.json()["limit"]) == (
        409, "studio_full", 64,
    )  # fmt: skip
    assert (await alice.layer(clip))["tracks"] == []


async def test_a_request_that_is_no_film_has_so_many_bytes_at_most(
    alice: Annotator, clip: str
) -> None:
    await alice.begin(clip)
    headers = {"Content-Type": "application/json"}
    content = b'{"id": "' + b"x" * (33 * 2**20) + b'"}'

    for method, path in (("PATCH", "layers/mine"), ("POST", "masks"), ("POST", "adjudicate")):
        answer = await alice.call(method, f"/clips/{clip}/{path}", content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_run_lengths_are_read_in_time_that_grows_with_their_length() -> None:
    shape = ClipShape(height=1080, width=1920, frames=1, duration=1.0)
    mask = np.zeros((1080, 1920), bool)
    mask[:, ::2] = True

    assert (decoded(MaskRle.model_validate(encode_rle(mask)), shape) == mask).all()
    for counts in ("o" * 399_999, "o" * 399_998 + "0", "P" * 6 + "0"):
        with pytest.raises(EditInvalid):
            decoded(MaskRle(size=(1080, 1920), counts=counts), shape)
