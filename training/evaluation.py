"""Evaluate a model: every score on every split, also without the right audio."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.progress import Progress
from torch.utils.flop_counter import FlopCounterMode

from ssuformer.contract import FRAME_SIZE, SAMPLE_RATE
from ssuformer.manifest import Manifest
from ssuformer.model import checkpoint as checkpoints
from ssuformer.model.sound_source_model import parameters
from ssuformer.regions import Segmentation
from ssuformer.sentences import SOMETHING, SOUNDS
from training.batch import SceneSource, groups
from training.calibration import find_thresholds
from training.categories import CATEGORIES
from training.data.filmed import Films, Told
from training.data.names import kind_of, knows_films, model_names, name_for
from training.experiment import open_pack
from training.film_truth import FilmTruth, film_grammar
from training.held_out import PHOTOGRAPHIC, HeldOut, held_out, score_name
from training.metrics.boxes import BoxEvaluation
from training.metrics.regions import PredictedRegion
from training.metrics.report import OF_CATEGORIES, Evaluation
from training.packs import categories as collected
from training.packs.pack import AssetPack, PackCategory
from training.predictor import Predictor, TorchPredictor
from training.scene import Scene
from training.scenes.grammar import Category, Grammar

CONTROLS = ("", "shuffled", "silent")
"""The true audio, another scene's audio, and silence: an audio-based model fails the last two."""

Segmenting = Callable[[Sequence[Scene], npt.NDArray[np.float32]], list[Segmentation]]
"""Returns the model's outputs for scenes, named as the model does, and a waveform `[b t 16000]`."""

Watch = Callable[[int, Scene, Sequence[Sequence[PredictedRegion]], npt.NDArray[np.float32]], None]
"""Is given a scene's number, its truth and regions in the frames whose truth is known, and their
union `[t h w]` as `_union` returns it: what the scores are measured on."""

EVERYTHING: frozenset[Told] = frozenset({"outlines", "categories", "sentences"})
"""What the truth of composed scenes tells."""

WITHOUT_SENTENCES: frozenset[Told] = EVERYTHING - {"sentences"}
"""What it tells a model whose sentences have other words."""


@dataclass(frozen=True, slots=True)
class Exam:
    """Scenes that a model is scored on, with their truth in its names and its language."""

    scenes: SceneSource
    grammar: Grammar
    """Reads the model's sentences and the true ones."""
    told: frozenset[Told] = EVERYTHING


def exam_of(
    manifest: Manifest,
    pack: AssetPack,
    split: HeldOut,
    backgrounds: Path | None = None,
    films: str = "films",
) -> Exam:
    """Return the scenes of a split for a model; ConfigError if material is missing.

    A model of a pack's categories gets scenes of those alone, one of film categories all of the
    pack, with the truth of `training/film_truth.py`. Film-like scenes are the same for both; a
    model of a pack is not asked for sentences there, as its language has other words.
    """
    if knows_films(manifest.categories):
        scenes = held_out(pack, split, backgrounds, films)
        truth = FilmTruth(scenes, manifest=manifest, words=pack.categories)
        return Exam(truth, film_grammar(manifest))
    own = pack.only(manifest.categories)
    if split in PHOTOGRAPHIC:
        scenes = held_out(pack, split, films=films)
        return Exam(scenes, Grammar(own.categories), WITHOUT_SENTENCES)
    return Exam(held_out(own, split, backgrounds), Grammar(own.categories))


def evaluate(
    folder: Path,
    pack: str,
    splits: list[HeldOut],
    count: int,
    *,
    calibrate: int,
    device: torch.device,
    backgrounds: Path | None = None,
    films: str = "films",
) -> dict[str, dict[str, float]]:
    """Evaluate a checkpoint, write the scores into its manifest, and return them by split.

    A control's scores are under `split/control`, compute costs under `cost`. `backgrounds` is a
    folder of photographs for the split `collage`, whose scores are then under
    `collage-photographs`; without one its pictures are computed. `films` is the pack of film
    material for the photographic splits.
    """
    predictor, manifest = _open(folder, device)
    opened = open_pack(pack)
    exams = {
        score_name(split, backgrounds): exam_of(manifest, opened, split, backgrounds, films)
        for split in splits
    }
    if calibrate:
        unused: HeldOut = "photographic-val" if knows_films(manifest.categories) else "val"
        scenes = exam_of(manifest, opened, unused, films=films).scenes
        predictor.thresholds = find_thresholds(predictor, scenes, calibrate, manifest.categories)
    metrics = {"cost": cost(predictor)}
    for name, exam in exams.items():
        metrics |= under_controls(name, predictor, exam, count, manifest.categories)
    changes = {"thresholds": predictor.thresholds, "metrics": {**manifest.metrics, **metrics}}
    manifest.model_copy(update=changes).write(folder)
    return metrics


