"""Bodies and imports that are small or cheap to send, and would take the gateway long to read."""

from __future__ import annotations

import asyncio
import io
import struct
import threading
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest

from service.studio import words
from service.studio.importing import Import
from service.studio.layers import LayerTrack
from service.studio.readers import catalogue
from service.studio.readers.gathered import Gathered
from tests.service.conftest import Running, run
from tests.service.studio.conftest import (
    PATIENCE,
    Annotator,
    put_intervals,
    put_track,
    studio_settings,
)

pytestmark = pytest.mark.anyio

_DOCUMENTS = {
    "coco": ("square.coco.json", b'{"categories":[' + b"[]," * 4_000_001 + b"[]]}"),
    "cvat": ("square.cvat.xml", b"<annotations>" + b"<a/>" * 4_000_001 + b"</annotations>"),
    "eaf": ("square.eaf", b"<A " + b" ".join(b"a%x=''" % n for n in range(4_000_001)) + b"/>"),
}


@pytest.fixture
def alice(lite: Running) -> Annotator:
    return Annotator(lite.client, "alice")


async def test_a_body_has_so_many_values_at_most(alice: Annotator, film: bytes) -> None:
    clip = await alice.send(await alice.project(), film)
    await alice.begin(clip)
    content = b'{"id": "e1", "base_revision": 1, "edits": [' + b"[]," * 200_000 + b"[]]}"

    answer = await alice.call(
        "PATCH", f"/clips/{clip}/layers/mine", content=content,
        headers={"Content-Type": "application/json"},
    )  # fmt: skip

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.json()["limit"] == 200_000


_MANY = (
    {"op": "put_intervals", "track": "t1", "intervals": [1] * 1000},
    {"op": "put_intervals", "track": "t1", "intervals": [{"start": 2, "end": 1}] * 1000},
)


@pytest.mark.parametrize("edit", _MANY)
async def test_a_body_of_very_many_mistakes_is_told_of_in_short(
    alice: Annotator, film: bytes, edit: object
) -> None:
    clip = await alice.send(await alice.project(), film)
    await alice.begin(clip)

    answer = await alice.edit(clip, 1, *[edit] * 99)

    assert (answer.status_code, answer.json()["code"]) == (422, "option_invalid")
    assert (answer.json()["limit"], answer.json()["actual"]) == (100, 99_000)
    assert len(answer.content) < 1000


async def test_a_body_is_validated_outside_the_event_loop(
    alice: Annotator, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = await alice.send(await alice.project(), film)
    await alice.begin(clip)
    threads, known = set(), words.is_line

    def noted(text: str) -> bool:
        threads.add(threading.current_thread())
        return known(text)

    monkeypatch.setattr("service.studio.layers.is_line", noted)
    answer = await alice.edit(clip, 1, put_track("t1"), put_intervals("t1", (0.0, 1.0, "a dog")))

    assert answer.status_code == 200, answer.text
    assert threads
    assert threading.main_thread() not in threads


async def test_a_document_has_as_many_intervals_of_a_track_as_a_layer(
    alice: Annotator, film: bytes
) -> None:
    project = await alice.project()
    await alice.send(project, film)

    times = [f"00:{3 * n / 1000:06.3f}" for n in range(1002)]
    cues = [f"{a} --> {b}\n<v dog>bark {a}\n\n" for a, b in pairwise(times)]

    content = ("WEBVTT\n\n" + "".join(cues)).encode()
    await _refused(alice, project, "webvtt", content, "1001 intervals, the limit is 1000")


async def test_the_intervals_of_a_document_are_made_outside_the_event_loop(
    alice: Annotator, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = await alice.project()
    await alice.send(project, film)
    threads, made = set(), Gathered.tracks

    def noted(gathered: Gathered, who: str) -> list[LayerTrack]:
        threads.add(threading.current_thread())
        return made(gathered, who)

    monkeypatch.setattr(Gathered, "tracks", noted)
    content = b"WEBVTT\n\n00:00.000 --> 00:01.000\n<v dog>a dog barks\n"
    answer = await alice.call(
        "POST", f"/projects/{project}/import?format=webvtt", files={"file": ("x.vtt", content)}
    )

    assert answer.status_code == 200, answer.text
    assert threads
    assert threading.main_thread() not in threads


@pytest.mark.parametrize("form", _DOCUMENTS)
async def test_a_document_has_so_many_values_at_most(
    alice: Annotator, film: bytes, form: str
) -> None:
    project = await alice.project()
    await alice.send(project, film)
    name, content = _DOCUMENTS[form]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)

    await _refused(alice, project, form, packed.getvalue(), "4000000 values")


async def test_the_list_of_an_archive_is_not_read_if_it_is_too_long(
    alice: Annotator, film: bytes
) -> None:
    project = await alice.project()
    await alice.send(project, film)
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", *[0] * 11, 2, *[0] * 6) + b"ab"
    listed = entry * (17 * 2**20 // len(entry))
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0, 0, len(listed), 0, 0)

    await _refused(alice, project, "coco", listed + end, "no zip archive")


async def test_an_import_that_nobody_waits_for_ends(
    tmp_path: Path, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Event(), threading.Event()

    def endless(_: bytes, gathered: Gathered) -> None:
        try:
            while True:
                gathered.see("a", "dog", 0, None, place="everywhere")
                begun.set()
        finally:
            ended.set()

    monkeypatch.setitem(catalogue.READERS, "coco", endless)
    async with run(studio_settings(tmp_path)) as running:
        alice = Annotator(running.client, "alice")
        project = await alice.project()
        await alice.send(project, film)
        studio = running.gateway.studio
        assert studio is not None
        reading = Import(studio, await studio.store.project(project), "coco", me="alice")
        task = asyncio.create_task(reading.read(io.BytesIO(b"{}"), "square.coco.json"))
        assert await asyncio.to_thread(begun.wait, PATIENCE)

        task.cancel()

        assert await asyncio.to_thread(ended.wait, PATIENCE)


async def _refused(alice: Annotator, project: str, form: str, content: bytes, why: str) -> None:
    answer = await alice.call(
        "POST", f"/projects/{project}/import?format={form}", files={"file": ("x.zip", content)}
    )
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "import_invalid"), problem
    assert why in problem["detail"]
