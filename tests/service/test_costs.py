import time

import pytest

from service.costs import Costs
from service.telemetry.stages import StageClock
from service.understanding.options import Options
from tests.service.conftest import small_settings

MEGABYTE = 2**20


def test_a_longer_clip_costs_more_and_a_part_of_it_less() -> None:
    costs = Costs(small_settings())

    whole = costs.guess(10 * MEGABYTE, Options())

    assert whole > 5 * costs.guess(MEGABYTE, Options()) > 0
    assert costs.guess(10 * MEGABYTE, Options(end=2)) < whole / 5
    assert costs.guess(10 * MEGABYTE, Options(start=1e6)) > 0
    assert costs.guess(10 * MEGABYTE, Options(fps=10)) > 2 * whole
    assert costs.guess(2**40, Options()) == costs.guess(2**41, Options())


def test_drawing_and_smoothing_cost_more_for_as_long_as_the_part_lasts() -> None:
    costs, clock = Costs(small_settings()), StageClock()
    whole, part = Options(), Options(start=10, end=20)

    def drawing(options: Options) -> float:
        drawn = costs.guess(10 * MEGABYTE, options, drawn=True)
        return drawn - costs.guess(10 * MEGABYTE, options)

    assert drawing(whole) > 4 * drawing(part) > 0
    assert drawing(part) == pytest.approx(costs.guess_drawing(10))
    costs.learn_drawing(2.0, 20.0)
    assert drawing(part) == pytest.approx(100)
    smooth = costs.guess(10 * MEGABYTE, Options(smooth=True))
    assert smooth > costs.guess(10 * MEGABYTE, whole)
    with clock.stage("postprocess"):
        time.sleep(0.05)
    costs.learn(MEGABYTE, clock, length=5.0, frames=5, fps=1.0, between=1)
    assert costs.guess(MEGABYTE, Options(smooth=True)) > 5 * 24 * 0.05


def test_it_learns_from_answers_and_one_odd_clip_changes_nothing() -> None:
    costs, clock = Costs(small_settings()), StageClock()
    first = costs.guess(MEGABYTE, Options())

    for size in (MEGABYTE, MEGABYTE, 1000 * MEGABYTE, MEGABYTE):
        costs.learn(size, clock, length=3.0, frames=3, fps=1.0)

    assert 0 <= costs.guess(MEGABYTE, Options()) < first
