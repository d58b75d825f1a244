"""Pages of other origins: what they may read (CORS)."""

from __future__ import annotations

from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

EXPOSED = (
    "Content-Disposition",
    "Retry-After",
    "Server-Timing",
    "Traceparent",
    "WWW-Authenticate",
    "X-Request-Id",
)
"""Headers of answers that a page may read, besides those that any page may."""

ANY = "*"


class CrossOriginMiddleware(CORSMiddleware):
    """Answers preflights, and lets pages of these origins read every answer, errors included.

    Keys are sent in a header by the page's own code, never by the browser, so no credentials.
    """

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=(ANY,),
            allow_headers=(ANY,),
            expose_headers=EXPOSED,
        )


def readable_by(origins: Collection[str], origin: str | None) -> dict[str, str]:
    """Return the headers of an answer that pages may read, if its request has this origin.

    None is an origin that is not known, as the request has not been read: then there are headers
    only if they would be the same for every page that may read it.
    """
    allowed = origin if origin in origins else None
    if ANY in origins:
        allowed = ANY
    elif origin is None and len(origins) == 1:
        (allowed,) = origins
    if allowed is None:
        return {}
    return {
        "Access-Control-Allow-Origin": allowed,
        "Access-Control-Expose-Headers": ", ".join(EXPOSED),
        "Vary": "Origin",
    }
