"""Traces of the real service in a real collector with a store and an interface: Arize Phoenix.

scripts/traces-test    runs it; a few requests are sent, and asked for by Phoenix's own interface
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from tests.service.telemetry.test_metrics_port import a_gateway

SAMPLE = Path("samples/lifescene-change.mp4")
STAGES = ("upload", "queue", "probe", "decode", "segmentation", "postprocess", "caption", "encode")
DECODER = ("decoder info", "decoder chunk", "decoder end")
REQUEST = "POST /understand"
WAIT = 60.0


def main(collector: str) -> int:
    """Send a clip that is answered and one that is refused; print what the collector has."""
    answered, refused = secrets.token_hex(16), secrets.token_hex(16)
    with a_gateway(SSU_TRACES="on", OTEL_EXPORTER_OTLP_ENDPOINT=collector) as (service, _):
        for trace, clip, status in (
            (answered, SAMPLE.read_bytes(), 200),
            (refused, b"no clip at all", 422),
        ):
            headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}
            answer = httpx.post(
                f"{service}/understand", content=clip, headers=headers, trust_env=False, timeout=60
            )
            _require(answer.status_code == status, f"the service answered {answer.status_code}")
    # The service has ended: what it had not exported by then is lost.
    _is_whole(_spans(collector, answered))
    _is_failed(_spans(collector, refused))
    return 0


def _spans(collector: str, trace: str) -> list[dict[str, Any]]:
    """Return the spans of a trace, once the collector has its root."""
    address, end = f"{collector}/v1/projects/default/spans", time.monotonic() + WAIT
    while time.monotonic() < end:
        found = httpx.get(address, params={"trace_id": trace, "limit": 1000}, trust_env=False)
        spans: list[dict[str, Any]] = found.json().get("data", [])
        if any(span["name"] == REQUEST for span in spans):
            return spans
        time.sleep(0.5)
    raise AssertionError(f"the collector has no trace {trace}")


def _is_whole(spans: list[dict[str, Any]]) -> None:
    (root,) = [span for span in spans if span["name"] == REQUEST]
    others = [span for span in spans if span is not root]
    number = root["context"]["span_id"]
    names = Counter(span["name"] for span in others)
    _require(set(names) == {*STAGES, *DECODER}, f"spans are {sorted(names)}")
    _require(all(span["parent_id"] == number for span in others), "a span has another parent")
    _require(not any(span["status_code"] == "ERROR" for span in spans), "a span has failed")
    sys.stdout.write(f"an answered request: {len(spans)} spans, {dict(names)}\n")


def _is_failed(spans: list[dict[str, Any]]) -> None:
    failed = {span["name"] for span in spans if span["status_code"] == "ERROR"}
    _require(failed == {"probe", "decoder info"}, f"failed are {sorted(failed)}")
    sys.stdout.write(f"a refused request: {len(spans)} spans, of which failed {sorted(failed)}\n")


def _require(holds: bool, complaint: str) -> None:  # noqa: FBT001
    if not holds:
        raise AssertionError(complaint)


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except (AssertionError, httpx.HTTPError, subprocess.SubprocessError) as error:
        sys.exit(f"traces-test: {error}")
