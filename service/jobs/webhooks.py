"""Calls that tell of a job's end: stored with it, signed, repeated until they are taken.

Headers and signature are those of the Standard Webhooks specification: HMAC-SHA-256 over
`webhook-id.webhook-timestamp.body`. A call may come more than once, always with the same
`webhook-id`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import random
import time
import uuid
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Any

import httpx
import orjson
from structlog.typing import FilteringBoundLogger

from service.jobs.metrics import JobMetrics
from service.jobs.outgoing import Outgoing
from service.jobs.records import Delivery, Job, State, path_of
from service.jobs.store import JobStore
from service.settings import Settings
from ssuformer.errors import ConfigError, UrlRefused

_CALL_SECONDS = 15.0
_LEASE_SECONDS = 60.0
"""After that a call whose gateway is gone is made again."""
_LONGEST_WAIT = 3600.0
_GONE = 410
_ENCODED = "whsec_"


def call_of(
    job: Job, state: State, error: Mapping[str, Any] | None, *, root: str
) -> Delivery | None:
    """Return the call that tells of a job's end, if anybody wants to know."""
    if job.webhook is None:
        return None
    body = {
        "type": f"job.{state}",
        "timestamp": int(time.time()),
        "data": {
            "job": job.id,
            "state": state,
            "error": error,
            "result": f"{path_of(job.id, root)}/result" if state == "done" else None,
        },
    }
    number = f"msg_{uuid.uuid4().hex}"
    return Delivery(number, job.id, f"job.{state}", job.webhook, orjson.dumps(body).decode())


def signatures(secrets: list[bytes], call: Delivery, timestamp: int) -> str:
    """Return the signatures of a call at a time, one for each secret."""
    signed = f"{call.id}.{timestamp}.{call.body}".encode()
    made = [hmac.digest(secret, signed, hashlib.sha256) for secret in secrets]
    return " ".join(f"v1,{base64.b64encode(one).decode()}" for one in made)


class Webhooks:
    """Makes the calls that are due."""

    def __init__(
        self,
        settings: Settings,
        log: FilteringBoundLogger,
        metrics: JobMetrics,
        store: JobStore,
        outgoing: Outgoing,
    ) -> None:
        """Raise ConfigError if hosts may be called and there is no secret to sign with."""
        self._settings = settings
        self._log = log
        self._metrics = metrics
        self._store = store
        self._outgoing = outgoing
        if outgoing.allowed and not self._secrets():
            raise ConfigError("SSU_WEBHOOK_HOSTS needs SSU_WEBHOOK_SECRET_FILE, to sign webhooks")

    @property
    def allowed(self) -> bool:
        """Whether any host may be called."""
        return self._outgoing.allowed

    def check(self, url: str) -> None:
        """Raise UrlRefused unless a URL may be called."""
        self._outgoing.check(url)

    async def make_next(self) -> bool:
        """Make a call that is due; return whether there was one."""
        call = await self._store.take_delivery(lease=_LEASE_SECONDS)
        if call is None:
            return False
        began = time.perf_counter()
        status, error = await self._attempt(call)
        seconds = round(time.perf_counter() - began, 3)
        again = self._wait(call, status) if error else None
        await self._store.note_attempt(
            call, seconds=seconds, status=status, error=error, again=again
        )
        result = "delivered" if error is None else "given_up" if again is None else "failed"
        self._metrics.calls.labels(result).inc()
        self._log.info(
            "webhook", job=call.job, delivery=call.id, attempt=call.tries, result=result,
            status=status, seconds=seconds, reason=error,
        )  # fmt: skip
        return True

    async def _attempt(self, call: Delivery) -> tuple[int | None, str | None]:
        """Return the status of the answer, and what is wrong."""
        try:
            async with (
                asyncio.timeout(_CALL_SECONDS),
                self._outgoing.call(
                    "POST",
                    call.url,
                    seconds=_CALL_SECONDS,
                    headers=self._headers(call),
                    content=call.body.encode(),
                ) as response,
            ):
                status = response.status_code
        except UrlRefused as error:
            return None, error.message
        except (httpx.HTTPError, TimeoutError) as error:
            return None, f"no answer: {type(error).__name__}"
        if response.is_success:
            return status, None
        more = ", and redirects are not followed" if response.is_redirect else ""
        return status, f"the answer is {status}{more}"

    def _headers(self, call: Delivery) -> dict[str, str]:
        now = int(time.time())
        return {
            "Content-Type": "application/json",
            "User-Agent": "ssu-webhooks",
            "webhook-id": call.id,
            "webhook-timestamp": str(now),
            "webhook-signature": signatures(self._secrets(), call, now),
        }

    def _wait(self, call: Delivery, status: int | None) -> float | None:
        """Return in how many seconds to try again: twice as many each time, up to an hour."""
        if call.tries >= self._settings.webhook_attempts or status == _GONE:
            return None
        wait = self._settings.webhook_retry_seconds * 2.0 ** min(call.tries - 1, 20)
        return min(_LONGEST_WAIT, wait) * random.uniform(0.9, 1.1)

    def _secrets(self) -> list[bytes]:
        """Return the secrets of the file, which is read each time, so that they can be changed."""
        file = self._settings.webhook_secret_file
        lines = file.read_text().split() if file is not None else []
        return [_secret(line) for line in lines]


def _secret(line: str) -> bytes:
    if not line.startswith(_ENCODED):
        return line.encode()
    try:
        return base64.b64decode(line.removeprefix(_ENCODED), validate=True)
    except Base64Error as error:
        raise ConfigError("a line of SSU_WEBHOOK_SECRET_FILE is not base64") from error