def evaluate_films(
    folder: Path, films: Films[Any], count: int | None, *, name: str, device: torch.device
) -> dict[str, dict[str, float]]:
    """Evaluate a checkpoint on filmed clips, all or the first `count`, as `evaluate` does.

    The scores are under `name` and `name/control`.
    """
    predictor, manifest = _open(folder, device)
    metrics = under_controls(
        name, predictor, exam_on_films(manifest, films), min(count or len(films), len(films)),
        manifest.categories,
    )  # fmt: skip
    manifest.model_copy(update={"metrics": {**manifest.metrics, **metrics}}).write(folder)
    return metrics


def exam_on_films(manifest: Manifest, films: Films[Any]) -> Exam:
    """Return filmed clips for a model; their sentences may be in the collected pack's language.

    Labels of boxes keep their names: several categories may be right for one.
    """
    if not knows_films(manifest.categories):
        return Exam(films, Grammar(_words(manifest)), films.told)
    scenes: SceneSource = films
    if "boxes" not in films.told:
        scenes = FilmTruth(films, manifest=manifest, words=collected.CATEGORIES)
    return Exam(scenes, film_grammar(manifest), films.told)


def _open(folder: Path, device: torch.device) -> tuple[TorchPredictor, Manifest]:
    model, manifest = checkpoints.load(folder)
    return TorchPredictor.of(model.to(device), manifest), manifest


def _words(manifest: Manifest) -> list[Category]:
    """Return the words of a model's categories, its own if it has any."""
    known: list[Category] = [*CATEGORIES, *collected.CATEGORIES]
    if not manifest.nouns:
        return _words_of(manifest.categories, known)
    music = {category.name for category in known if category.profile == "music"}
    return [
        PackCategory(
            name=name, noun=noun, verb=verb, profile="music" if name in music else "lifescene"
        )
        for name, noun, verb in zip(
            manifest.categories, manifest.nouns, manifest.verbs, strict=True
        )
    ]


def _words_of(names: Sequence[str], known: Sequence[Category]) -> list[Category]:
    """Return the words that are known for these names, or the names themselves."""
    unknown = set(names) - {category.name for category in known}
    return [
        *(category for category in known if category.name in names),
        *(
            PackCategory(name=n, noun=n.replace("_", " "), verb="sounds", profile="lifescene")
            for n in sorted(unknown)
        ),
    ]


def ignore(*_: object) -> None:
    """Watch nothing."""


def under_controls(
    name: str, predictor: Predictor, exam: Exam, count: int, categories: Sequence[str],
    watch: Watch = ignore,
) -> dict[str, dict[str, float]]:  # fmt: skip
    """Return the scores with every sound; one scene alone has no other scene's sound.

    They are under `name` and `name/control`. `watch` sees the answers to the own sound.
    """
    metrics = {}
    with Progress(console=Console(stderr=True)) as progress:
        for control in CONTROLS if count > 1 else ("", "silent"):
            title = f"{name}/{control}".rstrip("/")
            task = progress.add_task(title, total=count)
            metrics[title] = score(
                predictor, exam.scenes, count, exam.grammar,
                control=control, told=exam.told, categories=categories,
                watch=ignore if control else watch,
                advance=lambda n, task=task: progress.advance(task, n),  # type: ignore[misc]
            )  # fmt: skip
    return metrics


def cost(predictor: TorchPredictor, frames: int = 10) -> dict[str, float]:
    """Return parameters, GFLOPs and seconds for a ten-second sample at one frame per second."""
    pictures = np.zeros((1, frames, FRAME_SIZE, FRAME_SIZE, 3), np.uint8)
    sound = np.zeros((1, frames, SAMPLE_RATE), np.float32)
    # The counter fails where a weight that has a gradient is itself the input of a module.
    learned = [weight for weight in predictor.model.parameters() if weight.requires_grad]
    for weight in learned:
        weight.requires_grad = False
    with FlopCounterMode(display=False) as counter:
        predictor.segment(pictures, sound)
    for weight in learned:
        weight.requires_grad = True
    began = time.perf_counter()
    predictor.segment(pictures, sound)
    took = time.perf_counter() - began
    return {
        "parameters": float(parameters(predictor.model)),
        "gflops_per_frame": counter.get_total_flops() / frames / 1e9,
        "seconds_per_sample": took,
        "frames_per_second": frames / took,
    }


