"""Projects out and in: each format gives back what it can hold; what is wrong is named."""

from __future__ import annotations

import base64
import io
import json
import sqlite3
import zipfile
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssuformer.masks import bounding_box, overlap
from tests.service.conftest import Running
from tests.service.studio.conftest import (
    Annotator,
    mask_of,
    put_heard,
    put_intervals,
    put_mask,
    put_track,
    square_at,
    studio_of,
    told,
)

pytestmark = pytest.mark.anyio

NAMES = (
    "coco", "cvat", "cvat-masks", "eaf", "fiftyone", "label-studio", "ra-ssu", "webvtt",
    "webvtt-metadata",
)  # fmt: skip


def corner(_: int) -> Any:  # noqa: ANN401
    """Return a mask with a hole and two parts."""
    mask = np.zeros((96, 128), bool)
    mask[70:90, 100:120] = True
    mask[75:80, 105:110] = False
    mask[5:8, 5:9] = True
    return mask


@pytest.fixture
def ann(lite: Running) -> Annotator:
    return Annotator(lite.client, "alice")


async def corrected(ann: Annotator, film: bytes, name: str = "square.mp4") -> tuple[str, str]:
    """Return a project and its clip, with a layer of two tracks, all on the grid of frames."""
    project = await ann.project()
    clip = await ann.send(project, film, name)
    await ann.begin(clip)
    frames = range(5, 16)
    edits = [
        put_track("t1", "car"),
        *(put_mask("t1", frame, square_at(frame)) for frame in frames),
        put_intervals("t1", (1.0, 2.0, "a car <honks> & waits"), (2.0, 3.2, "it drives")),
        put_track("t2", "dog"),
        *(put_mask("t2", frame, corner(frame)) for frame in range(10)),
        put_intervals("t2", (0.0, 2.0, "a dog barks")),
        put_heard("rain", 1.0, 3.0),
        {"op": "state", "state": "accepted"},
    ]
    told(await ann.edit(clip, 1, *edits))
    return project, clip


async def exported(ann: Annotator, project: str, name: str, **more: object) -> bytes:
    answer = await ann.call("GET", f"/projects/{project}/export", params={"format": name, **more})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    return answer.content


async def imported(ann: Annotator, project: str, name: str, content: bytes, file: str) -> Any:  # noqa: ANN401
    return await ann.call(
        "POST", f"/projects/{project}/import?format={name}", files={"file": (file, content)}
    )


def seen(layer: Any) -> dict[str, dict[int, Any]]:  # noqa: ANN401
    """Return the masks of each category by frame."""
    return {
        track["category"]: {one["frame"]: mask_of(one["mask"]) for one in track["masks"]}
        for track in layer["tracks"]
    }


def said(layer: Any) -> dict[str, list[tuple[float, float, str | None]]]:  # noqa: ANN401
    return {
        track["category"]: [(s["start"], s["end"], s["sentence"]) for s in track["intervals"]]
        for track in layer["tracks"]
    }


def heard(layer: Any) -> list[tuple[str, float, float]]:  # noqa: ANN401
    return [
        (one["category"], span["start"], span["end"])
        for one in layer["heard"]
        for span in one["intervals"]
    ]


async def there_and_back(ann: Annotator, other: Annotator, film: bytes, name: str) -> Any:  # noqa: ANN401
    """Export alice's layer, import it as another's, and return both."""
    project, clip = await corrected(ann, film)
    content = await exported(ann, project, name, layer="alice")
    told(await imported(other, project, name, content, f"films.{name}.zip"))
    return await ann.layer(clip), await other.layer(clip)


@pytest.mark.parametrize("name", NAMES)
async def test_a_project_comes_back_as_far_as_its_format_can_hold_it(
    lite: Running, ann: Annotator, film: bytes, name: str
) -> None:
    before, after = await there_and_back(ann, Annotator(lite.client, "bob"), film, name)

    assert [track["category"] for track in after["tracks"]] == ["car", "dog"]
    by = [one["by"] for track in after["tracks"] for one in track["intervals"]]
    assert {(one["who"], one["tool"]) for one in by} == {("bob", "import")}
    check_masks(name, seen(before), seen(after))
    check_sentences(name, said(before), said(after))
    check_heard(name, heard(before), heard(after))


