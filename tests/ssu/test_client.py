"""The client against the real gateway, and against servers that answer oddly."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from email.utils import formatdate
from pathlib import Path

import httpx
import numpy as np
import pytest

import ssu
from service.understanding.options import Options as ServiceOptions
from ssu.calls import Call, Retry
from ssu.options import Options
from ssuformer.errors import (
    AnswerIncomplete,
    ClipEmpty,
    ClipTooLarge,
    OptionError,
    Overloaded,
    SsuError,
)

Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def client(url: str) -> Iterator[ssu.Client]:
    with ssu.Client(url) as client:
        yield client


def client_of(handler: Handler, **more: object) -> ssu.Client:
    return ssu.Client("http://far", transport=httpx.MockTransport(handler), **more)  # type: ignore[arg-type]


def busy(times: int, **headers: str) -> tuple[Handler, list[bytes]]:
    """Refuse the first requests, then echo; the second value holds all bodies."""
    bodies: list[bytes] = []

    def handle(request: httpx.Request) -> httpx.Response:
        bodies.append(request.read())
        if len(bodies) > times:
            return httpx.Response(200, content=bodies[-1])
        problem = {"code": "overloaded", "detail": "the queue is full", "limit": 16}
        return httpx.Response(429, json=problem, headers=headers)

    return handle, bodies


def test_an_answer_is_typed_and_its_masks_are_arrays(client: ssu.Client, film: Path) -> None:
    answer = client.understand(film)

    (region, *_) = answer.frames[1].regions
    assert [frame.time for frame in answer.frames] == [0.5, 1.5, 2.5, 3.5]
    assert region.description == "a bell is ringing."
    assert region.mask is not None
    assert region.mask.dtype == np.bool_
    assert region.mask.shape == (48, 64)
    assert region.mask.sum() == region.area > 0
    x, y, width, height = region.bbox
    assert region.mask[y : y + height, x : x + width].sum() == region.area


@pytest.mark.parametrize("form", ["rle", "rle_uncompressed", "polygon", "png"])
def test_a_mask_is_the_same_in_whichever_form_it_was_sent(
    client: ssu.Client, film: Path, form: str
) -> None:
    usual = client.understand(film).frames[1].regions[0].mask
    other = client.understand(film, mask_format=form).frames[1].regions[0].mask  # type: ignore[arg-type]

    assert usual is not None
    assert other is not None
    assert (usual == other).all()


def test_without_masks_a_region_has_none(client: ssu.Client, film: Path) -> None:
    answer = client.understand(film, mask_format="none")

    assert {region.mask for frame in answer.frames for region in frame.regions} == {None}


def test_a_clip_may_be_a_path_bytes_or_an_open_file(
    client: ssu.Client, film: Path, clip: bytes
) -> None:
    answers = [client.understand(given) for given in (film, str(film), clip, io.BytesIO(clip))]

    assert [answer.frames for answer in answers[1:]] == [answers[0].frames] * 3


def test_the_options_of_the_client_are_those_of_the_service(client: ssu.Client, film: Path) -> None:
    answer = client.understand(film, fps=2, start=1, end=2, captions=False, video_track=None)

    assert Options.__annotations__.keys() == ServiceOptions.model_fields.keys() - {"format"}
    assert [frame.time for frame in answer.frames] == [1.25, 1.75]
    assert {r.description for frame in answer.frames for r in frame.regions} == {None}


def test_a_stream_has_the_windows_and_then_the_whole_answer(
    client: ssu.Client, long_clip: bytes
) -> None:
    with client.stream(long_clip) as stream:
        with pytest.raises(AnswerIncomplete):
            _ = stream.answer
        windows = list(stream)

    whole = client.understand(long_clip)
    assert len(windows) > 1
    assert [frame for window in windows for frame in window] == whole.frames
    assert stream.answer.frames == whole.frames
    assert stream.answer.tracks == whole.tracks


def test_the_service_writes_other_formats(client: ssu.Client, film: Path) -> None:
    assert client.written(film, "webvtt").startswith(b"WEBVTT")


def test_the_models_of_the_service_are_told(client: ssu.Client) -> None:
    (model,) = client.models()

    assert (model.name, model.digest) == ("fake", "0" * 64)


def test_a_problem_is_the_exception_that_the_service_raised(client: ssu.Client) -> None:
    with pytest.raises(ClipEmpty):
        client.understand(b"")
    with pytest.raises(OptionError, match="fps"):
        client.understand(b"film", fps=99)
    with pytest.raises(ClipTooLarge) as raised:
        client.understand(bytes(3 * 2**20))

    assert (raised.value.code, raised.value.limit, raised.value.actual) == (
        "clip_too_large", 2**20, 3 * 2**20,
    )  # fmt: skip


def test_a_file_that_is_not_there_is_an_error_of_the_system(client: ssu.Client) -> None:
    with pytest.raises(FileNotFoundError):
        client.understand("/nowhere/film.mp4")


def test_a_problem_of_a_newer_service_keeps_its_code() -> None:
    problem = {"code": "moon_too_full", "detail": "wait a week", "actual": 1.0}

    client = client_of(lambda _: httpx.Response(422, json=problem))
    with client, pytest.raises(ssu.ServiceError, match="wait a week") as raised:
        client.understand(b"film")

    assert (raised.value.code, raised.value.actual) == ("moon_too_full", 1.0)


def test_what_is_no_problem_is_not_taken_for_one_of_ours() -> None:
    teapot = httpx.Response(418, text="short and stout")

    with client_of(lambda _: teapot) as client, pytest.raises(ssu.ServiceError) as raised:
        client.understand(b"film")

    assert raised.value.code == "http_418"


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"clip": 3}'])
def test_what_is_no_answer_is_not_taken_for_one(body: bytes) -> None:
    client = client_of(lambda _: httpx.Response(200, content=body))
    with client, pytest.raises(ssu.AnswerUnknown):
        client.understand(b"film")


def test_the_key_is_sent() -> None:
    def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=request.headers["authorization"])

    with client_of(echo, key="secret") as client:
        assert client.ask(Call("GET", "/")) == b"Bearer secret"


def test_what_was_sent_is_told_piece_by_piece(film: Path) -> None:
    pieces: list[int] = []
    handle, _ = busy(0)

    with client_of(handle) as client:
        body = client.written(film, "json", sent=pieces.append)

    assert body == film.read_bytes()
    assert sum(pieces) == film.stat().st_size


def test_a_busy_service_is_asked_again_after_the_time_it_names(film: Path) -> None:
    handle, bodies = busy(1, **{"Retry-After": "1"})
    began = time.monotonic()

    with client_of(handle) as client:
        body = client.written(film, "json")

    assert 1.0 <= time.monotonic() - began < 3.0
    assert body == film.read_bytes()
    assert bodies == [body, body]


def test_a_date_says_when_to_ask_again_too() -> None:
    handle, bodies = busy(1, **{"Retry-After": formatdate(time.time() + 1, usegmt=True)})

    with client_of(handle) as client:
        client.written(b"film", "json")

    assert len(bodies) == 2


@pytest.mark.parametrize(
    ("headers", "retry", "asked"),
    [
        ({}, Retry(), 1),
        ({"Retry-After": "3600"}, Retry(), 1),
        ({"Retry-After": "0"}, Retry(times=2), 3),
        ({"Retry-After": "0"}, Retry(times=0), 1),
    ],
    ids=["not-asked-to", "too-long", "too-often", "never"],
)
def test_a_service_that_stays_busy_is_told_with_its_retry_after(
    headers: dict[str, str], retry: Retry, asked: int
) -> None:
    handle, bodies = busy(99, **headers)

    with client_of(handle, retry=retry) as client, pytest.raises(Overloaded) as raised:
        client.understand(b"film")

    assert len(bodies) == asked
    after = headers.get("Retry-After")
    assert raised.value.retry_after == (None if after is None else float(after))


def test_a_service_that_is_not_there_is_out_of_reach() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        port = closed.getsockname()[1]

    client = ssu.Client(f"http://127.0.0.1:{port}", retry=Retry(times=1))
    with client, pytest.raises(ssu.ServiceUnreachable):
        client.understand(b"film")


def test_a_connection_that_breaks_once_is_made_again() -> None:
    calls: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        if len(calls) == 1:
            raise httpx.ReadError("reset")
        return httpx.Response(200, content=b"hello")

    with client_of(handle) as client:
        assert client.ask(Call("GET", "/models")) == b"hello"


def test_a_service_that_says_nothing_is_not_asked_again() -> None:
    calls: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        raise httpx.ReadTimeout("nothing")

    with client_of(handle) as client, pytest.raises(ssu.ServiceSilent):
        client.understand(b"film")
    assert calls == ["/understand"]


MODEL = '{"name":"m","version":"1","digest":"d"}'
HEAD = '{"record":"head","model":' + MODEL + ',"sampled_fps":1,"mask_size":[4,4]}'
WINDOW = '{"record":"window","frames":[{"time":0.5,"regions":[]}]}'
BEAT = '{"record":"heartbeat","stage":"decode","seconds":1}'
PROBLEM = '{"record":"error","problem":{"code":"overloaded","detail":"no"},"retry_after":7}'


@pytest.mark.parametrize(
    ("lines", "kind", "frames"),
    [
        ([HEAD, BEAT, WINDOW, PROBLEM], Overloaded, 1),
        ([HEAD, WINDOW, WINDOW], AnswerIncomplete, 2),
        ([HEAD, WINDOW, '{"record":"tail","frames":2}'], AnswerIncomplete, 1),
        ([HEAD, "not json"], ssu.AnswerUnknown, 0),
        (["[]"], ssu.AnswerUnknown, 0),
    ],
    ids=["problem", "cut", "one-missing", "no-json", "no-record"],
)
def test_a_stream_that_ends_badly_gives_what_came_and_then_says_why(
    lines: list[str], kind: type[SsuError], frames: int
) -> None:
    seen: list[ssu.Frame] = []
    client = client_of(lambda _: httpx.Response(200, text="\n".join(lines)))

    with client, client.stream(b"film") as stream, pytest.raises(kind):
        seen.extend(stream.frames())

    assert len(seen) == frames


@pytest.mark.parametrize("kind", [ssu.Client, ssu.AsyncClient])
@pytest.mark.parametrize(
    "url", ["127.0.0.1:8720", "far", "localhost:8000", "ftp://far", "http://", ""]
)
def test_a_url_without_scheme_or_host_is_refused_when_the_client_is_made(
    kind: type[ssu.Client | ssu.AsyncClient], url: str
) -> None:
    with pytest.raises(OptionError, match="http:// or https://"):
        kind(url)


def test_a_url_that_cannot_be_read_is_refused_when_the_client_is_made() -> None:
    with pytest.raises(OptionError, match="cannot be read"):
        ssu.Client("http://[::1")
