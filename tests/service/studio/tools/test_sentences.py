"""Sentences from templates, and from an endpoint: a small real server of the test."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.studio.tools.endpoint import Endpoint, said_in, shown
from service.studio.tools.sentences import Templates, describer
from ssuformer.errors import ConfigError, EngineError, EngineUnavailable
from tests.service.studio.tools.shapes import disc, scene


@dataclass
class Model:
    """Answers what it is told and keeps what it was asked."""

    status: int = 200
    body: bytes = b""
    pieces: int = 1
    stall: float = 0.0
    asked: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    url: str = ""

    def say(self, content: object) -> None:
        self.body = json.dumps({"choices": [{"message": {"content": content}}]}).encode()


@pytest.fixture
def model() -> Iterator[Model]:
    model = Model()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            model.asked.append((self.path, headers, body))
            self.send_response(model.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            try:
                for _ in range(model.pieces):
                    self.wfile.write(model.body)
                    self.wfile.flush()
                    time.sleep(model.stall)
            except OSError:
                return

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    model.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield model
    server.shutdown()
    thread.join()
    server.server_close()


def ask(model: Model, *, seconds: float = 20, key: str | None = None) -> list[str]:
    picture, mask = scene(200, 100)
    endpoint = Endpoint(model.url, model="small-vision", key=key, seconds=seconds)
    return endpoint.sentences(picture, mask, "fire_engine", ("fire_engine", "dog"))


def test_a_template_says_what_where_and_what_else_is_heard() -> None:
    picture, _ = scene(200, 100)
    words = {"dog": ("dog", "barks"), "engine": ("engine", "hums")}

    said = Templates(lambda category: words[category]).sentences(
        picture, disc(40, 120, 40), "dog", ("dog", "engine")
    )

    assert said[0] == "a dog barks on the left while an engine hums"
    assert "a dog barks" in said
    assert len(said) == len(set(said))


def test_a_template_names_nothing_it_does_not_know() -> None:
    picture, mask = scene(160, 100)

    said = describer("model").sentences(picture, mask, "", ())

    assert said[0] == "something sounds in the middle"


def test_the_endpoint_gets_the_outlined_picture_and_the_question(model: Model) -> None:
    model.say("1. A fire engine wails on the right.\n- A red engine hums\n\nA red engine hums")

    said = ask(model, key="secret")

    (path, headers, body) = model.asked[0]
    text, picture = body["messages"][0]["content"]
    start, data = picture["image_url"]["url"].split(",")
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))), np.int64)
    assert said == ["A fire engine wails on the right", "A red engine hums"]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == "Bearer secret"
    assert body["model"] == "small-vision"
    assert start == "data:image/jpeg;base64"
    assert "fire engine" in text["text"]
    assert "dog" in text["text"]
    assert pixels.shape == (240, 320, 3)
    assert pixels[100, 200].sum() > 2 * pixels[20, 20].sum()


def test_without_a_key_none_is_sent(model: Model) -> None:
    model.say("it rings")

    ask(model)

    assert "authorization" not in model.asked[0][1]


@pytest.mark.parametrize("status", [302, 401, 404, 500])
def test_a_status_that_is_no_success_is_told(model: Model, status: int) -> None:
    model.status = status

    with pytest.raises(EngineUnavailable, match=str(status)):
        ask(model)
    assert len(model.asked) == 1


@pytest.mark.parametrize("body", [b"no json", b"{}", b'{"choices": []}', b"[]", b"\xff"])
def test_an_answer_of_another_form_is_refused(model: Model, body: bytes) -> None:
    model.body = body

    with pytest.raises(EngineError, match="something else"):
        ask(model)


@pytest.mark.parametrize(("content", "why"), [(None, "text"), ("\n \n", "without a sentence")])
def test_an_answer_without_words_is_refused(model: Model, content: object, why: str) -> None:
    model.say(content)

    with pytest.raises(EngineError, match=why):
        ask(model)


def test_an_answer_without_end_is_cut_off(model: Model) -> None:
    model.body, model.pieces = b"x" * 100_000, 1000

    with pytest.raises(EngineError, match="more than"):
        ask(model)


def test_an_answer_that_drips_is_given_up(model: Model) -> None:
    model.body, model.pieces, model.stall = b"x", 1000, 0.05

    with pytest.raises(EngineUnavailable, match="within"):
        ask(model, seconds=0.3)


def test_an_endpoint_that_is_not_there_is_told(model: Model) -> None:
    model.url = "http://127.0.0.1:9"

    with pytest.raises(EngineUnavailable, match="reached"):
        ask(model)


@pytest.mark.parametrize("url", ["http://", "https://a:b@c/v1", "ftp://x"])
def test_a_url_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        describer(url, model="m")


def test_a_model_must_be_named() -> None:
    with pytest.raises(ConfigError, match="name of a model"):
        describer("http://127.0.0.1/v1")


def test_at_most_five_sentences_of_bounded_length_are_taken() -> None:
    said = said_in("\n".join(f"{number} bells ring {'x' * 400}" for number in range(9)))

    assert len(said) == 5
    assert max(map(len, said)) == 300


def test_a_large_picture_is_shown_small() -> None:
    picture = np.full((1080, 1920, 3), 200, np.uint8)

    assert shown(picture, np.ones((1080, 1920), bool)).shape == (432, 768, 3)


def test_what_a_layer_would_not_take_is_left_out_of_an_answer() -> None:
    assert said_in("a dog\u202e barks\x07.\r\nit rains") == ["a dog barks", "it rains"]
