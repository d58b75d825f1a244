"""Doubts, the queue, agreement, adjudication, and the model with another sound."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.studio.agreement import f_of_intervals
from service.studio.layers import Sounding
from tests.service.conftest import Running
from tests.service.studio.conftest import (
    Annotator,
    put_heard,
    put_intervals,
    put_mask,
    put_track,
    square_at,
    told,
)
from tests.ssuformer.footage import Footage

pytestmark = pytest.mark.anyio


@pytest.fixture
def ann(lite: Running) -> Annotator:
    return Annotator(lite.client, "alice")


@pytest.fixture
def bob(lite: Running) -> Annotator:
    return Annotator(lite.client, "bob")


@pytest.fixture
async def clip(ann: Annotator, film: bytes) -> str:
    return await ann.send(await ann.project(), film)


def kinds(doubts: list[Any], track: str | None = None) -> set[str]:
    return {one["kind"] for one in doubts if one["track"] == track}


async def test_each_kind_of_doubt_is_found(ann: Annotator, clip: str) -> None:
    await ann.begin(clip)
    frames = [*range(4), *range(6, 10)]
    told(
        await ann.edit(
            clip,
            1,
            put_track("broken", "dog"),
            *(put_mask("broken", frame, square_at(frame)) for frame in frames),
            put_intervals("broken", (0.0, 2.0, "a dog barks")),
            put_track("silent", "cat"),
            put_mask("silent", 0, square_at(0)),
            put_track("unseen", "owl"),
            put_intervals("unseen", (1.0, 3.0, "an owl hoots")),
            put_track("jumps", "cow"),
            put_mask("jumps", 1, square_at(0)),
            put_mask("jumps", 2, square_at(0)[::-1, ::-1].copy()),
            put_intervals("jumps", (0.2, 0.6, None)),
        )
    )

    doubts = (await ann.get(f"/clips/{clip}/doubts?layer=alice"))["doubts"]

    assert "track_break" in kinds(doubts, "broken")
    assert kinds(doubts, "silent") == {"mask_without_sound"}
    assert kinds(doubts, "unseen") == {"sound_without_mask"}
    assert kinds(doubts, "jumps") == {"track_break"}
    assert kinds(doubts) == {"ear_eye"}
    assert [one["score"] for one in doubts] == sorted((d["score"] for d in doubts), reverse=True)
    gap = next(one for one in doubts if one["track"] == "broken")
    assert (gap["start"], gap["end"]) == (0.8, 1.2)


async def test_the_queue_has_the_most_doubtful_first(ann: Annotator, film: bytes) -> None:
    project = await ann.project()
    sure, doubtful = [await ann.send(project, film, f"{n}.mp4") for n in "ab"]
    for clip in (sure, doubtful):
        await ann.begin(clip, "model" if clip == sure else None)
    edits = [put_track("t1", "owl"), put_intervals("t1", (0.0, 4.0, "an owl hoots"))]
    told(await ann.edit(doubtful, 1, *edits))

    queue = (await ann.get(f"/projects/{project}/queue"))["clips"]

    assert [one["clip"] for one in queue] == [doubtful, sure]
    assert queue[0]["doubt"] > queue[1]["doubt"]
    assert {one["layer"] for one in queue} == {"alice"}


async def two_layers(ann: Annotator, bob: Annotator, clip: str) -> None:
    """Have alice and bob agree on one thing, half agree on another, and differ in a third."""
    shared = [put_track("x", "dog"), *(put_mask("x", n, square_at(n)) for n in range(5))]
    for person in (ann, bob):
        await person.begin(clip)
    told(
        await ann.edit(
            clip, 1, *shared,
            put_intervals("x", (0.0, 1.0, "A dog barks."), (2.0, 3.0, "it howls")),
            put_track("only", "cat"), put_mask("only", 9, square_at(19)),
            put_heard("rain", 0.0, 1.0),
        )
    )  # fmt: skip
    told(
        await bob.edit(
            clip, 1, *shared, put_mask("x", 4, None),
            put_track("x", "wolf"),
            put_intervals("x", (0.0, 1.4, "a dog barks"), (2.9, 3.9, "it whines")),
            put_heard("rain", 0.5, 2.0),
        )
    )  # fmt: skip


async def test_agreement_is_counted_by_pair(ann: Annotator, bob: Annotator, clip: str) -> None:
    await two_layers(ann, bob, clip)

    found = await ann.get(f"/clips/{clip}/agreement?a=alice&b=bob")

    pair, alone = found["tracks"]
    assert (pair["a"], pair["b"], pair["j"], pair["f"]) == ("x", "x", 0.8, 0.5)
    assert pair["category_same"] is False
    assert (alone["a"], alone["b"], alone["j"]) == ("only", None, 0.0)
    assert (found["j"], found["f_intervals"]) == (0.4, 0.5)
    differs = {(one["kind"], one["start"], one["end"]) for one in found["disagreements"]}
    assert ("track", 1.8, 2.0) in differs
    assert ("mask", 0.8, 1.0) in differs
    assert ("interval", 1.0, 1.4) in differs
    assert "category" in {kind for kind, _, _ in differs}
    assert not [one for one in differs if one[0] == "sentence"]  # case and full stop count not


async def test_what_is_taken_of_two_becomes_the_agreed_layer(
    ann: Annotator, bob: Annotator, clip: str
) -> None:
    await two_layers(ann, bob, clip)
    choices = [
        {"track_a": "x", "track_b": "x", "take": "b"},
        {"track_a": "only", "track_b": None, "take": "a"},
    ]

    first = await bob.post(f"/clips/{clip}/adjudicate", {"a": "alice", "b": "bob", "choices": []})
    agreed = await bob.post(
        f"/clips/{clip}/adjudicate", {"a": "alice", "b": "bob", "choices": choices}
    )

    assert (first["tracks"], agreed["revision"]) == ([], first["revision"] + 1)
    assert await ann.layer(clip, "agreed") == agreed
    assert [track["category"] for track in agreed["tracks"]] == ["wolf", "cat"]
    by = {one["by"]["who"] for track in agreed["tracks"] for one in track["masks"]}
    assert by == {"alice", "bob"}
    assert [(s["start"], s["end"]) for s in agreed["heard"][0]["intervals"]] == [(0.0, 2.0)]
    wrong = await bob.call(
        "POST", f"/clips/{clip}/adjudicate",
        json={"a": "alice", "b": "bob", "choices": [{"track_a": "none", "take": "a"}]},
    )  # fmt: skip
    assert (wrong.status_code, wrong.json()["code"]) == (422, "edit_invalid")
    log = await ann.call("GET", f"/clips/{clip}/agreement?a=alice&b=alice")
    assert log.status_code == 422


async def test_another_sound_is_heard_in_its_place(ann: Annotator, film: bytes) -> None:
    project = await ann.project()
    loud = await ann.send(project, film, "loud.mp4")
    silent = Footage(seconds=4.0, size=(128, 96), paint=lambda _, __: 90, beep=None).make()
    quiet = await ann.send(project, silent, "quiet.mp4")
    before = await ann.layer(loud, "model")

    swapped = await ann.post(f"/clips/{loud}/swap", {"other": quiet})
    again = await ann.post(f"/clips/{quiet}/swap", {"other": loud})

    assert (await ann.layer(loud, "model")) == before
    # What is heard follows the sound, wherever the pictures are from.
    assert bare(swapped["heard"]) == bare((await ann.layer(quiet, "model"))["heard"])
    assert bare(again["heard"]) == bare(before["heard"])
    itself = await ann.call("POST", f"/clips/{loud}/swap", json={"other": loud})
    assert itself.status_code == 422


def bare(heard: Any) -> str:  # noqa: ANN401
    return json.dumps(
        [(one["category"], [(s["start"], s["end"]) for s in one["intervals"]]) for one in heard]
    )


def test_intervals_are_the_same_if_half_of_both_is_shared() -> None:
    def spans(*edges: tuple[float, float]) -> list[Sounding]:
        return [Sounding(start=start, end=end) for start, end in edges]

    assert f_of_intervals(spans((0, 10)), spans((0, 6))) == 1.0
    assert f_of_intervals(spans((0, 10)), spans((0, 4))) == 0.0
    assert f_of_intervals(spans((0, 0.3)), spans((0.2, 0.5))) == 0.0
    assert f_of_intervals(spans((0, 1), (2, 3)), spans((0, 1))) == pytest.approx(2 / 3, abs=1e-4)
    assert f_of_intervals([], []) is None
