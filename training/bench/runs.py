"""Runs of an experiment and their evaluations: what is there is taken, what is missing is made.

OUT/<name>-<seed>/                 a run, as `python -m training fit` writes it
OUT/<name>-<seed>/scores/<exam>.json   one evaluation, under one sound
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, get_args

import torch
from pydantic import ValidationError

from ssuformer.errors import ConfigError, OptionError, wrong_fields
from ssuformer.manifest import Manifest
from ssuformer.model import checkpoint as checkpoints
from ssuformer.repository import WEIGHTS
from ssuformer.terminal import console
from ssuformer.whole import whole_file
from training import fit as fitting
from training.bench import description
from training.bench.description import DESCRIBED
from training.data.kinds import parse_data
from training.data.names import knows_films
from training.evaluation import CONTROLS, Exam, exam_of, exam_on_films, score
from training.experiment import Experiment, open_material, open_pack, pack_folder
from training.held_out import PHOTOGRAPHIC, held_out, parse_splits
from training.joint import started
from training.metrics.masks import Protocol
from training.predictor import TorchPredictor, told_together
from training.progress import Progress
from training.saving import held
from training.scene import Scene
from training.task import Task

OF_SENTENCES = frozenset(
    {*description.SCORES, "fact_recall", "joint_precision", "joint_recall", "joint_f1"}
)
"""Scores that mean nothing where sentences are not trained."""

OF_NAMES = frozenset(
    {"instance_ap50", "instance_ap", "instance_j", "semantic_miou", "semantic_f"}
    | {"category_accuracy", "named_right", "people_misnamed"}
)
"""Scores that mean nothing where categories are not trained."""

MATERIAL = "material"
"""Names the digest of an exam's files in a file of scores."""


@dataclass(frozen=True, slots=True)
class Trial:
    """An experiment of the bench, and the name of its row."""

    name: str
    experiment: Experiment
    sounds: tuple[str, ...] = CONTROLS
    """Under which sounds it is evaluated, `DESCRIBED` among them."""

    def folder(self, out: Path) -> Path:
        """Return the folder of the run."""
        return out / f"{self.name}-{self.experiment.seed}"

    def finished(self, out: Path) -> bool:
        """Return whether the run is at its end; ConfigError if it is of another experiment."""
        checkpoint = self.folder(out) / "checkpoint"
        if not checkpoint.exists():
            return False
        manifest = Manifest.read(checkpoint)
        began = _experiment(self.folder(out), manifest)
        fitting.refuse_changes(began, self.experiment, self.folder(out))
        return manifest.steps >= self.experiment.steps

    def train(self, out: Path, device: torch.device) -> None:
        """Train the run to its end; what is half done goes on. No two processes train one run."""
        pack = open_material(self.experiment)
        with held(self.folder(out)):
            run = fitting.start(self.experiment, pack, self.folder(out), device)
            fitting.fit(run)


def _experiment(folder: Path, manifest: Manifest) -> Experiment:
    """Return the experiment of a run; ConfigError if its manifest tells of none."""
    try:
        return Experiment.model_validate(manifest.training.get("experiment"))
    except ValidationError as error:
        raise ConfigError(
            f"{folder} is no run of this version: its manifest tells of no experiment "
            f"({wrong_fields(error)})"
        ) from error


def finished(
    trials: Sequence[Trial], out: Path, device: torch.device, *, train: bool
) -> list[Trial]:
    """Return the trials whose runs are at their end; with `train`, all are brought there first.

    Raises OptionError if there is none, and for several processes: the first of them saves a run
    after the others have left it. What is refused is refused before anything is trained.
    """
    if started() > 1:
        raise OptionError(
            "comparing is for one process; runs that are here already may be trained by several, "
            "with torchrun -m training fit"
        )
    if train or out.exists():
        require_writable(out)
    for trial in trials:
        trial.finished(out)
    done = []
    for trial in trials:
        if train and not trial.finished(out):
            console(errors=True).print(f"training {trial.folder(out)}", markup=False)
            trial.train(out, device)
        if trial.finished(out):
            done.append(trial)
        else:
            console(errors=True).print(
                f"left out, not at its end: {trial.folder(out)}", markup=False
            )
    if not done:
        raise OptionError(f"{out} has no finished run of this experiment")
    return done


def shortfall(trials: Sequence[Trial], done: Sequence[Trial]) -> dict[str, dict[str, str]]:
    """Return a table's column that says how many runs each row is of; none if all are done."""
    every, there = (Counter(trial.name for trial in some) for some in (trials, done))
    said = {name: f"{there[name]} of {every[name]}" for name in there}
    return {} if every == there else {"runs": said}


