"""What is opened with `with` is closed, whatever happens inside."""

from __future__ import annotations

import pytest

from ssuformer.closing import Closing


class Door(Closing):
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def test_it_gives_itself_and_is_closed_once_at_the_end() -> None:
    door = Door()

    with door as entered:
        closed_inside = door.closed

    assert entered is door
    assert (closed_inside, door.closed) == (0, 1)


def test_an_exception_closes_it_and_goes_on() -> None:
    door = Door()

    with pytest.raises(KeyError), door:
        raise KeyError

    assert door.closed == 1


def test_what_cannot_be_closed_cannot_be_made() -> None:
    class Wall(Closing):
        pass

    with pytest.raises(TypeError, match="close"):
        Wall()  # type: ignore[abstract]
