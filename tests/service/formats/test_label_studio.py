"""Read by the documented layout of tasks (labelstud.io/guide/task_format, tags/videorectangle)."""

import jsonschema

from tests.service.formats.made import BARKS, DOG, loaded, made, written

POINT = {
    "type": "object",
    "required": ["frame", "time", "enabled", "x", "y", "width", "height", "rotation"],
    "additionalProperties": False,
    "properties": {
        "frame": {"type": "integer", "minimum": 1},
        "time": {"type": "number", "minimum": 0},
        "enabled": {"type": "boolean"},
        "rotation": {"type": "number"},
        **{side: {"type": "number", "minimum": 0, "maximum": 100} for side in ("x", "y")},
        **{side: {"type": "number", "minimum": 0, "maximum": 100} for side in ("width", "height")},
    },
}
RESULT = {
    "type": "object",
    "required": ["id", "from_name", "to_name", "type", "value"],
    "properties": {
        "from_name": {"const": "box"},
        "to_name": {"const": "video"},
        "type": {"const": "videorectangle"},
        "score": {"type": "number"},
        "meta": {"properties": {"text": {"type": "array", "items": {"type": "string"}}}},
        "value": {
            "required": ["framesCount", "duration", "sequence", "labels"],
            "properties": {
                "framesCount": {"type": "integer"},
                "sequence": {"type": "array", "items": POINT, "minItems": 1},
                "labels": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            },
        },
    },
}
TASKS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["data", "predictions"],
        "properties": {
            "data": {"required": ["video"]},
            "predictions": {
                "items": {
                    "required": ["model_version", "result"],
                    "properties": {"result": {"items": RESULT}},
                }
            },
        },
    },
}


def test_it_is_a_list_of_tasks() -> None:
    for answer in (made(), made(form="none"), made(shown=((),))):
        jsonschema.validate(loaded(written("label-studio", answer)), TASKS)


def test_each_track_is_a_rectangle_that_is_off_between_its_spans() -> None:
    (task,) = loaded(written("label-studio"))

    (prediction,) = task["predictions"]
    dog, lark = prediction["result"]
    assert task["data"] == {"video": "film.mp4"}
    assert prediction["model_version"] == "bells 3"
    assert (dog["value"]["labels"], dog["meta"]["text"]) == ([DOG], [BARKS])
    assert dog["value"]["framesCount"] == 40
    assert [(one["frame"], one["enabled"]) for one in lark["value"]["sequence"]] == [
        (11, True), (16, True), (20, False), (31, True), (36, True), (40, False)
    ]  # fmt: skip


def test_places_are_percent_of_the_picture() -> None:
    (task,) = loaded(written("label-studio"))

    lark = task["predictions"][0]["result"][1]["value"]["sequence"][0]
    assert (lark["x"], lark["y"]) == (100 * 40 / 64, 100 * 30 / 48)
    assert (lark["width"], lark["height"]) == (100 * 8 / 64, 100 * 8 / 48)
