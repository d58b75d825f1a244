"""What a model learns: its categories, its sentences, and the scenes that show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ssuformer.tokenizer import Tokenizer
from training.batch import SceneSource
from training.categories import CATEGORIES, FilmCategory
from training.experiment import Experiment, Stage, pack_folder
from training.packs.material import FilmMaterial
from training.packs.pack import AssetPack
from training.pretrained import audioset_names
from training.scene import Scene, Split
from training.scenes.composer import Composer
from training.scenes.grammar import sentences_of_grammar
from training.scenes.photographic import PhotographicScenes
from training.scenes.unnamed import UNNAMED, UnnamedScenes


@dataclass(frozen=True, slots=True)
class Task:
    """The categories, the language and the scenes of an experiment."""

    experiment: Experiment
    pack: AssetPack
    categories: tuple[str, ...]
    """Names, in the order of the model's outputs."""
    tokenizer: Tokenizer
    ties: dict[str, Any]
    """Fields of the model's config that tie categories to classes of pretrained encoders."""

    @classmethod
    def of(cls, experiment: Experiment, pack: AssetPack) -> Task:
        """Return the task of an experiment; ConfigError if its material is missing."""
        if experiment.films is None:
            names = tuple(category.name for category in pack.categories)
            tokenizer = Tokenizer.learn(sentences_of_grammar(pack.categories))
            return cls(experiment, pack, names, tokenizer, {})
        material = FilmMaterial.open(pack_folder(experiment.films.pack), pack, "train")
        return cls(
            experiment,
            pack,
            tuple(category.name for category in CATEGORIES),
            Tokenizer.learn(UNNAMED.sentences()),
            film_ties(CATEGORIES, learned=material.learned),
        )

    def scenes(self, stage: Stage, split: Split) -> SceneSource:
        """Return the scenes of a stage; clips for validation have five seconds."""
        seconds = stage.seconds if split == "train" else 5
        seed = self.experiment.seed if split == "train" else 0
        composed = Composer(
            self.pack, split, self.experiment.profile,
            size=stage.size, seconds=seconds, seed=seed,
        )  # fmt: skip
        if self.experiment.films is None:
            return composed
        films = self.experiment.films
        material = FilmMaterial.open(pack_folder(films.pack), self.pack, split)
        photographic = PhotographicScenes(
            material, split, size=stage.size, seconds=seconds, seed=seed
        )
        return Mixed(photographic, UnnamedScenes(composed, composed.grammar), films.share, seed)


@dataclass(frozen=True, slots=True)
class Mixed:
    """Scenes of two sources; a number always takes the same one."""

    first: SceneSource
    second: SceneSource
    share: float
    """Share of the first."""
    seed: int

    def compose(self, index: int) -> Scene:
        """Return the scene of this number."""
        luck = np.random.default_rng([self.seed, 13, index]).random()
        return (self.first if luck < self.share else self.second).compose(index)


def film_ties(categories: tuple[FilmCategory, ...], learned: frozenset[str]) -> dict[str, Any]:
    """Return how categories are tied to classes, to looks, and which have scenes."""
    number = {name: index for index, name in enumerate(audioset_names())}
    place = {category.name: index for index, category in enumerate(categories)}
    return {
        "audio_classes": tuple(
            tuple(number[name] for name in category.heard) for category in categories
        ),
        "image_classes": tuple(category.seen for category in categories),
        "looks": tuple(place[looks_like(category)] for category in categories),
        "unlearned": tuple(place[c.name] for c in categories if c.name not in learned),
    }


def looks_like(category: FilmCategory) -> str:
    """Return the category that stands for the look of this one."""
    if category.kind != "person":
        return category.name
    return "baby" if category.name.startswith("baby") else "person_speaking"
