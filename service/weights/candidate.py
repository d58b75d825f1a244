"""State of a version that is not in service."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

_LONGEST_PAUSE_PERIODS = 32


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is known of a version from previous checks."""

    code: str = ""
    """The code of its last refusal; empty if it has not been refused."""
    pause: float = 0.0
    again: float = -math.inf
    """When it may be checked again."""
    awaited_since: float = math.inf
    """Since when a remote server has not had it loaded."""
    answers: int = 0
    """Number of consecutive successful probes."""

    def answered(self) -> Candidate:
        """Return the state after a successful probe, which clears all earlier failures."""
        return Candidate(answers=self.answers + 1)

    def awaited(self, now: float) -> Candidate:
        """Return the state after a check that did not find it on its server."""
        return replace(self, answers=0, awaited_since=min(self.awaited_since, now))

    def refused(self, code: str, now: float, *, period: float) -> Candidate:
        """Return the state after a failed check: the next one is delayed more each time."""
        longest = _LONGEST_PAUSE_PERIODS * period
        pause = min(2 * self.pause, longest) if self.code else period
        return replace(self, answers=0, code=code, pause=pause, again=now + pause)


TAKEN_BACK = Candidate(again=math.inf)
"""A version that was rolled back and is never checked again."""
