"""The sample films: which held-out scenes are rendered, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from training.packs.pack import AssetPack
from training.scene import Profile
from training.scenes.composer import Composer
from training.scenes.films import write_film
from training.scenes.script import (
    Script,
    has_change,
    has_distractor,
    has_duet,
    has_silence,
    has_solo,
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample film: its name, format, and required properties."""

    name: str
    profile: Profile
    seconds: int
    wanted: tuple[Callable[[Script], bool], ...]
    aspect: float
    start: int
    """The scene number at which the search for a match starts."""


SAMPLES = (
    Sample("music-solo.mp4", "music", 5, (has_solo, has_distractor), 16 / 9, 100),
    Sample("music-duet.mp4", "music", 8, (has_duet,), 4 / 3, 200),
    Sample("music-change.webm", "music", 8, (has_change, has_silence), 16 / 9, 300),
    Sample("lifescene-silence.mp4", "lifescene", 6, (has_silence,), 16 / 9, 400),
    Sample("lifescene-change.mp4", "lifescene", 10, (has_change, has_duet), 16 / 9, 540),
    Sample("lifescene-upright.webm", "lifescene", 5, (has_change,), 9 / 16, 620),
)


def render_sample(sample: Sample, pack: AssetPack, folder: Path) -> Path:
    """Render a sample from the test split into `folder`, with its ground truth; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    composer = Composer(pack, "test", sample.profile, seconds=sample.seconds)
    script = next(composer.find(*sample.wanted, start=sample.start, aspect=sample.aspect))
    path = folder / sample.name
    write_film(path, script, composer)
    return path
