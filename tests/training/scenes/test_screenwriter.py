from collections.abc import Sequence

import numpy as np
import pytest

from training.scenes.screenwriter import LARGEST, SMALLEST, Screenwriter, extent, schedule
from training.scenes.script import Script, has_change, has_distractor, has_duet


class _Casting:
    names: Sequence[str] = tuple("abcdefgh")

    def sprite_count(self, category: str) -> int:
        return 1 + self.names.index(category) % 3

    def sprite_size(self, category: str, number: int) -> tuple[int, int]:
        return (200, 100 + 20 * number) if category in "abcd" else (90, 200)

    def recording_count(self, category: str) -> int:
        return 1 + self.names.index(category) % 2


@pytest.fixture(scope="module")
def scripts() -> list[Script]:
    writer = Screenwriter(_Casting(), "train", 5)
    return [writer.write((7, number)) for number in range(500)]


def test_the_same_seed_gives_the_same_script() -> None:
    writer = Screenwriter(_Casting(), "train", 5)

    assert writer.write((3, 1)) == writer.write((3, 1))
    assert writer.write((3, 1)) != writer.write((3, 2))


def test_seconds_are_single_double_silent_in_about_the_promised_shares(
    scripts: list[Script],
) -> None:
    heard = np.array([len(s.heard(second)) for s in scripts for second in range(s.seconds)])
    unseen = np.array([any(v.schedule[k] for v in s.unseen) for s in scripts for k in range(5)])

    assert 0.09 < np.mean(heard == 0) < 0.17
    assert 0.2 < np.mean(heard == 2) < 0.3
    assert heard.max() == 2
    assert 0.03 < unseen.mean() < 0.1


def test_most_scenes_have_a_distractor_and_many_a_change(scripts: list[Script]) -> None:
    silent = np.mean([not any(s.heard(k) for k in range(5)) for s in scripts])

    assert np.mean([has_distractor(s) for s in scripts]) > 0.75
    assert np.mean([has_change(s) for s in scripts]) > 0.4
    assert np.mean([has_duet(s) for s in scripts]) > 0.35
    assert 0.02 < silent < 0.1


def test_things_in_a_scene_are_of_distinct_categories(scripts: list[Script]) -> None:
    for script in scripts:
        names = [voice.category for voice in script.voices]
        assert len(set(names)) == len(names)
        assert 2 <= len(script.actors) <= 4


def test_things_stay_of_sensible_size_and_mostly_in_the_picture(scripts: list[Script]) -> None:
    casting = _Casting()
    for script in scripts:
        for actor in script.actors:
            assert SMALLEST <= actor.motion.size <= LARGEST
            sprite = casting.sprite_size(actor.voice.category, actor.sprite)
            width, height = extent(actor.motion.size, actor.motion.degrees, sprite, script.aspect)
            for x, y in (actor.motion.start, actor.motion.end):
                assert 0 <= x <= 1
                assert 0 <= y <= 1
                assert min(x, 1 - x) >= min(0.4 * width, 0.45)
                assert min(y, 1 - y) >= min(0.4 * height, 0.45)


def test_half_of_the_films_are_square_and_the_rest_is_mixed(scripts: list[Script]) -> None:
    aspects = np.array([script.aspect for script in scripts])

    assert 0.42 < np.mean(aspects == 1) < 0.58
    assert len(set(aspects)) == 4


def test_an_aspect_can_be_asked_for() -> None:
    script = Screenwriter(_Casting(), "train", 5).write((3, 1), aspect=16 / 9)

    assert script.aspect == 16 / 9


def test_a_schedule_with_one_voice_has_no_duet() -> None:
    lines = schedule(np.random.default_rng(0), 1, 30)

    assert len(lines) == 1
    assert len(lines[0]) == 30
