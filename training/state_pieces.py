"""The state of a run as small files, for machines that take and give back small files only.

    PIECES/state.pt.00, state.pt.01, ...    the state, cut; without weights that nothing trains

Weights that are frozen are those of a published encoder, or of the checkpoint the run began from:
joining takes them from there again, and compares their digest.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from ssuformer.errors import ConfigError
from ssuformer.model import checkpoint
from ssuformer.model.config import ModelConfig
from ssuformer.model.ssuformer import SSUFormer
from ssuformer.terminal import console, told
from training.experiment import Experiment
from training.fit import STATE
from training.pretrained import load_published

LARGEST_MIB = 15
LEFT_OUT = "left_out"
"""The key of a state for the names and the digest of the weights that are not in it."""

State = dict[str, Any]

state_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Cut the state of a run into small files, and join them again.",
)


def split_state(run: Path, out: Path, *, largest_mib: float = LARGEST_MIB) -> list[Path]:
    """Write the state of a run into `out` as files of at most `largest_mib` MiB; return them.

    Raises ConfigError if there is no state, and if `out` holds pieces of another one already.
    """
    state = _read(run / STATE)
    if found := _pieces(out):
        raise ConfigError(f"{out} holds pieces already, as {found[0].name}: choose another folder")
    weights, average = state["model"], state["average"]
    frozen = Experiment.model_validate_json(state["experiment"]).frozen
    names = [n for n in weights if n.startswith(frozen) and torch.equal(weights[n], average[n])]
    state[LEFT_OUT] = {"names": names, "sha256": _digest({n: weights[n] for n in names})}
    for name in names:
        del weights[name], average[name]
    stored = io.BytesIO()
    torch.save(state, stored)
    whole, largest = stored.getbuffer(), int(largest_mib * 2**20)
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for number, start in enumerate(range(0, len(whole), largest)):
        path = out / f"{STATE}.{number:02d}"
        path.write_bytes(whole[start : start + largest])
        written.append(path)
    return written


def join_state(pieces: Path, run: Path, *, base: Path | None = None) -> int:
    """Write the state of a run from its pieces; return its step.

    `base` is the checkpoint the run began from, if it did not begin from published weights. Raises
    ConfigError if a piece is missing, the weights are others, or the run is there already.
    """
    if (run / STATE).exists():
        raise ConfigError(f"{run} contains a run already; choose another folder")
    found = _pieces(pieces)
    if not found:
        raise ConfigError(f"{pieces} contains no {STATE}.00: `python -m training state split`")
    state = _read(pieces / STATE, b"".join(path.read_bytes() for path in found))
    left_out = state.pop(LEFT_OUT)
    weights = _weights(ModelConfig.model_validate_json(state["config"]), base)
    filled = {name: weights[name] for name in left_out["names"]}
    if _digest(filled) != left_out["sha256"]:
        raise ConfigError(
            "the run has other frozen weights; say with --base from which checkpoint it began"
        )
    # In the model's order, as training writes it.
    for part in ("model", "average"):
        state[part] = {name: {**state[part], **filled}[name] for name in weights}
    run.mkdir(parents=True, exist_ok=True)
    torch.save(state, run / STATE)
    return int(state["step"])


def _weights(config: ModelConfig, base: Path | None) -> dict[str, Tensor]:
    if base is not None:
        return checkpoint.load(base)[0].state_dict()
    model = SSUFormer(config)
    load_published(model)
    return model.state_dict()


def _pieces(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{STATE}.[0-9][0-9]"))


def _read(path: Path, stored: bytes | None = None) -> State:
    try:
        source = path if stored is None else io.BytesIO(stored)
        state: State = torch.load(source, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError) as error:
        why = str(error).splitlines()[0]
        raise ConfigError(f"{path} is not a whole state of a run: {why}") from error
    return state


def _digest(weights: dict[str, Tensor]) -> str:
    found = hashlib.sha256()
    for name in sorted(weights):
        found.update(name.encode())
        found.update(weights[name].contiguous().cpu().numpy().tobytes())
    return found.hexdigest()


@state_app.command()
def split(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    out: Annotated[Path, typer.Option(help="Folder for the pieces.")],
    largest: Annotated[float, typer.Option(min=0.001, help="MiB per piece.")] = LARGEST_MIB,
) -> None:
    """Cut the state of a run into small files, without the frozen weights.

    Example: `python -m training state split runs/small --out pieces`
    """
    with told():
        for path in split_state(run, out, largest_mib=largest):
            console().print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")


@state_app.command()
def join(
    pieces: Annotated[Path, typer.Argument(help="A folder of `state split`.")],
    out: Annotated[Path, typer.Option(help="Folder of the run to write.")],
    base: Annotated[
        Path | None,
        typer.Option(help="The checkpoint the run began from, if not from published weights."),
    ] = None,
) -> None:
    """Join the pieces of a state, so that `fit --out` goes on with the run.

    `fit --until 1` then only writes the run's checkpoint.

    Example: `python -m training state join pieces --out runs/small`
    """
    with told():
        step = join_state(pieces, out, base=base)
    console().print(f"{out}: step {step}")