def require_writable(out: Path) -> None:
    """Make a folder; OptionError if it cannot be written to."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise OptionError(f"--out {out} cannot be written: {error.strerror}") from error


@dataclass(slots=True)
class Exams:
    """The scenes that every run is evaluated on; what is composed is composed once and kept."""

    pack: str
    films: str
    kept: dict[tuple[str, tuple[str, ...]], Exam] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def require(self, names: Sequence[str], experiment: Experiment) -> None:
        """Raise ConfigError if a clip cannot be read, or a split has no scenes for a model.

        Every clip is read once: what is broken is named before anything is trained, not after.
        """
        categories = Task.of(experiment, open_material(experiment)).categories
        for name in names:
            if name.startswith("data:"):
                films = parse_data(name.removeprefix("data:"))
                for index in range(len(films)):
                    films.compose(index)
                continue
            (split,) = parse_splits(name)
            pack = open_pack(self.pack)
            held_out(
                pack if knows_films(categories) else pack.only(categories), split, films=self.films
            )

    def digest(self, name: str) -> str:
        """Return a digest of the names, sizes and times of the files that an exam is made of."""
        if name not in self.digests:
            films = [pack_folder(self.films)] if name in PHOTOGRAPHIC else []
            folders = [pack_folder(self.pack), *films]
            if name.startswith("data:"):
                folders = [parse_data(name.removeprefix("data:")).folder]
            told = [
                (str(path.relative_to(folder)), (found := path.stat()).st_size, found.st_mtime_ns)
                for folder in folders
                for path in sorted(folder.rglob("*"))
                if path.is_file()
            ]
            self.digests[name] = hashlib.sha256(repr(told).encode()).hexdigest()
        return self.digests[name]

    def of(self, name: str, manifest: Manifest) -> Exam:
        """Return a held-out split, or `data:DIR` of filmed clips, for a model."""
        key = (name, manifest.categories)
        if key not in self.kept:
            if name.startswith("data:"):
                # Not kept: a folder may hold more films than memory does.
                return exam_on_films(manifest, parse_data(name.removeprefix("data:")))
            (split,) = parse_splits(name)
            exam = exam_of(manifest, open_pack(self.pack), split, films=self.films)
            self.kept[key] = Exam(_Kept(exam.scenes), exam.grammar, exam.told)
        return self.kept[key]

    def count(self, name: str, scenes: int) -> int:
        """Return on how many scenes to evaluate: of filmed clips on all."""
        return len(parse_data(name.removeprefix("data:"))) if name.startswith("data:") else scenes


class _Kept:
    """Scenes that are composed once."""

    def __init__(self, scenes: Any) -> None:  # noqa: ANN401
        self._scenes, self._made = scenes, dict[int, Scene]()

    def compose(self, index: int) -> Scene:
        if index not in self._made:
            self._made[index] = self._scenes.compose(index)
        return self._made[index]


def evaluated(
    folder: Path, exams: Exams, name: str, control: str, scenes: int, device: torch.device
) -> Mapping[str, float]:
    """Return the scores of a finished run under one sound, from its file if there is one.

    A file of other weights, thresholds, protocols, material or number of scenes is measured again;
    one that tells no material is older, and believed. A model that was not taught which query
    sounds is measured on the union of all.
    """
    manifest = Manifest.read(folder / "checkpoint")
    count = exams.count(name, scenes)
    asked = {
        "weights": manifest.digests[WEIGHTS],
        "thresholds": manifest.thresholds.model_dump(),
        "scenes": count,
        "protocols": list(get_args(Protocol)),
        MATERIAL: exams.digest(name),
    }
    if told_together(manifest):
        asked["regions"] = "union"
    path = folder / "scores" / f"{name.replace('/', '_')}.{control or 'own'}.json"
    if (kept := _kept(path, asked)) is not None:
        return kept
    model, _ = checkpoints.load(folder / "checkpoint")
    predictor = TorchPredictor.of(model.to(device), manifest)
    exam = exams.of(name, manifest)
    if control == DESCRIBED:
        scores = description.score_under_truth(predictor, exam, count, manifest.categories)
    else:
        scores = score(
            predictor, exam.scenes, count, exam.grammar,
            control=control, told=exam.told, categories=manifest.categories,
        )  # fmt: skip
    path.parent.mkdir(exist_ok=True)
    with whole_file(path) as part:
        part.write_text(json.dumps({**asked, "scores": scores}, indent=1) + "\n")
    return scores


def _kept(path: Path, asked: Mapping[str, object]) -> dict[str, float] | None:
    """Return the scores in a file that says what is asked; None if there is none, or no such."""
    try:
        record = json.loads(path.read_text())
        record.setdefault(MATERIAL, asked[MATERIAL])
        told = all(record.get(key) == value for key, value in asked.items())
        return dict(record["scores"]) if told else None
    except (FileNotFoundError, ValueError, AttributeError, KeyError, TypeError):
        return None


Measured = dict[str, dict[str, list[float]]]
"""The rows of a table that are being filled."""


def scores(
    trials: Sequence[Trial], out: Path, exams: Exams, names: Sequence[str], *,
    scenes: int, device: torch.device,
) -> Measured:  # fmt: skip
    """Return every score of finished trials on the exams of these names, under all their sounds.

    One clip alone has no other clip's sound. Scores of what a trial does not train are left out.
    """
    rows: Measured = {}
    pieces = [
        (trial, name, sound)
        for trial in trials
        for name in names
        for sound in trial.sounds
        if sound != "shuffled" or exams.count(name, scenes) > 1
    ]
    with Progress(len(pieces)) as progress:
        for number, (trial, name, control) in enumerate(pieces, start=1):
            found = evaluated(trial.folder(out), exams, name, control, scenes, device)
            row, losses = rows.setdefault(trial.name, {}), trial.experiment.losses
            untrained = OF_SENTENCES if not losses.caption else frozenset()
            untrained |= OF_NAMES if not losses.category else frozenset()
            for key, value in found.items():
                if key in untrained:
                    continue
                row.setdefault(f"{name} {control or 'own'} {key}", []).append(value)
            progress.advance(number, {})
    return rows
