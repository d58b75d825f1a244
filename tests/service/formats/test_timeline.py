import pytest

from service.formats.timeline import Timeline
from tests.service.formats.made import made


def test_frames_are_those_of_the_clip() -> None:
    timeline = Timeline(made())

    assert (timeline.rate, timeline.frames) == (10.0, 40)
    assert [timeline.number(time) for time in (0, 0.5, 0.59, 3.99, 9)] == [0, 5, 5, 39, 39]


def test_a_run_goes_on_until_its_source_is_silent() -> None:
    runs = list(Timeline(made()).runs())

    told = [(run.track, [key.frame for key in run.keys], run.end) for run in runs]
    assert told == [(1, [0, 5, 15], 20), (2, [10, 15], 20), (2, [30, 35], 40)]


@pytest.mark.parametrize("fps", [None, 0.5])
def test_a_clip_slower_than_the_analysis_has_a_frame_for_each_that_was_analysed(
    fps: float | None,
) -> None:
    answer = made()
    clip = answer.clip.model_copy(update={"fps": fps})

    timeline = Timeline(answer.model_copy(update={"clip": clip}))

    for run in timeline.runs():
        numbers = [key.frame for key in run.keys]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] < run.end <= timeline.frames
