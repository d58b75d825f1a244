"""The truth of scenes as a model of film categories has to tell it.

A model of a pack is compared with the pack's own names and sentences. One whose categories are
those of films (`training/categories.py`) is compared with this truth instead:

    names      a source has the film category of its name (`training/data/names.py`, which takes
               those of a pack from `film_category`) and is `something` if there is none. So
               `something` is right for a robot, and `drum` for a conga as for a drum
    sentences  what the service would say for a model that is right about everything: a sentence
               in the language of a pack keeps its facts and takes nouns and verbs, also those of
               its company, from the model's manifest. An open sentence is filled with its source
               and, as company, with the first other source that sounds in that second, or else
               the first unseen one. A sentence in other words, such as a person's, stays as it is

Predicted sentences are filled as the service fills them. Both sides are then read by one grammar,
that of the manifest's nouns and verbs: scores of facts compare film categories (of the source and
of its company), places, sizes and colours; BLEU, ROUGE-L and CIDEr-D compare the words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ssuformer.manifest import Manifest
from ssuformer.sentences import Wording
from training.batch import SceneSource
from training.data.names import name_for
from training.packs.pack import PackCategory
from training.scene import Scene
from training.scenes.grammar import Category, Grammar
from training.scenes.unnamed import UNNAMED

Heard = Sequence[tuple[str, npt.NDArray[np.bool_]]]
"""The names of what sounds in a scene, and in which seconds, `[t]`."""


def film_grammar(manifest: Manifest) -> Grammar:
    """Return the language of the sentences that the service fills in with these weights.

    Open sentences say "while" of any company, so it has no duets of instruments.
    """
    wording = Wording(manifest)
    words = [(name, *wording.words(number)) for number, name in enumerate(manifest.categories)]
    return Grammar(
        [
            PackCategory(name=name, noun=noun, verb=verb, profile="lifescene")
            for name, noun, verb in words
        ]
    )


class FilmTruth:
    """Scenes with their truth in the names and words of a model of film categories.

    `words` are those of the pack whose language the true sentences are in.
    """

    def __init__(
        self, scenes: SceneSource, *, manifest: Manifest, words: Sequence[Category]
    ) -> None:
        self._scenes = scenes
        self._categories = manifest.categories
        self._wording = Wording(manifest)
        self._language = Grammar(words)

    def compose(self, index: int) -> Scene:
        """Return the scene of this number."""
        scene = self._scenes.compose(index)
        sources = [replace(s, category=self._name(s.category)) for s in scene.sources]
        unseen = tuple(replace(u, category=self._name(u.category)) for u in scene.unseen)
        heard = [
            *((source.category, source.sounding) for source in sources),
            *((sound.category, sound.sounding) for sound in unseen),
        ]
        return replace(
            scene,
            sources=tuple(
                replace(
                    source,
                    sentences=tuple(
                        self._sentence(sentence, heard, number=number, second=second)
                        for second, sentence in enumerate(source.sentences)
                    ),
                )
                for number, source in enumerate(sources)
            ),
            unseen=unseen,
        )

    def _name(self, name: str) -> str:
        return name_for(name, self._categories)

    def _sentence(self, sentence: str, heard: Heard, *, number: int, second: int) -> str:
        """Return a sentence of source `number` in the model's words."""
        if UNNAMED.facts(sentence) is not None:
            others = (
                name for n, (name, sounding) in enumerate(heard) if n != number and sounding[second]
            )
            return self._filled(sentence, heard[number][0], next(others, None))
        facts = self._language.facts(sentence)
        if facts is None:
            return sentence
        company = None if facts.company is None else self._name(facts.company)
        nameless = replace(facts, category="thing", company=company and "other")
        return self._filled(UNNAMED.say(nameless), self._name(facts.category), company)

    def _filled(self, sentence: str, name: str, company: str | None) -> str:
        other = None if company is None else self._categories.index(company)
        return self._wording.filled(sentence, self._categories.index(name), other)
