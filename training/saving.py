"""What a run writes: its state, to go on from, and its checkpoints; always whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from torch import Tensor

from ssuformer.errors import ConfigError, OptionError
from ssuformer.manifest import Manifest
from ssuformer.model import checkpoint
from ssuformer.model.sound_source_model import parameters
from ssuformer.whole import whole_file
from training.joint import first_of_started

if TYPE_CHECKING:
    from training.fit import Run

STATE, BEST = "state.pt", "best"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make the folder of a run and keep it for this command; OptionError if another one trains it.

    Of several processes the first one holds it. ConfigError if the folder cannot be made.
    """
    if not first_of_started():
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}") from error
    try:
        # A file system without locks keeps nobody out.
        with suppress(OSError):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise OptionError(
                    f"another process trains {folder}: wait until it is at its end"
                ) from error
        yield
    finally:
        os.close(handle)


def write(run: Run, j: float) -> None:
    """Write the training state and checkpoints of weights with this J on validation scenes.

    Raises ConfigError if there is no room, or no right to; what was there before stays.
    """
    try:
        _write(run, j)
    except (OSError, RuntimeError, SafetensorError) as error:
        why = str(error).splitlines()[0]
        raise ConfigError(
            f"{run.folder} cannot be written: {why}. What was saved before is still there, "
            "and the same command goes on from it"
        ) from error


def _write(run: Run, j: float) -> None:
    folders = [run.checkpoint, run.folder / BEST] if j > run.best else [run.checkpoint]
    run.best = max(j, run.best)
    for folder in folders:
        checkpoint.save(folder, run.config, run.average, _manifest(run))
    state = {
        "config": run.config.model_dump_json(),
        "experiment": run.experiment.model_dump_json(),
        "frozen": digest_of_frozen(run),
        "model": _learnt(run, run.model.state_dict()),
        "optimizers": [optimizer.state_dict() for optimizer in run.optimizers],
        "average": _learnt(run, run.average),
        "step": run.step,
        "best": run.best,
        "origin": run.origin.model_dump_json(),
    }
    with whole_file(run.folder / STATE) as part, part.open("wb") as file:
        torch.save(state, file)


def digest_of_frozen(run: Run) -> str:
    """Return the SHA-256 of the weights that are not trained."""
    found = hashlib.sha256()
    for name, weight in run.model.state_dict().items():
        if name.startswith(run.experiment.frozen):
            found.update(weight.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def _learnt(run: Run, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    frozen = run.experiment.frozen
    return {name: weight for name, weight in weights.items() if not name.startswith(frozen)}


def _manifest(run: Run) -> Manifest:
    now = datetime.now(UTC).replace(microsecond=0)
    return Manifest(
        name=f"{run.config.family}-{run.experiment.name}",
        version=now.strftime("%Y.%m.%d"),
        author=_git("config", "user.name"),
        created=now,
        git_revision=_git("rev-parse", "--short=12", "HEAD"),
        data_seed=run.experiment.seed,
        steps=run.step,
        parameters=parameters(run.model),
        dimensions=run.config.dimensions,
        categories=run.task.categories,
        nouns=tuple(word.noun for word in run.task.words),
        verbs=tuple(word.verb for word in run.task.words),
        generic=run.task.generic,
        vocabulary=run.task.tokenizer.vocabulary,
        training=run.origin.model_dump(mode="json"),
    )


def _git(*question: str) -> str:
    """Return git's output about this code, `unknown` outside a checkout."""
    with suppress(OSError, subprocess.CalledProcessError):
        here = Path(__file__).parent
        answer = subprocess.run(
            ["git", *question], cwd=here, capture_output=True, text=True, check=True
        )
        return answer.stdout.strip()
    return "unknown"
