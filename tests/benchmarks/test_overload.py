"""The overload is measured on the real service, and each verdict on what was measured."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner

from benchmarks.overload import Sent, app, verdicts
from benchmarks.overloading.watcher import Watched

FACTS: dict[str, Any] = {"deadline": 10.0, "throughput": 0.9, "capacity": 1.0}


def test_a_short_overload_is_answered_and_counted() -> None:
    command = ["--engine", "fake", "--seconds", "4", "--capacity-seconds", "2", "--size", "2"]

    done = CliRunner().invoke(app, [*command, "--kill-every", "0.5", "--stalled", "3"])

    assert done.output, repr(done.exception)
    found = json.loads(done.output.splitlines()[-1])
    assert found["held"]["every request was answered"], found
    assert found["held"]["no answer was 5xx"], found
    assert found["sent"] == sum(found["ends"].values()) > 0
    assert found["killed"] > 0
    assert found["livez"]["looks"] > 5


def test_each_verdict_can_be_missed() -> None:
    good = verdicts([Sent("200", 1.0), Sent("429", 0.1), Sent("left", 1.0)], Watched([0.01]), FACTS)
    bad = verdicts(
        [Sent("200", 11.0), Sent("lost: ReadError", 1.0), Sent("503", 1.0)],
        Watched([0.01, 0.2]),
        {**FACTS, "throughput": 0.7},
    )

    assert all(good.values())
    assert not any(bad.values())
