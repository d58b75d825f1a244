"""A folder is recognised by what it holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ssuformer.errors import ConfigError
from tests.training.data.small_data import one_clip, write_avss, write_boxes, write_ms3, write_s4
from training.data.kinds import open_films, parse_data


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (one_clip, "RA-SSU layout"),
        (write_s4, "AVSBench S4"),
        (write_ms3, "AVSBench MS3"),
        (write_avss, "AVSBench AVSS"),
        (write_boxes, "labelled boxes"),
    ],
)
def test_the_kind_is_that_of_the_files(
    tmp_path: Path, write: Callable[[Path], Path], kind: str
) -> None:
    assert open_films(write(tmp_path)).kind == kind


def test_without_a_split_the_test_split_is_chosen_if_there_is_one(tmp_path: Path) -> None:
    s4, ms3 = write_s4(tmp_path / "s4"), write_ms3(tmp_path / "ms3")

    assert parse_data(f"{s4}").splits == ("test",)
    assert parse_data(f"{s4}:train").splits == ("train",)
    assert parse_data(f"{ms3}").splits == ("val",)


def test_a_folder_may_have_a_colon_in_its_name(tmp_path: Path) -> None:
    assert len(parse_data(str(write_ms3(tmp_path / "a:b")))) == 1


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is no data set: it needs data\.json and clips\.jsonl"):
        parse_data(str(tmp_path / "none"))
