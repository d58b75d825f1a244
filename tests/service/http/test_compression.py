"""Answers compressed by zstd and gzip."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
from backports import zstd
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from service.http.compression import CompressionMiddleware, chosen_encoding
from tests.service.conftest import Running

pytestmark = pytest.mark.anyio

LONG = b'{"counts":"' + b"abc" * 1000 + b'"}'


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("", None),
        ("identity", None),
        ("br", None),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.2, GZIP;q=0.8", "gzip"),
        ("gzip;q=0, zstd;q=0", None),
        ("gzip;q=0.3, identity;q=0.5", None),
        ("*", "zstd"),
        ("*;q=0.5, zstd;q=0", "gzip"),
        ("*;q=0", None),
        ("gzip;q=much", None),
        ("gzip ; q=1.0", "gzip"),
    ],
)
def test_the_encoding_that_is_preferred_is_chosen(header: str, encoding: str | None) -> None:
    assert chosen_encoding(header) == encoding


DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "zstd": zstd.decompress,
}


async def answered(response: Response, encoding: str, method: str = "GET") -> list[Message]:
    """Return what is sent for a response of an application."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await response(scope, receive, send)

    async def receive() -> Message:
        raise AssertionError("nothing is to be received")

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"accept-encoding", encoding.encode())]
    spec = {"version": "3.0", "spec_version": "2.4"}
    scope = {"type": "http", "method": method, "headers": headers, "asgi": spec}
    scope["http_version"] = "1.1"
    await CompressionMiddleware(app)(scope, receive, send)
    return sent


def headers(messages: list[Message]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in messages[0]["headers"]}


def body(messages: list[Message]) -> bytes:
    return b"".join(message["body"] for message in messages[1:])


@pytest.mark.parametrize("encoding", DECODERS)
@pytest.mark.parametrize("size", [2_000, 300_000])
async def test_a_long_text_is_compressed_and_says_so(encoding: str, size: int) -> None:
    text = bytes(range(48, 58)) * (size // 10)

    sent = await answered(Response(text, media_type="application/json"), encoding)

    found = headers(sent)
    assert DECODERS[encoding](body(sent)) == text
    assert found["content-encoding"] == encoding
    assert int(found["content-length"]) == len(body(sent)) < size / 5
    assert found["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "response",
    [
        Response(b"short", media_type="application/json"),
        Response(LONG, media_type="video/mp4"),
        Response(LONG, media_type="application/vnd.ssu.davis+zip"),
        Response(LONG, media_type="application/json", headers={"Content-Encoding": "br"}),
        Response(status_code=204),
    ],
    ids=["short", "film", "archive", "compressed", "nothing"],
)
async def test_what_gains_nothing_is_sent_as_it_is(response: Response) -> None:
    sent = await answered(response, "gzip, zstd")

    assert body(sent) == response.body
    assert headers(sent).get("content-encoding") in (None, "br")


async def test_a_cache_is_told_even_if_this_answer_is_not_compressed() -> None:
    response = Response(LONG, media_type="text/plain", headers={"Vary": "Accept"})

    sent = await answered(response, "identity")

    assert headers(sent)["vary"] == "Accept, Accept-Encoding"
    assert body(sent) == LONG


async def test_head_has_the_headers_of_the_plain_answer() -> None:
    sent = await answered(Response(LONG, media_type="text/plain"), "gzip", method="HEAD")

    assert headers(sent)["content-length"] == str(len(LONG))


@pytest.mark.parametrize("encoding", DECODERS)
async def test_every_record_can_be_read_once_it_has_been_sent(encoding: str) -> None:
    records = [b'{"record":%d}\n' % number for number in range(20)]
    stream = StreamingResponse(iter(records), media_type="application/x-ndjson")
    reader = zstd.ZstdDecompressor() if encoding == "zstd" else zlib.decompressobj(31)

    sent = await answered(stream, encoding)

    assert "content-length" not in headers(sent)
    pieces = [message["body"] for message in sent[1:]]
    assert [reader.decompress(piece) for piece in pieces[:20]] == records
    assert DECODERS[encoding](body(sent)) == b"".join(records)


async def test_an_answer_is_the_same_compressed_or_not(running: Running, clip: bytes) -> None:
    plain = await running.understand(clip, fps=10)

    packed = await running.client.post(
        "/understand?fps=10", content=clip, headers={"Accept-Encoding": "gzip"}
    )

    assert packed.headers["content-encoding"] == "gzip"
    assert {"Accept", "Accept-Encoding"} <= set(packed.headers["vary"].split(", "))
    assert packed.json()["frames"] == plain.json()["frames"]
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
