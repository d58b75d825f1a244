"""The categories of an answer's tracks, and their numbers."""

from __future__ import annotations

from service.understanding.schemas import Understanding


def track_categories(answer: Understanding) -> dict[int, str]:
    """Return the category of each track: the one of the whole track, else of its first region."""
    found = {track.id: track.category for track in answer.tracks}
    for frame in answer.frames:
        for region in frame.regions:
            found.setdefault(region.track, region.category)
    return found


def category_numbers(answer: Understanding) -> dict[str, int]:
    """Return a number from 1 for every category of a region or a track, in alphabetical order."""
    names = set(track_categories(answer).values())
    names.update(region.category for frame in answer.frames for region in frame.regions)
    return {name: number for number, name in enumerate(sorted(names), start=1)}
