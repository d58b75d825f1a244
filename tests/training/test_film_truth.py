"""Scenes are told as a model of film categories has to tell them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from ssuformer.regions import Float, Segmentation
from ssuformer.sentences import SOMETHING, Wording
from ssuformer.tokenizer import Tokenizer
from tests.training.small_films import FILM_NAMES, film_manifest, pack_in_memory
from training.batch import SceneSource
from training.categories import film_category
from training.evaluation import score
from training.film_truth import FilmTruth, film_grammar
from training.packs.categories import CATEGORIES as COLLECTED
from training.predictor import Predictor
from training.scene import Scene, Source, Unseen
from training.scenes.composer import Composer
from training.scenes.grammar import Facts, Grammar
from training.scenes.unnamed import UNNAMED, UnnamedScenes

MANIFEST = film_manifest()
PACK = pack_in_memory()
TOKENIZER = Tokenizer(MANIFEST.vocabulary)
LANGUAGE = Grammar(COLLECTED)
SCENES = 16


class Given:
    """Scenes that were made before."""

    def __init__(self, *scenes: Scene) -> None:
        self._scenes = scenes

    def compose(self, index: int) -> Scene:
        return self._scenes[index]


def scene(*sources: tuple[str, str], unseen: Sequence[str] = ()) -> Scene:
    """Return a second in which these categories sound, each with its sentence, in one place."""
    on = np.ones(1, np.bool_)
    return Scene(
        np.zeros((1, 64, 64, 3), np.uint8),
        np.zeros((1, 16_000), np.float32),
        tuple(Source(name, np.ones((1, 64, 64), bool), on, (said,)) for name, said in sources),
        unseen=tuple(Unseen(name, on) for name in unseen),
    )


def told(scene: Scene) -> list[tuple[str, str]]:
    truth = FilmTruth(Given(scene), manifest=MANIFEST, words=COLLECTED).compose(0)
    return [(source.category, source.sentences[0]) for source in truth.sources]


def test_every_category_of_the_collected_pack_has_its_film_category() -> None:
    names = [category.name for category in COLLECTED]

    found = [name for name, _ in told(scene(*((name, "") for name in names)))]

    assert found == [film_category(name) for name in names]
    assert {"typing", "train", "something"} <= set(found) <= set(MANIFEST.categories)


@pytest.mark.parametrize(
    ("facts", "category", "sentence"),
    [
        (
            Facts("car", "on the left", "keyboard", colour="red"),
            "car",
            "a red car drives by on the left while a keyboard clatters",
        ),
        (Facts("robot", "at the top", size="small"), "something",
         "something small sounds alone at the top"),
        (Facts("piano", "at the top", "violin", direction="up"), "piano",
         "a piano plays chords at the top moving up while a violin plays a tune"),
        (Facts("hands", "on the left", "robot"), "person_clapping",
         "a person claps on the left while something sounds"),
    ],
)  # fmt: skip
def test_a_sentence_of_a_pack_keeps_its_facts_and_takes_the_words_of_films(
    facts: Facts, category: str, sentence: str
) -> None:
    assert told(scene((facts.category, LANGUAGE.say(facts)))) == [(category, sentence)]


def test_an_open_sentence_is_filled_with_its_source_and_what_else_sounds() -> None:
    alone, company = (
        UNNAMED.say(Facts("thing", "on the left", company)) for company in (None, "other")
    )
    cat, baby = ("cat", company), ("baby", company)

    assert told(scene(("cat", alone))) == [("cat", "a cat meows alone on the left")]
    assert [said for _, said in told(scene(cat, baby, unseen=["rain"]))] == [
        "a cat meows on the left while a baby cries",
        "a baby cries on the left while a cat meows",
    ]
    assert told(scene(cat, unseen=["rain"])) == [
        ("cat", "a cat meows on the left while a rain shower patters")
    ]


def test_a_sentence_in_other_words_stays_as_it_is() -> None:
    written = "Two men talk to each other."

    assert told(scene(("man", written), ("dog", ""))) == [("person_speaking", written), ("dog", "")]


def test_true_sentences_are_read_by_the_grammar_of_the_manifest() -> None:
    grammar = film_grammar(MANIFEST)
    scenes = FilmTruth(Composer(PACK, "test", size=64), manifest=MANIFEST, words=PACK.categories)

    for source in (source for index in range(SCENES) for source in scenes.compose(index).sources):
        for said in filter(None, source.sentences):
            facts = grammar.facts(said)
            assert facts is not None
            assert facts.category == source.category


class Pupil(Predictor):
    """Says of the scenes it has seen what training teaches: film categories and open sentences.

    Region tokens hold the token ids of the sentence.
    """

    def __init__(self, lessons: Sequence[Scene], *, wording: Wording | None) -> None:
        super().__init__(
            categories=MANIFEST.categories, tokenizer=TOKENIZER,
            thresholds=MANIFEST.thresholds, wording=wording,
        )  # fmt: skip
        self._lessons = {lesson.waveform.tobytes(): lesson for lesson in lessons}

    def segment(
        self,
        frames: npt.NDArray[np.uint8],  # noqa: ARG002
        waveform: npt.NDArray[np.float32],
    ) -> list[Segmentation]:
        return [self._answer(self._lessons[clip.tobytes()]) for clip in waveform]

    def caption(self, regions: tuple[Float, Float, Float]) -> npt.NDArray[np.int64]:
        return regions[0][:, 0].astype(np.int64)

    def _answer(self, lesson: Scene) -> Segmentation:
        t, queries, k = len(lesson.frames), 4, len(self._categories)
        answer = Segmentation(
            np.zeros((t, queries, 64, 64), np.float32),
            np.zeros((t, queries), np.float32),
            np.zeros((t, queries, k), np.float32),
            np.zeros((t, queries, 1, 32), np.float32),
            np.zeros((t, 32), np.float32),
            np.zeros((t, 32), np.float32),
            np.zeros((t, k), np.float32),
        )
        assert answer.heard_probability is not None
        heard = [(s.category, s.sounding) for s in lesson.sources]
        heard += [(u.category, u.sounding) for u in lesson.unseen]
        for place, (name, sounding) in enumerate(heard):
            # The first is the surest: truth names the first as company.
            answer.heard_probability[sounding, MANIFEST.categories.index(name)] = 0.9 - 0.1 * place
        for query, source in enumerate(lesson.sources):
            answer.mask_probability[:, query] = source.masks
            answer.sounding_probability[:, query] = source.sounding
            answer.category_logits[:, query, MANIFEST.categories.index(source.category)] = 9
            for frame, sentence in enumerate(source.sentences):
                ids = TOKENIZER.encode(sentence)
                answer.region_tokens[frame, query, 0, : len(ids)] = ids
        return answer


class FirstSecond:
    """The first second of scenes: a longer scene's sentence may hold for more than its second."""

    def __init__(self, scenes: SceneSource, numbers: Sequence[int]) -> None:
        self._scenes, self._numbers = scenes, numbers

    def compose(self, index: int) -> Scene:
        return self._scenes.compose(self._numbers[index]).at(np.array([0]))


