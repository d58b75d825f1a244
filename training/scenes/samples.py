"""The sample films: which held-out scenes are rendered, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.data.filmed import read_document
from training.data.layout import DataInfo, ListedClip, Truth, write_list
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
    """Render a sample from the test split into `folder`; return the path of its truth file."""
    folder.mkdir(parents=True, exist_ok=True)
    composer = Composer(pack, "test", sample.profile, seconds=sample.seconds)
    script = next(composer.find(*sample.wanted, start=sample.start, aspect=sample.aspect))
    path = folder / sample.name
    return write_film(path, script, composer)


def list_samples(truths: Sequence[Path], folder: Path) -> None:
    """List samples by their truth files, so that `folder` is a data set in the layout."""
    told = [read_document(path, Truth) for path in truths]
    seen = {thing.category for truth in told for thing in truth.sources}
    unseen = {voice.category for truth in told for voice in truth.unseen}
    info = DataInfo(
        name="samples", version="1", about="Composed scenes, rendered as films.",
        licence="Apache-2.0; the material's licences are in training/packs/README.md",
        categories=tuple(sorted(seen | unseen)),
    )  # fmt: skip
    write_list(folder, info, [ListedClip(truth=path.name, split="test") for path in truths])
