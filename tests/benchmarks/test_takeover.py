from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.takeover import Memory, asked_in_pieces, compared

FILM_SECONDS = 400


def frame(second: int, *, track: int = 1, score: float = 0.9) -> dict[str, Any]:
    """A frame with a dog that barks."""
    region = {"track": track, "category": "dog", "score": score, "description": "a dog barks."}
    heard = {"category": "dog", "score": 0.8, "region": track, "description": None}
    return {"time": second + 0.5, "regions": [region], "heard": [heard]}


class Recorded:
    """In place of a gateway: it answers with a frame for every second, and tracks of its own."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def understand(self, _: Path, *, start: str, end: str) -> dict[str, Any]:
        self.asked.append((int(start), int(end)))
        seconds = range(int(start), int(end))
        return {"frames": [frame(one, track=len(self.asked)) for one in seconds]}


def test_pieces_make_up_the_film_and_begin_where_its_windows_do() -> None:
    gateway = Recorded()

    frames = asked_in_pieces(gateway, Path("film.mov"), seconds=FILM_SECONDS)  # type: ignore[arg-type]

    assert [one["time"] for one in frames] == [n + 0.5 for n in range(FILM_SECONDS)]
    assert [start for start, _ in gateway.asked] == [0, 144, 288]
    assert all(start % 8 == 0 for start, _ in gateway.asked)


def test_frames_are_the_same_whatever_the_numbers_of_their_tracks() -> None:
    job = [frame(n, track=7) for n in range(3)]
    pieces = [frame(n, track=1) for n in range(3)]

    found = compared(job, pieces)

    assert (found["frames"], found["regions"], found["frames_equal"]) == (3, 3, 3)


def test_a_frame_of_another_score_is_another_with_the_same_names() -> None:
    found = compared([frame(0), frame(1)], [frame(0), frame(1, score=0.8)])

    assert (found["frames_equal"], found["frames_of_the_same_names"]) == (1, 2)
    assert found["first_others"] == [1.5]


def test_a_region_that_is_heard_but_not_seen_is_another_frame() -> None:
    unseen = frame(0)
    unseen["heard"][0]["region"] = None

    found = compared([frame(0)], [unseen])

    assert found["frames_equal"] == 0


def test_memory_grows_by_what_the_last_third_has_more_than_the_first() -> None:
    memory = Memory(own=[100.0, 90.0, 150.0, 95.0, 104.0, 99.0], all=[200.0] * 6)

    facts = memory.facts()

    assert facts["growth"] == 0.04
