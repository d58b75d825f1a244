"""A version that is not in service, and what has become of it so far."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

_LONGEST_PAUSE_PERIODS = 32


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is known of a version from the times it was looked at."""

    code: str = ""
    """What it was refused for last; empty if it has not been refused."""
    pause: float = 0.0
    again: float = -math.inf
    """When it may be looked at again."""
    awaited_since: float = math.inf
    """Since when a server elsewhere is known not to have loaded it."""
    answers: int = 0
    """How often in a row it has answered."""

    def answered(self) -> Candidate:
        """Return it after an answer, which makes up for all that was wrong before."""
        return Candidate(answers=self.answers + 1)

    def awaited(self, now: float) -> Candidate:
        """Return it after a look that did not find it on its server."""
        return replace(self, answers=0, awaited_since=min(self.awaited_since, now))

    def refused(self, code: str, now: float, *, period: float) -> Candidate:
        """Return it after a look that went wrong: it is looked at again later and later."""
        longest = _LONGEST_PAUSE_PERIODS * period
        pause = min(2 * self.pause, longest) if self.code else period
        return replace(self, answers=0, code=code, pause=pause, again=now + pause)


TAKEN_BACK = Candidate(again=math.inf)
"""A version that was in service and is never looked at again."""