def check_masks(name: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Compare masks of the frames in which they sound; a silent one only `ra-ssu` tells of."""
    for category, masks in after.items():
        known = before[category]
        if name in ("eaf", "webvtt"):  # texts only
            assert masks == {}
            continue
        if name == "ra-ssu":  # the frame nearest to the middle of each second
            wanted = {2, 7, 12, 17} & known.keys()
        else:
            wanted = {n for n in known if sounds(category, n / 5)}
        assert masks.keys() == wanted, (name, category)
        for frame, mask in masks.items():
            assert same(name, known[frame], mask), (name, category, frame)


def sounds(category: str, time: float) -> bool:
    return 1.0 <= time < 3.2 if category == "car" else time < 2.0


def same(name: str, known: Any, mask: Any) -> bool:  # noqa: ANN401
    if name in ("label-studio", "webvtt-metadata"):  # boxes only
        x, y, width, height = bounding_box(known)
        box = np.zeros_like(known)
        box[y : y + height, x : x + width] = True
        return overlap(box, mask) > 0.97
    if name == "cvat":  # the outline of the largest part, without holes
        largest = known.copy()
        largest[:20] = False
        x, y, width, height = bounding_box(largest)
        filled = np.zeros_like(known)
        filled[y : y + height, x : x + width] = True
        return bool((filled == mask).all())
    return bool((known == mask).all())


def check_sentences(name: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    if name == "ra-ssu":  # whole seconds
        assert after == {
            "car": [(1.0, 2.0, "a car <honks> & waits"), (2.0, 3.0, "it drives")],
            "dog": [(0.0, 2.0, "a dog barks")],
        }
    elif name == "label-studio":  # texts have no times: only one of a whole track comes back
        assert after == {"car": [(1.0, 3.2, None)], "dog": [(0.0, 2.0, "a dog barks")]}
    else:
        assert after == before


def check_heard(name: str, before: list[Any], after: list[Any]) -> None:
    if name in ("coco", "cvat", "cvat-masks", "label-studio"):  # they have no place for it
        assert after == []
    elif name in ("eaf", "webvtt"):  # half a frame before and after, as an answer is told of
        ((category, start, end),) = after
        assert (category, round(start, 1), round(end, 1)) == ("rain", 0.9, 2.9)
    else:
        assert after == before


async def test_texts_that_come_in_leave_masks_where_they_are(ann: Annotator, film: bytes) -> None:
    project, clip = await corrected(ann, film)
    content = await exported(ann, project, "eaf", layer="alice")
    changed = rewritten(content, b"a dog barks", b"a dog howls")
    before = await ann.layer(clip)

    told(await imported(ann, project, "eaf", changed, "films.zip"))

    after = await ann.layer(clip)
    assert after["revision"] == before["revision"] + 1
    assert [t["masks"] for t in after["tracks"]] == [t["masks"] for t in before["tracks"]]
    assert said(after)["dog"] == [(0.0, 2.0, "a dog howls")]


def rewritten(archive: bytes, old: bytes, new: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as read, zipfile.ZipFile(made, "w") as write:
        for name in read.namelist():
            write.writestr(name, read.read(name).replace(old, new))
    return made.getvalue()


async def test_a_document_alone_is_of_the_only_clip(ann: Annotator, film: bytes) -> None:
    project, clip = await corrected(ann, film)
    content = await exported(ann, project, "coco", layer="alice")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["square.coco.json"]
        document = archive.read("square.coco.json")

    answer = told(await imported(ann, project, "coco", document, "anything.json"))

    assert [one["clip"] for one in answer["clips"]] == [clip]


async def test_polygons_of_others_are_drawn(ann: Annotator, film: bytes) -> None:
    project, clip = await corrected(ann, film)
    document = {
        "categories": [{"id": 7, "name": "cat"}],
        "images": [{"id": 1, "file_name": "x_0003.png", "width": 128, "height": 96}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 7, "segmentation": [[10, 10, 50.5, 10, 10, 60]]}
        ],
    }

    content = json.dumps(document).encode()
    told(await imported(ann, project, "coco", content, "square.coco.json"))

    masks = seen(await ann.layer(clip))["cat"]
    assert list(masks) == [3]
    assert abs(int(masks[3].sum()) - 40.5 * 50 / 2) < 60


def npy(shape: str) -> str:
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    content = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode()
    return base64.b64encode(zlib.compress(content + b"\x01" * 64)).decode()


def eta(mask: str) -> bytes:
    box = {"top_left": {"x": 0.1, "y": 0.1}, "bottom_right": {"x": 0.2, "y": 0.2}}
    thing = {"label": "dog", "bounding_box": box, "mask": mask}
    frames = {"1": {"objects": {"objects": [thing]}}}
    return json.dumps({"frames": frames}).encode()


def coco(**more: object) -> bytes:
    one = {"id": 1, "image_id": 1, "category_id": 1, **more}
    document = {
        "categories": [{"id": 1, "name": "dog"}],
        "images": [{"id": 1, "file_name": "0.jpg", "time": 0.0}],
        "annotations": [one],
    }
    return json.dumps(document).encode()


def zipped(**members: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__json", ".json").replace("__", "/"), content)
    return made.getvalue()


def cvat(shape: str) -> bytes:
    return f"<annotations><track label='dog'>{shape}</track></annotations>".encode()


EAF = b"<ANNOTATION_DOCUMENT><TIER TIER_ID='a'><ALIGNABLE_ANNOTATION/></TIER></ANNOTATION_DOCUMENT>"
NAN = b'{"categories": [], "images": [], "annotations": [{"bbox": [NaN, 0, 1, 1]}]}'
WRONG: list[tuple[str, bytes, str]] = [
    ("coco", b"{", "line 1"),
    ("coco", b"[]", "categories"),
    ("coco", NAN, "line 1"),
    ("coco", coco(bbox=[0, 0, 1]), "annotations[0]"),
    ("coco", coco(segmentation={"size": [9, 9], "counts": "00"}), "annotations[0]"),
    ("coco", coco(segmentation={"size": [96, 128], "counts": "o" * 9999}), "annotations[0]"),
    ("coco", coco(segmentation={"size": [96, 128], "counts": [1, 2**60]}), "annotations[0]"),
    ("coco", coco(segmentation=[[0, 0, 1e300, 1, 1, 1]]), "annotations[0]"),
    ("coco", coco(segmentation=[[1, 2]]), "annotations[0]"),
    ("coco", coco(bbox=[0, 0, 5, 5], caption="x" * 501), "annotations[0]"),
    ("coco", zipped(**{"square.coco.json": b" " * (65 * 2**20)}), "square.coco.json"),
    ("cvat", cvat("<polygon frame='0' points='1,2;x'/>"), "track 0, frame 0"),
    ("cvat", cvat("<polygon frame='0' points='nan,1;2,2;3,3'/>"), "track 0, frame 0"),
    ("cvat", cvat("<mask frame='0' left='127' top='0' width='9' height='9' rle='81'/>"), "track 0"),
    ("cvat", b"<!DOCTYPE a [<!ENTITY x 'y'>]><annotations>&x;</annotations>", "head"),
    ("cvat", b"<html/>", "html"),
    ("eaf", EAF, "tier 'a'"),
    ("eaf", "é".encode("latin-1"), "byte 0"),
    ("webvtt", b"hello", "line 1"),
    ("webvtt", b"WEBVTT\n\n00:00.000 --> never\nx\n", "line 3"),
    ("webvtt-metadata", b"WEBVTT\n\n00:00.000 --> 00:01.000\n{}\n", "line 3"),
    ("label-studio", b'[{"predictions": [{"result": [{"type": "videorectangle"}]}]}]', "result[0]"),
    ("fiftyone", zipped(labels__square__json=b"{}"), "frames"),
    ("fiftyone", zipped(labels__square__json=eta(npy("(99999999, 99999999)"))), "frame 1"),
    ("fiftyone", zipped(labels__square__json=eta("!!")), "frame 1"),
    ("ra-ssu", zipped(data__json=b"{}"), "clips.jsonl"),
    ("ra-ssu", zipped(**{"clips.jsonl": b'{"truth": "../../etc/passwd"}\n'}), "passwd"),
]  # fmt: skip


async def test_a_document_that_is_wrong_is_named_with_the_place(
    ann: Annotator, film: bytes
) -> None:
    project, clip = await corrected(ann, film)
    before = await ann.layer(clip)

    for name, content, place in WRONG:
        file = f"square.{name}"
        answer = await imported(ann, project, name, content, file)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, "import_invalid"), (name, problem)
        assert place in problem["detail"], (name, problem["detail"])
    assert await ann.layer(clip) == before


async def test_clips_of_one_name_go_out_apart_and_come_back(ann: Annotator, film: bytes) -> None:
    project = await ann.project()
    clips = [await ann.send(project, film, "square.mp4") for _ in range(2)]
    for number, clip in enumerate(clips):
        await ann.begin(clip)
        edits = [put_track("t1", f"thing {number}"), put_mask("t1", 1, square_at(number))]
        told(await ann.edit(clip, 1, *edits, put_intervals("t1", (0.0, 1.0, None))))

    content = await exported(ann, project, "coco", layer="alice")
    told(await imported(ann, project, "coco", content, "all.zip"))

    for number, clip in enumerate(clips):
        assert [t["category"] for t in (await ann.layer(clip))["tracks"]] == [f"thing {number}"]


EMPTY = {
    "coco": ("square.coco.json", b'{"categories": [], "images": [], "annotations": []}'),
    "cvat": ("square.cvat.xml", b"<annotations></annotations>"),
    "webvtt": ("square.vtt", b"WEBVTT\n"),
}


@pytest.mark.parametrize("form", EMPTY)
async def test_a_document_that_tells_of_nothing_leaves_what_is_there(
    lite: Running, ann: Annotator, film: bytes, form: str
) -> None:
    project, clip = await corrected(ann, film)
    before, (file, content) = await ann.layer(clip), EMPTY[form]

    answer = await imported(ann, project, form, content, file)
    begun = await imported(Annotator(lite.client, "bob"), project, form, content, file)

    assert (answer.status_code, answer.json()["code"]) == (422, "import_invalid")
    assert "tells of nothing" in answer.json()["detail"]
    assert await ann.layer(clip) == before
    assert told(begun)["clips"][0]["tracks"] == 0  # that nothing sounds is something to say, too
    assert (await ann.layer(clip, "bob"))["revision"] == 1


async def two_clips(ann: Annotator, film: bytes) -> tuple[str, list[str], bytes]:
    """Return a project, two clips with layers of one track each, and both as COCO."""
    project = await ann.project()
    clips = [await ann.send(project, film, f"{name}.mp4") for name in "ab"]
    for clip in clips:
        await ann.begin(clip)
        edits = [put_track("t1"), put_mask("t1", 1, square_at(1))]
        told(await ann.edit(clip, 1, *edits, put_intervals("t1", (0.0, 1.0, None))))
    return project, clips, await exported(ann, project, "coco", layer="alice")


async def test_among_other_documents_one_that_tells_of_nothing_is_left_out(
    ann: Annotator, film: bytes
) -> None:
    project, clips, content = await two_clips(ann, film)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        full = archive.read("a.coco.json")

    both = zipped(**{"a.coco.json": full, "b.coco.json": EMPTY["coco"][1]})
    answer = told(await imported(ann, project, "coco", both, "all.zip"))

    assert [one["clip"] for one in answer["clips"]] == clips[:1]
    assert answer["left_out"] == ["b.coco.json"]
    assert [(await ann.layer(clip))["revision"] for clip in clips] == [3, 2]


async def test_an_import_that_fails_in_the_middle_has_changed_nothing(
    tmp_path: Path, ann: Annotator, film: bytes
) -> None:
    project, clips, content = await two_clips(ann, film)
    before = [await ann.layer(clip) for clip in clips]
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as store, store:
        store.execute(
            "CREATE TRIGGER broken BEFORE UPDATE ON ssu_studio_layers"
            f" WHEN NEW.clip = '{clips[1]}' BEGIN SELECT abs(-9223372036854775807 - 1); END"
        )

    answer = await imported(ann, project, "coco", content, "all.zip")

    assert (answer.status_code, answer.json()["code"]) == (503, "jobs_unavailable")
    assert [await ann.layer(clip) for clip in clips] == before


async def test_what_cannot_go_out_is_a_problem(ann: Annotator, film: bytes) -> None:
    project, _ = await corrected(ann, film)

    async def refused(**params: str) -> tuple[int, str]:
        answer = await ann.call("GET", f"/projects/{project}/export", params=params)
        return answer.status_code, answer.json()["code"]

    assert await refused(format="overlay") == (422, "option_invalid")
    assert await refused(format="nothing") == (422, "option_invalid")
    assert await refused(format="coco", layer="nobody") == (404, "studio_not_found")


async def test_provenance_tells_of_each_mask_and_sentence(ann: Annotator, film: bytes) -> None:
    project, clip = await corrected(ann, film)

    answer = await ann.call("GET", f"/projects/{project}/provenance.jsonl")

    lines = [json.loads(line) for line in answer.text.splitlines()]
    mine = [line for line in lines if line["annotator"] == "alice"]
    assert {line["kind"] for line in mine} == {"mask", "interval", "heard"}
    assert len([line for line in mine if line["kind"] == "mask"]) == 21
    assert all(line["clip"] == clip and line["by"]["who"] == "alice" for line in mine)
    model = [line["by"] for line in lines if line["annotator"] == "model"]
    assert model
    assert {one["tool"] for one in model} == {"model"}


async def test_every_format_but_those_that_draw_goes_out(tmp_path: Path, film: bytes) -> None:
    async with studio_of(tmp_path) as started:
        ann = Annotator(started.client, "alice")
        project, _ = await corrected(ann, film)
        facts = await ann.get("/facts")

        for form in facts["formats"]:
            with zipfile.ZipFile(io.BytesIO(await exported(ann, project, form["name"]))) as made:
                assert made.testzip() is None
        assert {one["name"] for one in facts["formats"] if one["imports"]} == set(NAMES)
