"""Formats of the answer over HTTP, by name and by media type, and options in forms."""

import io
import json

import httpx
import numpy as np
import pytest

from service.formats.catalogue import NAMES, every
from service.formats.format import Need
from tests.service.conftest import Running

pytestmark = pytest.mark.anyio

WITHOUT_PICTURES = [one for one in every() if Need.PICTURES not in one.needs]


@pytest.mark.parametrize("form", WITHOUT_PICTURES, ids=lambda form: form.name)
async def test_a_format_is_chosen_by_its_name_or_its_media_type(
    running: Running, clip: bytes, form: object
) -> None:
    one = next(each for each in WITHOUT_PICTURES if each == form)

    named = await running.understand(clip, format=one.name)
    accepted = await running.client.post(
        "/understand", content=clip, headers={"Accept": f"{one.media_type}, */*;q=0.1"}
    )

    for response in (named, accepted):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(one.media_type)
        shown = "inline" if one.name == "json" else "attachment"
        assert response.headers["content-disposition"] == (
            f'{shown}; filename="answer{one.suffix}"'
        )
        whole = None if one.write_record else str(len(response.content))
        assert response.headers.get("content-length") == whole
        assert response.content
        assert "Accept" in response.headers["vary"]


async def test_the_name_counts_more_than_the_header(running: Running, clip: bytes) -> None:
    response = await running.client.post(
        "/understand?format=srt", content=clip, headers={"Accept": "text/vtt"}
    )

    assert response.headers["content-type"].startswith("application/x-subrip")
    assert "a bell is ringing." in response.text


async def test_an_unknown_format_is_refused_with_all_names(running: Running, clip: bytes) -> None:
    response = await running.understand(clip, format="svg")

    assert (response.status_code, response.json()["code"]) == (422, "option_invalid")
    assert all(name in response.json()["detail"] for name in NAMES)


async def test_a_media_type_that_there_is_not_is_refused_before_the_clip_is_read(
    running: Running,
) -> None:
    response = await running.client.post(
        "/understand", content=b"no clip", headers={"Accept": "text/html"}
    )

    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")
    assert "text/vtt" in response.json()["limit"]


async def test_a_format_made_of_masks_is_refused_if_none_are_asked_for(
    running: Running, clip: bytes
) -> None:
    response = await running.understand(clip, format="davis", mask_format="none")

    assert (response.status_code, response.json()["code"]) == (422, "option_invalid")


async def test_masks_of_the_engines_size_are_stretched_to_the_clip(
    running: Running, clip: bytes
) -> None:
    response = await running.understand(clip, format="npz", mask_size="engine")

    with np.load(io.BytesIO(response.content)) as arrays:
        assert arrays["masks"].shape[1:] == (48, 64)


async def form(running: Running, clip: bytes, query: str = "", **fields: object) -> httpx.Response:
    return await running.client.post(
        f"/understand{query}", files={"file": ("a", clip)}, data=fields
    )


async def test_options_may_be_fields_of_a_form(running: Running, clip: bytes) -> None:
    response = await form(running, clip, "?fps=2", format="ndjson", start="1", end="2")

    lines = [json.loads(line) for line in response.text.splitlines()]
    (window,) = (line for line in lines if line["record"] == "window")
    assert [frame["time"] for frame in window["frames"]] == [1.25, 1.75]


async def test_an_option_may_say_the_same_in_the_query_and_in_the_form(
    running: Running, clip: bytes
) -> None:
    response = await form(running, clip, "?mask_format=none&fps=2", mask_format="none", fps="2")

    assert (response.status_code, response.json()["sampled_fps"]) == (200, 2)


DISPOSITIONS = [
    b'name="file"',
    b"name=file",
    b'name="file"; filename=""',
    b'name="file"; filename="a b.mp4"',
    b"name=\"file\"; filename*=UTF-8''%C3%A9.mp4",
    b"filename*=UTF-8''%C3%A9.mp4; name=\"file\"",
    b'name="file"; filename="e.mp4"; filename*=UTF-8\'\'%C3%A9.mp4',
]


@pytest.mark.parametrize("disposition", DISPOSITIONS, ids=bytes.decode)
async def test_a_clip_in_a_form_may_have_any_file_name_or_none(
    running: Running, clip: bytes, disposition: bytes
) -> None:
    parts = [
        b'Content-Disposition: form-data; name="fps"\r\nContent-Type: text/plain\r\n\r\n2',
        b"Content-Disposition: form-data; %s\r\n\r\n%s" % (disposition, clip),
        b'Content-Disposition: form-data; name="captions"\r\n\r\nFalse',
    ]
    body = b"".join(b"--b\r\n%s\r\n" % part for part in parts) + b"--b--\r\n"

    response = await running.client.post(
        "/understand", content=body, headers={"content-type": "multipart/form-data; boundary=b"}
    )

    assert (response.status_code, response.json()["sampled_fps"]) == (200, 2)
    regions = [region for frame in response.json()["frames"] for region in frame["regions"]]
    assert {region["description"] for region in regions} == {None}


@pytest.mark.parametrize(
    ("query", "fields", "word"),
    [
        ("", {"fps": "99"}, "fps"),
        ("", {"colour": "red"}, "colour"),
        ("", {"format": "svg"}, "youtube-vis"),
        ("?fps=2", {"fps": "3"}, "fps"),
        ("", {"fps": ["2", "3"]}, "more than once"),
        ("", {"format": "x" * 2000}, "multipart"),
        ("", {f"option{i}": "1" for i in range(40)}, "multipart"),
    ],
    ids=str,
)
async def test_a_wrong_field_is_a_problem_that_names_it(
    running: Running, clip: bytes, query: str, fields: dict[str, object], word: str
) -> None:
    response = await form(running, clip, query, **fields)

    assert (response.status_code, response.json()["code"]) == (422, "option_invalid")
    assert word in response.json()["detail"]
    assert running.metric("ssu_upload_bytes") == 0


async def test_a_large_answer_is_sent_from_a_file(
    running: Running, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = await running.understand(clip)
    monkeypatch.setattr("service.http.written_answer._IN_MEMORY", 100)

    response = await running.understand(clip)

    assert response.json()["frames"] == plain.json()["frames"]
    assert int(response.headers["content-length"]) == len(response.content)
