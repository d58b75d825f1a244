"""The answer in records: NDJSON and server-sent events."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from service.formats.records import are_records, read_records
from service.understanding.schemas import Frame
from ssuformer.errors import AnswerIncomplete
from tests.service.formats.made import made, written

MANY = made(shown=((1, 2),) * 25)


def records(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def events(content: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read server-sent events as a browser does."""
    for event in content.decode().removesuffix("\n\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in event.split("\n"))
        yield fields["event"], json.loads(fields["data"])


def test_windows_of_frames_stand_between_a_head_and_a_tail() -> None:
    head, *windows, tail = records(written("ndjson", MANY))

    assert (head["record"], tail["record"], tail["status"]) == ("head", "tail", "complete")
    assert head["mask_size"] == [48, 64]
    assert {window["record"] for window in windows} == {"window"}
    frames = [Frame.model_validate(frame) for window in windows for frame in window["frames"]]
    assert len(windows) > 1
    assert tail["frames"] == len(frames) == 25
    assert frames == MANY.frames


def test_events_hold_the_records_and_are_named_by_their_kind() -> None:
    found = list(events(written("sse", MANY)))

    assert [content for _, content in found] == records(written("ndjson", MANY))
    assert all(name == content["record"] for name, content in found)


@pytest.mark.parametrize("answer", [made(), MANY, made(shown=())], ids=["few", "many", "none"])
def test_what_is_read_back_is_the_answer(answer: Any) -> None:  # noqa: ANN401
    lines = written("ndjson", answer).splitlines()
    beat = b'{"record":"heartbeat","stage":"decode","seconds":1.0}'

    assert are_records(lines[0])
    assert not are_records(written("json", answer))
    assert read_records(lines) == answer
    assert read_records([beat, lines[0], beat, b"", *lines[1:]]) == answer


def test_an_answer_that_ends_early_is_told_from_a_whole_one() -> None:
    lines = written("ndjson", MANY).splitlines()
    problem = {"record": "error", "problem": {"code": "engine_failed", "detail": "it broke"}}

    with pytest.raises(AnswerIncomplete, match="no last record"):
        read_records(lines[:-1])
    with pytest.raises(AnswerIncomplete, match="15 frames of 25"):
        read_records([lines[0], *lines[2:]])
    with pytest.raises(AnswerIncomplete, match="engine_failed: it broke"):
        read_records([*lines[:2], json.dumps(problem).encode()])
