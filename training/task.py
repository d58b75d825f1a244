"""What a model learns: its categories, its sentences, and the scenes that show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from ssuformer.errors import ConfigError
from ssuformer.tokenizer import Tokenizer
from training.batch import SceneSource
from training.categories import CATEGORIES, GENERIC, SOMETHING, FilmCategory, broader, film_category
from training.data.filmed import Excerpts, Films
from training.data.names import film_names
from training.experiment import DataSource, Experiment, Stage, open_filmed, pack_folder
from training.packs.material import FilmMaterial
from training.packs.pack import AssetPack, PackCategory
from training.pretrained import audioset_names
from training.scene import Split
from training.scenes.composer import Composer
from training.scenes.grammar import Category, sentences_of_grammar
from training.scenes.mixture import Mixture
from training.scenes.photographic import PhotographicScenes
from training.scenes.unnamed import UNNAMED, UnnamedScenes

COMPOSED = DataSource(kind="composed")
"""What an experiment trains on that names no data."""


@dataclass(frozen=True, slots=True)
class Task:
    """The categories, the language and the scenes of an experiment."""

    experiment: Experiment
    pack: AssetPack | None
    """None if clips are all that is trained on."""
    words: tuple[Category, ...]
    """Its categories with their nouns and verbs, in the order of the model's outputs."""
    tokenizer: Tokenizer
    ties: dict[str, Any]
    """Fields of the model's config that tie categories to classes of pretrained encoders."""
    generic: dict[str, str] = field(default_factory=dict)
    """Category -> the generic category that it is a kind of."""

    @property
    def categories(self) -> tuple[str, ...]:
        """Return the names of the categories."""
        return tuple(word.name for word in self.words)

    @classmethod
    def of(cls, experiment: Experiment, pack: AssetPack | None) -> Task:
        """Return the task of an experiment; ConfigError if its material is missing."""
        filmed = [open_filmed(source) for source in _data(experiment, "filmed")]
        sentences = chain.from_iterable(films.sentences() for films in filmed)
        photographic = _data(experiment, "photographic")
        if experiment.names != "films" and not photographic:
            words = words_of(filmed) if experiment.names == "data" else _given(pack).categories
            tokenizer = Tokenizer.learn(chain(sentences_of_grammar(words), sentences))
            return cls(experiment, pack, words, tokenizer, {})
        learned: set[str] = set()
        if experiment.names == "films":
            learned = {name for f in filmed for n in f.categories for name in film_names(n)}
            learned |= {film_category(c.name) for c in pack.categories} if pack else set()
            learned.add(SOMETHING.name)
        for source in photographic:
            folder = pack_folder(source.folder)
            learned |= FilmMaterial.open(folder, _given(pack), "train").learned
        return cls(
            experiment,
            pack,
            CATEGORIES,
            Tokenizer.learn(chain(UNNAMED.sentences(), sentences)),
            film_ties(CATEGORIES, learned=learned),
            dict(GENERIC),
        )

    def scenes(self, stage: Stage, split: Split) -> SceneSource:
        """Return the scenes of a stage, of every source by its weight.

        Clips for validation have five seconds. Filmed ones are for training alone where there is a
        pack: an experiment without other data is then validated on composed scenes. Without a pack
        it is validated on the split `val` of its clips.
        """
        data = self.experiment.data or (COMPOSED,)
        wanted = list(data)
        if split != "train" and not self.experiment.filmed_alone:
            wanted = [source for source in data if source.kind != "filmed"] or [COMPOSED]
        parts = [(self._source(source, stage, split), source.weight) for source in wanted]
        return parts[0][0] if len(parts) == 1 else Mixture(parts, seed=self.experiment.seed)

    def _source(self, source: DataSource, stage: Stage, split: Split) -> SceneSource:
        seconds = stage.seconds if split == "train" else 5
        seed = self.experiment.seed if split == "train" else 0
        if source.kind == "filmed":
            clips = source if split == "train" else source.model_copy(update={"split": split})
            return Excerpts(
                open_filmed(clips), categories=self.categories, size=stage.size, seconds=seconds
            )
        if source.kind == "photographic":
            material = FilmMaterial.open(pack_folder(source.folder), _given(self.pack), split)
            return PhotographicScenes(material, split, size=stage.size, seconds=seconds, seed=seed)
        composed = Composer(
            _given(self.pack), split, self.experiment.profile,
            size=stage.size, seconds=seconds, seed=seed,
        )  # fmt: skip
        return UnnamedScenes(composed, composed.grammar) if self.ties else composed


def _given(pack: AssetPack | None) -> AssetPack:
    if pack is None:
        raise ConfigError("scenes are composed of a pack, and there is none")
    return pack


def words_of(filmed: Sequence[Films[Any]]) -> tuple[Category, ...]:
    """Return the categories of clips under their own names, with the nouns and verbs of films."""
    known = {category.name: category for category in CATEGORIES}
    told = {word.name: word for films in filmed for word in films.words}
    names = dict.fromkeys(name for films in filmed for name in films.categories)
    words: list[Category] = []
    for name in names:
        if name in told:
            words.append(told[name])
            continue
        of_films = next(iter(film_names(name)), "")
        like = known.get(of_films, SOMETHING)
        noun = name.replace("_", " ") if like is SOMETHING else like.noun
        words.append(PackCategory(name=name, noun=noun, verb=like.verb, profile=like.profile))
    return tuple(words)


def _data(experiment: Experiment, kind: str) -> list[DataSource]:
    return [source for source in experiment.data if source.kind == kind]


def film_ties(categories: Iterable[FilmCategory], *, learned: Iterable[str]) -> dict[str, Any]:
    """Return how categories are tied to classes, to looks, and which have scenes."""
    every = tuple(categories)
    number = {name: index for index, name in enumerate(audioset_names())}
    place = {category.name: index for index, category in enumerate(every)}
    known = frozenset(learned)
    return {
        "audio_classes": tuple(tuple(number[name] for name in c.heard) for c in every),
        "broad_classes": tuple(tuple(number[name] for name in broader(c)) for c in every),
        "image_classes": tuple(category.seen for category in every),
        "looks": tuple(place[looks_like(category)] for category in every),
        "unlearned": tuple(place[c.name] for c in every if c.name not in known),
    }


def looks_like(category: FilmCategory) -> str:
    """Return the category that stands for the look of this one."""
    if category.kind != "person":
        return category.name
    return "baby" if category.name.startswith("baby") else "person_speaking"
