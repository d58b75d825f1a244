"""Sentences whose names are left open: a model learns the rest, the category fills them in.

So a sentence never names another thing than its region's category, and things without any scene
have sentences too. `<noun> <verb>` is the region's thing, `<other> <does>` another one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from training.batch import SceneSource
from training.categories import film_category
from training.scene import Profile, Scene, Source
from training.scenes.grammar import Grammar


@dataclass(frozen=True, slots=True)
class _Open:
    name: str
    noun: str
    verb: str
    profile: Profile = "lifescene"


UNNAMED = Grammar((_Open("thing", "<noun>", "<verb>"), _Open("other", "<other>", "<does>")))


class UnnamedScenes:
    """Composed scenes with film categories and open sentences."""

    def __init__(self, scenes: SceneSource, grammar: Grammar) -> None:
        self._scenes, self._grammar = scenes, grammar

    def compose(self, index: int) -> Scene:
        """Return the scene of this number."""
        scene = self._scenes.compose(index)
        return replace(
            scene,
            sources=tuple(map(self._source, scene.sources)),
            unseen=tuple(replace(u, category=film_category(u.category)) for u in scene.unseen),
        )

    def _source(self, source: Source) -> Source:
        return replace(
            source,
            category=film_category(source.category),
            sentences=tuple(map(self._sentence, source.sentences)),
        )

    def _sentence(self, sentence: str) -> str:
        facts = self._grammar.facts(sentence) if sentence else None
        if facts is None:
            return ""
        company = None if facts.company is None else "other"
        return UNNAMED.say(replace(facts, category="thing", company=company))
