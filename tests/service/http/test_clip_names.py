"""What an answer's documents and its file are called: as the clip that was sent."""

from __future__ import annotations

import io
import json
import zipfile
from urllib.parse import quote
from xml.etree import ElementTree

import pytest

from tests.service.conftest import Running
from tests.service.jobs.conftest import ended, jobs_of

pytestmark = pytest.mark.anyio


async def sent(running: Running, clip: bytes, name: str, form: str) -> bytes:
    response = await running.client.post(f"/understand?format={form}", files={"file": (name, clip)})
    assert response.status_code == 200, response.text
    return response.content


async def test_documents_have_the_name_of_the_file_in_the_form(
    running: Running, clip: bytes
) -> None:
    name = "C:\\films\\my dog.mov"

    coco = json.loads(await sent(running, clip, name, "coco"))
    cvat = ElementTree.fromstring(await sent(running, clip, name, "cvat"))
    label_studio = json.loads(await sent(running, clip, name, "label-studio"))
    eaf = ElementTree.fromstring(await sent(running, clip, name, "eaf"))

    assert coco["images"][0]["file_name"] == "my dog/00000.jpg"
    assert cvat.findtext("meta/task/name") == "my dog"
    assert cvat.findtext("meta/task/source") == "my dog.mov"
    assert label_studio[0]["data"]["video"] == "my dog.mov"
    media = eaf.find("HEADER/MEDIA_DESCRIPTOR")
    assert media is not None
    assert media.attrib["RELATIVE_MEDIA_URL"] == "./my dog.mov"


@pytest.mark.parametrize(
    ("form", "member"),
    [
        ("davis", "Annotations/480p/dog/00000.png"),
        ("fiftyone", "data/dog.mp4"),
        ("ra-ssu", "clips/dog.mp4"),
    ],
)
async def test_members_of_archives_stay_inside_them(
    running: Running, clip: bytes, form: str, member: str
) -> None:
    content = await sent(running, clip, "../../dog.mp4", form)

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
    assert any(name.endswith(member.rpartition("/")[2]) for name in names)
    assert not any(name.startswith("/") or ".." in name for name in names)


async def test_the_answers_file_is_called_after_the_clips(running: Running, clip: bytes) -> None:
    plain = await running.client.post("/understand?format=srt", files={"file": ("dog.mp4", clip)})
    foreign = await running.client.post(
        "/understand", params={"format": "srt", "file_name": "犬\r\nX: y.mp4"}, content=clip
    )
    streamed = await running.understand(clip, format="ndjson", file_name="dog.webm")

    assert plain.headers["content-disposition"] == 'attachment; filename="dog.srt"'
    assert foreign.headers["content-disposition"] == (
        "attachment; filename=\"___X_ y.srt\"; filename*=UTF-8''" + quote("犬__X_ y.srt")
    )
    assert streamed.headers["content-disposition"] == 'attachment; filename="dog.ndjson"'


@pytest.mark.parametrize("disposition", ["filename*=UTF-8''%E7%8A%AC.mp4", 'filename="犬.mp4"'])
async def test_names_in_any_letters_are_read(
    running: Running, clip: bytes, disposition: str
) -> None:
    head = f'--b\r\nContent-Disposition: form-data; name="file"; {disposition}\r\n\r\n'
    response = await running.client.post(
        "/understand?format=cvat",
        content=head.encode() + clip + b"\r\n--b--\r\n",
        headers={"content-type": "multipart/form-data; boundary=b"},
    )

    assert ElementTree.fromstring(response.content).findtext("meta/task/source") == "犬.mp4"


@pytest.mark.parametrize("name", ["...", " ", ""])
async def test_a_name_of_which_nothing_is_left_is_as_none(
    running: Running, clip: bytes, name: str
) -> None:
    in_form = await running.client.post("/understand?format=srt", files={"file": (name, clip)})
    option = await running.understand(clip, format="srt", file_name=name)
    both = await running.client.post(
        "/understand", params={"format": "srt", "file_name": name}, files={"file": ("🎻.mp4", clip)}
    )

    for response in (in_form, option):
        assert response.status_code == 200, response.text
        assert response.headers["content-disposition"] == 'attachment; filename="answer.srt"'
    assert quote("🎻.srt") in both.headers["content-disposition"]


async def test_the_option_counts_more_than_the_form(running: Running, clip: bytes) -> None:
    response = await running.client.post(
        "/understand?format=cvat&file_name=cat.mkv", files={"file": ("dog.mp4", clip)}
    )

    assert ElementTree.fromstring(response.content).findtext("meta/task/source") == "cat.mkv"


async def test_a_job_remembers_the_name_and_is_the_same_one_under_another(
    tmp_path_factory: pytest.TempPathFactory, clip: bytes
) -> None:
    async with jobs_of(tmp_path_factory.mktemp("jobs")) as working:

        async def send(name: str) -> str:
            response = await working.client.post(
                "/jobs", files={"file": (name, clip)}, headers={"Idempotency-Key": "one"}
            )
            assert response.status_code == 202, response.text
            assert response.json()["options"]["file_name"] == "dog.mp4"
            number: str = response.json()["id"]
            return number

        job = await send("dog.mp4")
        await ended(working, job)
        result = await working.client.get(f"/jobs/{job}/result?format=label-studio")

        assert await send("again.mp4") == job
    assert result.json()[0]["data"]["video"] == "dog.mp4"
    assert 'filename="dog.labelstudio.json"' in result.headers["content-disposition"]
