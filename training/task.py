"""What a model learns: its categories, its sentences, and the scenes that show them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from ssuformer.tokenizer import Tokenizer
from training.batch import SceneSource
from training.categories import CATEGORIES, FilmCategory
from training.data.filmed import Excerpts
from training.data.names import words_of
from training.experiment import DataSource, Experiment, Stage, open_filmed, pack_folder
from training.packs.material import FilmMaterial
from training.packs.pack import AssetPack
from training.pretrained import audioset_names
from training.scene import Split
from training.scenes.composer import Composer
from training.scenes.grammar import Grammar, sentences_of_grammar
from training.scenes.mixture import Mixture
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
            sentences = chain(sentences_of_grammar(pack.categories), _filmed_sentences(experiment))
            tokenizer = Tokenizer.learn(sentences)
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
        """Return the scenes of a stage; those for validation are composed and have five seconds."""
        seconds = stage.seconds if split == "train" else 5
        seed = self.experiment.seed if split == "train" else 0
        parts = self._composed(split, size=stage.size, seconds=seconds, seed=seed)
        if self.experiment.data and split == "train":
            parts = [part for source in self.experiment.data
                     for part in self._parts_of(source, parts, stage)]  # fmt: skip
        return Mixture(parts, seed=seed) if len(parts) > 1 else parts[0][0]

    def _composed(
        self, split: Split, *, size: int, seconds: int, seed: int
    ) -> list[tuple[SceneSource, float]]:
        """Return the composed scenes by kind, and the share of each."""
        composed = Composer(
            self.pack, split, self.experiment.profile, size=size, seconds=seconds, seed=seed
        )
        films = self.experiment.films
        if films is None:
            return [(composed, 1.0)]
        material = FilmMaterial.open(pack_folder(films.pack), self.pack, split)
        photographic = PhotographicScenes(material, split, size=size, seconds=seconds, seed=seed)
        unnamed = UnnamedScenes(composed, composed.grammar)
        return [(photographic, films.share), (unnamed, 1.0 - films.share)]

    def _parts_of(
        self, source: DataSource, composed: list[tuple[SceneSource, float]], stage: Stage
    ) -> list[tuple[SceneSource, float]]:
        """Return the scenes of a source of data with their weights, in this task's words."""
        filmed = open_filmed(source)
        if filmed is None:
            return [(scenes, share * source.weight) for scenes, share in composed]
        scenes: SceneSource = Excerpts(
            filmed, categories=self.categories, size=stage.size, seconds=stage.seconds
        )
        if self.experiment.films is not None:
            scenes = UnnamedScenes(scenes, Grammar(words_of(filmed.categories)))
        return [(scenes, source.weight)]


def _filmed_sentences(experiment: Experiment) -> Iterator[str]:
    """Yield the sentences of the experiment's filmed clips."""
    for filmed in map(open_filmed, experiment.data):
        if filmed is not None:
            yield from filmed.sentences()


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
