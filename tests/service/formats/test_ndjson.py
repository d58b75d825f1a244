import json

from service.understanding.schemas import Frame
from tests.service.formats.made import made, written


def test_a_line_per_frame_stands_between_a_head_and_a_tail() -> None:
    head, *frames, tail = map(json.loads, written("ndjson").splitlines())

    assert (head["record"], tail["record"]) == ("head", "tail")
    assert head["mask_size"] == [48, 64]
    assert tail["frames"] == len(frames) == 4
    assert {line.pop("record") for line in frames} == {"frame"}
    assert [Frame.model_validate(line) for line in frames] == made().frames


def test_the_records_together_are_the_answer() -> None:
    head, *frames, tail = map(json.loads, written("ndjson").splitlines())

    together = {**head, **tail, "frames": frames}

    assert {key for key in together if key != "record"} == set(made().model_dump())
