"""A difference is called real only if the spread over seeds allows it."""

from __future__ import annotations

import csv

import pytest

from training.bench.differences import as_csv, difference, in_words
from training.bench.tables import Column

J = Column("j", "J", 100)
ROWS = {
    "ssu": {"j": [0.50, 0.52, 0.54]},
    "worse": {"j": [0.40, 0.42, 0.44]},
    "alike": {"j": [0.49, 0.51, 0.53]},
    "untrained": {"f": [0.1]},
}


def test_the_limit_is_two_standard_errors_of_the_pooled_spread() -> None:
    found = difference([0.1, 0.3], [0.5, 0.5, 0.5])

    assert found is not None
    assert found.by == pytest.approx(-0.3)
    # Pooled variance (0.02 + 0) / 3, standard error 0.0816 * sqrt(1/2 + 1/3).
    assert found.limit == pytest.approx(0.14907, abs=1e-5)
    assert found.real is True


def test_one_run_of_each_tells_nothing_and_one_against_three_takes_their_spread() -> None:
    one = difference([0.1], [0.9])
    assert one is not None
    assert one.real is None
    assert "one seed" in one.words(J)

    against_three = difference([0.1], [0.5, 0.52, 0.54])
    assert against_three is not None
    assert against_three.limit == pytest.approx(2 * 0.02 * (4 / 3) ** 0.5)


def test_every_row_says_in_words_whether_it_differs() -> None:
    said = in_words(ROWS, "ssu", [J])

    assert said == {
        "ssu": "the whole",
        "worse": "J -10.0: real (limit 3.3)",
        "alike": "J -1.0: not larger than the spread (limit 3.3)",
        "untrained": "nothing to compare",
    }


def test_programs_read_what_is_real() -> None:
    rows = list(csv.DictReader(as_csv(ROWS, "ssu").splitlines()))

    assert [(row["row"], row["real"]) for row in rows] == [("worse", "true"), ("alike", "false")]