def score(
    predictor: Predictor, scenes: SceneSource, count: int, grammar: Grammar, *,
    control: str = "", advance: Callable[[int], None] = lambda _: None,
    told: frozenset[Told] = EVERYTHING, categories: Sequence[str] = (),
    segment: Segmenting | None = None, watch: Watch = ignore,
) -> dict[str, float]:  # fmt: skip
    """Return every score on the first `count` scenes, with the audio of `control`.

    Scores that need what the truth does not tell are left out, and so are frames whose truth is
    not known. With `categories`, the model's, the sources of a scene are called by those names.
    `segment` finds what sounds in place of the predictor; `watch` sees what is scored.
    """
    sentences = "sentences" in told and not control
    evaluation: Evaluation | BoxEvaluation = Evaluation(
        facts=lambda sentence: _facts(grammar, sentence), kind=kind_of, sentences=sentences
    )
    if "boxes" in told:
        evaluation = BoxEvaluation(right=lambda name: model_names(name, categories), kind=kind_of)
    before: npt.NDArray[np.float32] | None = None
    numbers = itertools.count()
    for group in groups(scenes, count):
        sound = np.stack([scene.waveform for scene in group])
        if control == "shuffled":
            if before is None and len(group) == 1:
                before = scenes.compose(1).waveform
            sound, before = _moved_on(sound, before), sound[-1]
        elif control == "silent":
            sound = np.zeros_like(sound)
        named = [_called(scene, categories) for scene in group]
        clips = (
            predictor.segment(np.stack([scene.frames for scene in group]), sound)
            if segment is None
            else segment(named, sound)
        )
        size = (group[0].frames.shape[1], group[0].frames.shape[2])
        regions = predictor.regions(clips, size, captions=sentences)
        for scene, frames in zip(group if "boxes" in told else named, regions, strict=True):
            _add(evaluation, scene, frames, size, partial(watch, next(numbers)))
        advance(len(group))
    report = evaluation.report()
    unasked = () if "categories" in told else OF_CATEGORIES
    return {name: value for name, value in report.items() if name not in unasked}


def _add(
    evaluation: Evaluation | BoxEvaluation,
    scene: Scene,
    frames: list[list[PredictedRegion]],
    size: tuple[int, int],
    watch: Callable[[Scene, Sequence[Sequence[PredictedRegion]], npt.NDArray[np.float32]], None],
) -> None:
    """Add the frames of a scene whose truth is known, if any are, and show them to `watch`."""
    known = scene.frames_known()
    if len(known):
        shown, truth = [frames[frame] for frame in known], scene.at(known)
        union = _union(shown, size)
        evaluation.add(truth, regions=shown, union=union)
        watch(truth, shown, union)


def _called(scene: Scene, categories: Sequence[str]) -> Scene:
    """Return the scene with each source called by the likeliest of these categories."""
    sources = (
        replace(source, category=name_for(source.category, categories)) for source in scene.sources
    )
    return replace(scene, sources=tuple(sources)) if categories else scene


def _moved_on(
    sound: npt.NDArray[np.float32], before: npt.NDArray[np.float32] | None
) -> npt.NDArray[np.float32]:
    """Return the audio shifted by one scene; the first gets `before`, else the last's.

    `before` is repeated or cut to the others' length.
    """
    moved = np.roll(sound, 1, axis=0)
    if before is not None:
        moved[0] = np.resize(before, moved[0].shape)
    return moved


def _facts(grammar: Grammar, sentence: str) -> Mapping[str, object]:
    """Return the facts of a sentence, none if it is not in the language.

    If nothing else is heard, the service leaves company out of a sentence that was to name it.
    Such a sentence tells neither of company nor that its source is alone.
    """
    facts = grammar.facts(sentence)
    if facts is not None:
        return asdict(facts) | {"company": facts.company or "alone"}
    facts = grammar.facts(f"{sentence} while {SOMETHING} {SOUNDS}")
    return asdict(facts) | {"company": None} if facts is not None else {}


def _union(
    frames: Iterable[list[PredictedRegion]], size: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Return `[t h w]`: the score of the best region at every pixel, at least 0.5 where shown."""
    union = []
    for regions in frames:
        surest = np.zeros(size, np.float32)
        for region in regions:
            surest = np.maximum(surest, region.mask * (0.5 + 0.5 * np.float32(region.score) + 1e-6))
        union.append(surest.clip(0.0, 1.0))
    return np.stack(union)


def quick_j(predictor: Predictor, scenes: SceneSource, count: int) -> float:
    """Return J on the sounding frames of a few scenes, without captions."""
    total, frames = 0.0, 0
    for group in groups(scenes, count):
        clips = predictor.segment(
            np.stack([s.frames for s in group]), np.stack([s.waveform for s in group])
        )
        size = (group[0].frames.shape[1], group[0].frames.shape[2])
        for scene, shown in zip(group, predictor.regions(clips, size, captions=False), strict=True):
            predicted, truth = _union(shown, size) > 0, scene.sounding_mask()
            loud = truth.any(axis=(1, 2))
            both = (predicted & truth).sum(axis=(1, 2))
            either = (predicted | truth).sum(axis=(1, 2))
            total += float((both[loud] / either[loud]).sum())
            frames += int(loud.sum())
    return total / max(frames, 1)
