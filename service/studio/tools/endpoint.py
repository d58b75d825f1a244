"""Sentences by a vision model behind an endpoint that speaks as OpenAI's `/chat/completions` does.

It is asked as the source paper asks Chat-UniVi: with the picture on which the region is outlined
and all else is dimmed. Only the operator's own URL is called: no redirect, no
proxy of the environment.
"""

from __future__ import annotations

import base64
import io
import re
import time
from typing import Any

import cv2
import httpx
import numpy as np
import orjson
from PIL import Image

from service.studio.tools.prompt import Mask, Picture
from service.studio.words import allowed
from ssuformer.errors import ConfigError, EngineError, EngineUnavailable

_SECONDS = 60.0
_MOST_BYTES = 1 << 20
_LONGEST_SIDE = 768
_MOST_SENTENCES, _LONGEST_SENTENCE = 5, 300
_DIMMED = 0.35
_OUTLINE = (255, 220, 0)
_TOKENS = 300


class Endpoint:
    """A vision model that is asked over HTTP."""

    def __init__(
        self, url: str, *, model: str, key: str | None = None, seconds: float = _SECONDS
    ) -> None:
        """Connect to nothing yet; ConfigError if the URL or the model's name cannot be."""
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ConfigError(f"the endpoint of sentences cannot be read: {error}") from error
        if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo:
            raise ConfigError(
                "the endpoint of sentences is http:// or https:// and a host, without a password"
            )
        if not model:
            raise ConfigError("the endpoint of sentences needs the name of a model")
        path = parsed.path.rstrip("/")
        whole = path if path.endswith("/chat/completions") else f"{path}/chat/completions"
        self._url = parsed.copy_with(path=whole)
        self._model, self._key, self._seconds = model, key, seconds
        self.name = f"endpoint:{model}"

    def sentences(
        self, picture: Picture, mask: Mask, category: str, heard: tuple[str, ...]
    ) -> list[str]:
        """Return what the model says; EngineUnavailable if it does not, EngineError if it cannot.

        An answer takes 60 seconds and has 1 MiB at most.
        """
        body = orjson.dumps(self._question(picture, mask, category, heard))
        found = said_in(_content(self._ask(body)))
        if not found:
            raise EngineError(f"{self._host} answered without a sentence")
        return found

    @property
    def _host(self) -> str:
        return f"the endpoint of sentences at {self._url.host}"

    def _ask(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        until = time.monotonic() + self._seconds
        try:
            with (
                httpx.Client(
                    trust_env=False, follow_redirects=False, timeout=self._seconds
                ) as client,
                client.stream("POST", self._url, content=body, headers=headers) as response,
            ):
                if response.status_code != 200:
                    raise EngineUnavailable(f"{self._host} answers {response.status_code}")
                return self._read(response, until)
        except httpx.TimeoutException as error:
            raise self._late() from error
        except httpx.HTTPError as error:
            raise EngineUnavailable(f"{self._host} cannot be reached") from error

    def _read(self, response: httpx.Response, until: float) -> bytes:
        """Return the body; it may neither be too long nor come too slowly."""
        body = b""
        for piece in response.iter_bytes():
            body += piece
            if len(body) > _MOST_BYTES:
                raise EngineError(
                    f"{self._host} answers more than {_MOST_BYTES} bytes", limit=_MOST_BYTES
                )
            if time.monotonic() > until:
                raise self._late()
        return body

    def _late(self) -> EngineUnavailable:
        return EngineUnavailable(
            f"{self._host} did not answer within {self._seconds:g} s", limit=self._seconds
        )

    def _question(
        self, picture: Picture, mask: Mask, category: str, heard: tuple[str, ...]
    ) -> dict[str, Any]:
        content = [
            {"type": "text", "text": question(category, heard)},
            {"type": "image_url", "image_url": {"url": data_url(shown(picture, mask))}},
        ]
        return {
            "model": self._model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": _TOKENS,
            "temperature": 0.2,
        }


def question(category: str, heard: tuple[str, ...]) -> str:
    """Return what the model is asked."""
    thing = category.replace("_", " ") or "thing"
    others = ", ".join(other.replace("_", " ") for other in heard if other != category)
    also = f" At the same time one hears: {others}." if others else ""
    return (
        f"The outlined region, which is not dimmed, shows a {thing} that makes a sound.{also} "
        "Write three short sentences in English that each say, in one clause, what it is, what it "
        "does to sound, and where it is. One sentence a line, no numbers, nothing else."
    )


def shown(picture: Picture, mask: Mask) -> Picture:
    """Return the picture with the region outlined and all else dimmed, 768 pixels at most."""
    drawn = np.where(mask[..., None], picture, (picture * _DIMMED).astype(np.uint8))
    edges, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    thick = max(2, round(max(mask.shape) / 300))
    drawn = cv2.drawContours(np.ascontiguousarray(drawn), edges, -1, _OUTLINE, thick)
    scale = min(1.0, _LONGEST_SIDE / max(mask.shape))
    size = (max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale)))
    return np.asarray(cv2.resize(drawn, size, interpolation=cv2.INTER_AREA), np.uint8)


def data_url(picture: Picture) -> str:
    """Return a picture as a `data:` URL of a JPEG."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def said_in(content: str) -> list[str]:
    """Return the sentences of an answer: a line each, without numbers, bullets and full stop.

    What a layer would not take, control characters, is left out.
    """
    content = "".join(one for one in content if allowed(one) or one == "\n")
    lines = (re.sub(r"^\s*(?:\d+[.)]|[-*•])\s*", "", line).strip() for line in content.splitlines())
    clean = (line.strip("\"'").rstrip(". ")[:_LONGEST_SENTENCE] for line in lines)
    return [line for line in dict.fromkeys(clean) if line][:_MOST_SENTENCES]


def _content(body: bytes) -> str:
    """Return the text of the first choice; EngineError if the answer has none."""
    try:
        content = orjson.loads(body)["choices"][0]["message"]["content"]
    except (orjson.JSONDecodeError, LookupError, TypeError) as error:
        raise EngineError("the endpoint of sentences answered something else") from error
    if not isinstance(content, str):
        raise EngineError("the endpoint of sentences answered something else than text")
    return content
