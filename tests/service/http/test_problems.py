import inspect
from collections.abc import AsyncIterator

import pytest

from service.http.problems import STATUS
from ssuformer import errors
from tests.service.conftest import Running, run, small_settings
from tests.ssuformer.footage import Footage

ERRORS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.SsuError)
]


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_has_a_status(error: type[errors.SsuError]) -> None:
    assert 400 <= STATUS[error] < 600


def test_no_two_errors_share_a_code() -> None:
    codes = [error.code for error in ERRORS]

    assert len(set(codes)) == len(codes)


BAD_OPTIONS: list[dict[str, object]] = [
    {"fps": 0},
    {"fps": 31},
    {"fps": "nan"},
    {"mask_format": "svg"},
    {"mask_size": "huge"},
    {"min_score": 2},
    {"start": -1},
    {"start": 3, "end": 2},
    {"deadline": 0},
    {"colour": "red"},
    {"fps": [1, 2]},
]
for name in ("start", "end", "deadline", "min_score", "fps"):
    BAD_OPTIONS += [{name: value} for value in ("inf", "-inf", "nan", "1e308", "1e13", "-1")]


@pytest.mark.anyio
@pytest.mark.parametrize("options", BAD_OPTIONS, ids=str)
async def test_a_wrong_option_is_a_problem_that_names_it(
    running: Running, clip: bytes, options: dict[str, object]
) -> None:
    response = await running.understand(clip, **options)

    body = response.json()
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert body["code"] == "option_invalid"
    assert next(iter(options)) in body["detail"] or len(options) > 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fields", "option", "says"),
    [
        ({"start": "6", "end": "2"}, "end", "2 is not after start, 6"),
        ({"start": "x", "end": "2"}, "start", "Input should be a valid number"),
        ({"format": "bogus"}, "format", "'bogus' is none of json, "),
    ],
    ids=str,
)
async def test_a_wrong_option_is_told_by_name_and_reason_alone(
    running: Running, clip: bytes, fields: dict[str, str], option: str, says: str
) -> None:
    form = await running.client.post("/understand", data=fields, files={"file": ("a", clip)})
    query = await running.understand(clip, **fields)

    for response in (form, query):
        (wrong,) = response.json()["errors"]
        assert wrong["option"] == option
        assert wrong["message"].startswith(says)
        assert response.json()["detail"] == f"{option}: {wrong['message']}"


BAD_BODIES: dict[str, tuple[bytes | Footage, int, str]] = {
    "nothing": (b"", 400, "clip_empty"),
    "text": (b"no clip " * 100, 422, "clip_unreadable"),
    "sound": (Footage(video=None, seconds=1), 422, "clip_has_no_video"),
    "codec": (Footage(container="avi", video="ffv1", seconds=1), 415, "clip_unsupported"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("kind", BAD_BODIES)
async def test_a_bad_clip_is_a_problem_with_its_code(running: Running, kind: str) -> None:
    made, status, code = BAD_BODIES[kind]
    body = made if isinstance(made, bytes) else made.make()

    response = await running.understand(body)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert running.metric("ssu_input_rejected_total", code=code) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("content-encoding", "gzip"),
        ("content-encoding", "br"),
        ("content-type", "application/json"),
        ("content-type", "text/plain; charset=utf-8"),
        ("content-type", "application/problem+json"),
    ],
)
async def test_a_body_that_says_it_is_no_clip_is_an_unsupported_media_type(
    running: Running, clip: bytes, header: str, value: str
) -> None:
    response = await running.client.post("/understand", content=clip, headers={header: value})

    body = response.json()
    assert (response.status_code, body["code"]) == (415, "clip_unsupported")
    assert body["actual"] == value.partition(";")[0]
    assert value.partition(";")[0] in body["detail"]


@pytest.mark.anyio
async def test_a_form_without_the_field_names_the_field(running: Running, clip: bytes) -> None:
    response = await running.client.post("/understand", files={"video": ("a", clip)})

    assert response.status_code == 422
    assert "`file`" in response.json()["detail"]


@pytest.mark.anyio
async def test_a_broken_form_is_a_problem(running: Running) -> None:
    response = await running.client.post(
        "/understand", content=b"nonsense", headers={"content-type": "multipart/form-data"}
    )

    assert response.json()["code"] == "option_invalid"


@pytest.mark.anyio
@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/understand", 405)])
async def test_a_wrong_route_is_a_problem_too(running: Running, path: str, status: int) -> None:
    response = await running.client.get(path)

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.anyio
async def test_a_clip_over_a_cap_is_refused_with_the_limit_and_what_was_sent(clip: bytes) -> None:
    async with run(small_settings(max_pixels=1000)) as running:
        response = await running.understand(clip)

    body = response.json()
    assert (response.status_code, body["code"]) == (413, "clip_too_large")
    assert (body["limit"], body["actual"]) == (1000, 64 * 48)


async def in_pieces(clip: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(clip), 500):
        yield clip[at : at + 500]


@pytest.mark.anyio
async def test_too_many_bytes_are_refused_stated_or_not(clip: bytes) -> None:
    async with run(small_settings(max_bytes=2000)) as running:
        stated = await running.understand(clip)
        streamed = await running.client.post("/understand", content=in_pieces(clip))
        form = await running.client.post("/understand", files={"file": ("a", clip)})

    for response in (stated, streamed, form):
        assert (response.status_code, response.json()["code"]) == (413, "clip_too_large")
        assert response.json()["limit"] == 2000
