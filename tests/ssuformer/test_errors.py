"""What errors tell: programs by their code, people by their message."""

from __future__ import annotations

import inspect

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ssuformer import errors
from ssuformer.errors import SsuError, wrong_fields


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    share: float = Field(ge=0, le=1)


class Outer(BaseModel):
    count: int
    inner: Inner
    items: list[Inner] = []

    @model_validator(mode="after")
    def small(self) -> Outer:
        if self.count > 100:
            raise ValueError("too much in all")
        return self


def told(content: object) -> str:
    with pytest.raises(ValidationError) as raised:
        Outer.model_validate(content)
    return wrong_fields(raised.value)


def test_a_wrong_field_is_told_with_its_value_and_the_reason() -> None:
    line = told({"count": "many", "inner": {"share": 0.5}})

    assert line.startswith("count is 'many': ")
    assert "integer" in line


def test_every_wrong_field_is_told_in_one_line_by_its_path() -> None:
    line = told({"count": 1, "inner": {"share": 2}, "items": [{"share": 0}, {"shore": 0}]})

    assert [part.split(": ")[0] for part in line.split("; ")] == [
        "inner.share is 2", "items.1.share", "items.1.shore is 0",
    ]  # fmt: skip
    assert "\n" not in line


def test_what_is_wrong_with_the_whole_is_told_without_a_field() -> None:
    assert told({"count": 101, "inner": {"share": 0}}) == "too much in all"


def test_every_error_is_drawn_in_the_tree_of_the_module() -> None:
    names = [
        name
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, SsuError)
    ]

    assert [name for name in names if f" {name} " not in (errors.__doc__ or "")] == []


def test_an_error_holds_its_message_the_limit_and_the_actual_value() -> None:
    error = errors.ClipTooLarge("too long", limit=10.0, actual=12.5)

    assert (str(error), error.message, error.limit, error.actual) == (
        "too long", "too long", 10.0, 12.5,
    )  # fmt: skip
