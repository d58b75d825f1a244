import pytest

from training.metrics.facts import FactAccumulator


def test_a_fact_is_asked_for_only_where_the_true_sentence_tells_it() -> None:
    accumulator = FactAccumulator()

    accumulator.add({"where": "left", "colour": "red"}, {"where": "left", "colour": None})
    accumulator.add({"where": "left"}, {"where": "right", "size": "small"})

    assert accumulator.accuracies() == {"where": 0.5, "colour": 0.0, "size": 0.0, "company": 0.0}
    assert accumulator.counts() == {"where": 2, "colour": 0, "size": 1, "company": 0}


@pytest.mark.parametrize("names", [("mood",), ("mood", "speed")])
def test_the_facts_to_compare_are_the_callers_choice(names: tuple[str, ...]) -> None:
    accumulator = FactAccumulator(names)

    accumulator.add({"mood": "sad"}, {"mood": "sad", "speed": 3})

    assert accumulator.accuracies() == {name: float(name == "mood") for name in names}
