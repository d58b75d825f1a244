"""Which tools the settings name: told to the processes that they run in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Choice:
    """The names of tools, as `service.studio.tools` takes them."""

    masks: str
    tracker: str
    sentences: str
    sentences_model: str
    sentences_key: Path | None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the tools of the settings."""
        return cls(
            masks=settings.studio_masks,
            tracker=settings.studio_tracker,
            sentences=settings.studio_sentences,
            sentences_model=settings.studio_sentences_model,
            sentences_key=settings.studio_sentences_key_file,
        )
