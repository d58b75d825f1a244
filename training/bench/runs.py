"""Runs of an experiment and their evaluations: what is there is taken, what is missing is made.

OUT/<name>-<seed>/                 a run, as `python -m training fit` writes it
OUT/<name>-<seed>/scores/<exam>.json   one evaluation, under one sound
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import torch

from ssuformer.errors import OptionError
from ssuformer.manifest import Manifest
from ssuformer.model import checkpoint as checkpoints
from ssuformer.repository import WEIGHTS
from ssuformer.terminal import console
from ssuformer.whole import whole_file
from training import fit as fitting
from training.bench import description
from training.bench.description import DESCRIBED
from training.data.kinds import parse_data
from training.evaluation import CONTROLS, Exam, exam_of, exam_on_films, score
from training.experiment import Experiment, open_material, open_pack
from training.held_out import parse_splits
from training.joint import started
from training.metrics.masks import Protocol
from training.predictor import TorchPredictor, UnionPredictor
from training.progress import Progress
from training.scene import Scene


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
        fitting.refuse_changes(_experiment(manifest), self.experiment, self.folder(out))
        return manifest.steps >= self.experiment.steps

    def train(self, out: Path, device: torch.device) -> None:
        """Train the run to its end; what is half done goes on."""
        pack = open_material(self.experiment)
        run = fitting.start(self.experiment, pack, self.folder(out), device)
        fitting.fit(run)


def _experiment(manifest: Manifest) -> Experiment:
    return Experiment.model_validate(manifest.training["experiment"])


def finished(
    trials: Sequence[Trial], out: Path, device: torch.device, *, train: bool
) -> list[Trial]:
    """Return the trials whose runs are at their end; with `train`, all are brought there first.

    Raises OptionError if there is none, and for several processes: the first of them saves a run
    after the others have left it.
    """
    if started() > 1:
        raise OptionError(
            "comparing is for one process; runs that are here already may be trained by several, "
            "with torchrun -m training fit"
        )
    done = []
    for trial in trials:
        if train and not trial.finished(out):
            console(errors=True).print(f"training {trial.folder(out)}")
            trial.train(out, device)
        if trial.finished(out):
            done.append(trial)
        else:
            console(errors=True).print(f"left out, not at its end: {trial.folder(out)}")
    if not done:
        raise OptionError(f"{out} has no finished run of this experiment")
    return done


@dataclass(slots=True)
class Exams:
    """The scenes that every run is evaluated on; what is composed is composed once and kept."""

    pack: str
    films: str
    kept: dict[tuple[str, tuple[str, ...]], Exam] = field(default_factory=dict)

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

    A file of other weights, thresholds or protocols, or of another number of scenes, is measured
    again. A model that was not taught which query sounds is measured on the union of all.
    """
    manifest = Manifest.read(folder / "checkpoint")
    count = exams.count(name, scenes)
    apart = _experiment(manifest).losses.sounding > 0
    asked = {
        "weights": manifest.digests[WEIGHTS],
        "thresholds": manifest.thresholds.model_dump(),
        "scenes": count,
        "protocols": list(get_args(Protocol)),
    }
    if not apart:
        asked["regions"] = "union"
    path = folder / "scores" / f"{name.replace('/', '_')}.{control or 'own'}.json"
    if path.exists():
        record = json.loads(path.read_text())
        if all(record.get(key) == value for key, value in asked.items()):
            return dict(record["scores"])
    model, _ = checkpoints.load(folder / "checkpoint")
    kind = TorchPredictor if apart else UnionPredictor
    predictor = kind.of(model.to(device), manifest)
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


Measured = dict[str, dict[str, list[float]]]
"""The rows of a table that are being filled."""


def scores(
    trials: Sequence[Trial], out: Path, exams: Exams, names: Sequence[str], *,
    scenes: int, device: torch.device,
) -> Measured:  # fmt: skip
    """Return every score of finished trials on the exams of these names, under all their sounds."""
    rows: Measured = {}
    pieces = [(t, name, c) for t in trials for name in names for c in t.sounds]
    with Progress(len(pieces)) as progress:
        for number, (trial, name, control) in enumerate(pieces, start=1):
            found = evaluated(trial.folder(out), exams, name, control, scenes, device)
            row = rows.setdefault(trial.name, {})
            for key, value in found.items():
                row.setdefault(f"{name} {control or 'own'} {key}", []).append(value)
            progress.advance(number, {})
    return rows