def nameless_beside_named(scene: Scene) -> bool:
    """Return whether a region without a name sounds in a second whose sound has one.

    Such a region is not answered (`find_regions`), whatever a pupil says.
    """
    sounding = {source.category for source in scene.sources if source.sounding[0]}
    heard = sounding | {unseen.category for unseen in scene.unseen if unseen.sounding[0]}
    return SOMETHING in sounding and heard != {SOMETHING}


def pupils_scores(*, wording: Wording | None) -> dict[str, float]:
    composer = Composer(PACK, "test", size=64)
    unnamed = UnnamedScenes(composer, composer.grammar)
    numbers = [n for n in range(2 * SCENES) if not nameless_beside_named(unnamed.compose(n))]
    assert len(numbers) >= SCENES
    lessons = FirstSecond(unnamed, numbers)
    pupil = Pupil([lessons.compose(index) for index in range(SCENES)], wording=wording)
    truth = FilmTruth(FirstSecond(composer, numbers), manifest=MANIFEST, words=PACK.categories)
    return score(pupil, truth, SCENES, film_grammar(MANIFEST), categories=MANIFEST.categories)


def test_one_who_says_what_training_teaches_has_full_marks() -> None:
    scores = pupils_scores(wording=Wording(MANIFEST))

    full = ("j", "category_accuracy", "fact_accuracy", "joint_f1", "where_accuracy",
            "colour_accuracy", "size_accuracy", "company_accuracy", "bleu_4")  # fmt: skip
    assert {name: scores[name] for name in full} == pytest.approx(dict.fromkeys(full, 1.0))
    assert scores["people_misnamed"] == 0.0
    assert scores["regions_on_people"] > 0


def test_sentences_that_are_not_filled_name_nothing() -> None:
    scores = pupils_scores(wording=None)

    assert scores["category_accuracy"] == 1.0
    assert scores["fact_accuracy"] == scores["where_accuracy"] == 0.0


def test_a_sentence_whose_company_nobody_heard_still_names_its_source() -> None:
    company = UNNAMED.say(Facts("thing", "in the middle", "other"))
    truth = scene(("cat", company), unseen=["rain"])
    deaf = Pupil([replace(truth, unseen=())], wording=Wording(MANIFEST))
    films = FilmTruth(Given(truth), manifest=MANIFEST, words=COLLECTED)

    scores = score(deaf, films, 1, film_grammar(MANIFEST), categories=MANIFEST.categories)

    assert scores["fact_accuracy"] == scores["where_accuracy"] == 1.0
    assert scores["company_accuracy"] == 0.0


def test_the_small_pack_has_a_category_of_each_kind() -> None:
    assert {film_category(name) for name in FILM_NAMES} == set(FILM_NAMES.values())
