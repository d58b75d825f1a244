"""Training: from an experiment to a checkpoint; resumes exactly after any interruption."""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.tensorboard import SummaryWriter

from ssuformer.errors import ConfigError
from ssuformer.manifest import Thresholds
from ssuformer.model import checkpoint
from ssuformer.model.config import ModelConfig, preset
from ssuformer.model.draws import Part, take_part
from ssuformer.model.family import build
from ssuformer.model.sound_source_model import SoundSourceModel
from ssuformer.whole import settle
from training.batch import Batch, SceneTensors, batches
from training.evaluation import quick_j
from training.experiment import Experiment
from training.joint import join_norms, processes, share, started, total
from training.joint import world as processes_now
from training.losses import TrainingLoss
from training.optimizers import optimizers
from training.origin import Origin
from training.packs.pack import AssetPack
from training.predictor import TorchPredictor
from training.pretrained import load_published
from training.progress import Progress
from training.recompute import recompute_blocks
from training.saving import BEST, STATE, digest_of_frozen, write
from training.task import Task

Precision = Literal["auto", "float32", "bfloat16"]
"""Precision of the model; `auto` is bfloat16 where the device supports it in hardware."""

MAY_CHANGE = frozenset(
    {"accumulate", "checkpoint_minutes", "recompute", "validation_scenes", "workers"}
)
"""Fields of an experiment that may change on resume, as they do not affect the weights.

`accumulate` does where there is BatchNorm: of what is computed at once."""


@dataclass(slots=True)
class Run:
    """The state of a training run: weights, optimizers, progress."""

    experiment: Experiment
    task: Task
    folder: Path
    device: torch.device
    config: ModelConfig
    model: SoundSourceModel
    optimizers: tuple[torch.optim.Optimizer, ...]
    average: dict[str, Tensor]
    origin: Origin
    bfloat16: bool = False
    """Whether the model computes in bfloat16; losses and weights are float32 either way."""
    step: int = 0
    best: float = -1.0
    """The highest J on validation scenes so far."""
    losses: dict[str, float] = field(default_factory=dict)

    @property
    def checkpoint(self) -> Path:
        """Return the checkpoint folder of the averaged weights."""
        return self.folder / "checkpoint"


def open_device(name: str) -> torch.device:
    """Return the device of this name; raise ConfigError if it is unknown or not available."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).splitlines()[0]
        raise ConfigError(f"device {name!r} cannot be used here: {why}", actual=name) from error
    return device


def start(
    experiment: Experiment,
    pack: AssetPack | None,
    folder: Path,
    device: torch.device,
    begin: Path | None = None,
    *,
    precision: Precision = "auto",
) -> Run:
    """Return the run saved in `folder`, or a new one, with the weights of `begin`.

    A new run without `begin` has the published weights of its encoders, unless the experiment says
    otherwise: then all weights are random. What is frozen is not saved: going on needs it again.
    """
    torch.manual_seed(experiment.seed)
    task = Task.of(experiment, pack)
    config = _config(experiment, task)
    model = build(config)
    if begin is not None:
        model.load_state_dict(checkpoint.load(begin)[0].state_dict())
    elif experiment.published and (experiment.frozen or not (folder / STATE).exists()):
        load_published(model)
    _place(model, device)
    _freeze(model, experiment.frozen)
    if experiment.recompute:
        recompute_blocks(model.vision)
    run = Run(
        experiment=experiment,
        task=task,
        folder=folder,
        device=device,
        config=config,
        model=model,
        optimizers=optimizers(
            model,
            learning_rate=experiment.learning_rate,
            weight_decay=experiment.weight_decay,
            pretrained=experiment.pretrained,
            pretrained_rate=experiment.pretrained_rate,
            muon=experiment.optimizer == "muon",
        ),
        average={name: tensor.clone() for name, tensor in model.state_dict().items()},
        origin=Origin.of(experiment, model, begin),
        bfloat16=precision == "bfloat16" or (precision == "auto" and _fast_bfloat16(device)),
    )
    # A split that is missing is named now, not when the run is first saved.
    task.scenes(experiment.stages[-1], "val")
    for kept in (run.checkpoint, folder / BEST):
        settle(kept)
    if (folder / STATE).exists():
        _resume(run)
    return run


def _config(experiment: Experiment, task: Task) -> ModelConfig:
    random = {} if experiment.published else {"vision_weights": None}
    return preset(
        experiment.preset,
        categories=len(task.categories),
        vocabulary=len(task.tokenizer.vocabulary),
        **{**task.ties, **experiment.model, **random},
    )


def _place(model: SoundSourceModel, device: torch.device) -> SoundSourceModel:
    """Return the model on a device, its weights with channels last: the faster order on a CPU."""
    return model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _freeze(model: SoundSourceModel, frozen: tuple[str, ...]) -> None:
    if not frozen:
        return
    for name, weight in model.named_parameters():
        if name.startswith(frozen):
            weight.requires_grad = False


def _train_mode(model: SoundSourceModel, frozen: tuple[str, ...]) -> None:
    """Set the model to training, but what is frozen keeps its running statistics."""
    model.train()
    for name, module in model.named_modules():
        if frozen and f"{name}.".startswith(frozen):
            module.eval()


def _resume(run: Run) -> None:
    try:
        state = torch.load(run.folder / STATE, map_location=run.device, weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise ConfigError(
            f"{run.folder / STATE} is damaged, so that this run cannot go on; without this file it "
            "begins anew"
        ) from error
    if ModelConfig.model_validate_json(state["config"]) != run.config:
        raise ConfigError(f"{run.folder} contains a run of another model; choose another --out")
    refuse_changes(Experiment.model_validate_json(state["experiment"]), run.experiment, run.folder)
    frozen = digest_of_frozen(run)
    if state.get("frozen", frozen) != frozen:
        raise ConfigError(
            f"{run.folder} contains a run with other frozen weights: say with --begin from which "
            "checkpoint it began"
        )
    run.model.load_state_dict({**run.model.state_dict(), **state["model"]})
    for optimizer, learnt in zip(run.optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(learnt)
    run.average |= state["average"]
    run.step = state["step"]
    # A run that an older version saved does not tell these.
    run.best = state.get("best", run.best)
    if "origin" in state:
        began = Origin.model_validate_json(state["origin"])
        if began.material != run.origin.material:
            raise ConfigError(
                f"{run.folder} contains a run on other material; choose another --out"
            )
        run.origin = began.model_copy(update={"experiment": run.experiment})


def refuse_changes(before: Experiment, now: Experiment, folder: Path) -> None:
    """Raise ConfigError if a field that affects the weights has changed since the run began."""
    for name in Experiment.model_fields.keys() - MAY_CHANGE:
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            raise ConfigError(
                f"{folder} contains a run with {name} = {old}, the experiment says {new}; "
                "choose another --out, or begin a new run from its weights with --begin",
                limit=str(old),
                actual=str(new),
            )


def save(run: Run) -> float:
    """Write the training state, and the averaged weights as a checkpoint; return their J.

    `best` is the checkpoint with the highest J so far. Raises ConfigError if it cannot be written;
    what was saved before is then still there.
    """
    j = validate(run)
    write(run, j)
    return j


@contextmanager
def _denormals_flushed() -> Iterator[None]:
    """Flush denormal numbers to 0 in this process, for the duration of the block.

    Otherwise Adam's square root of vanishing moments takes ten times a whole step on a CPU.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def fit(run: Run, *, until: int | None = None, minutes: float | None = None) -> None:
    """Train to the end of the schedule, saving every few minutes.

    Stops earlier, with all saved, at step `until` or after the first step that ends `minutes` from
    now. Raises ConfigError for `minutes` on several processes: they would stop at different steps.
    """
    experiment = run.experiment
    last = min(until or experiment.steps, experiment.steps)
    end = _end(minutes, started())
    with processes(run.device) as (rank, world):
        _fit(run, last, end, chief=rank == 0, loss=_objective(run, world))


def _objective(run: Run, world: int) -> nn.Module:
    loss: nn.Module = TrainingLoss(run.model, run.experiment.losses)
    if world == 1:
        return loss
    join_norms(run.model)
    # Buffers are equal already. Which parameters are used depends on what the batch shows.
    return DistributedDataParallel(loss, broadcast_buffers=False, find_unused_parameters=True)


def _fit(run: Run, last: int, end: float, *, chief: bool, loss: nn.Module) -> None:
    experiment = run.experiment
    saved = time.monotonic()
    with _denormals_flushed(), Progress(last, run.step, shown=chief) as progress:
        board = SummaryWriter(str(run.folder / "tensorboard")) if chief else None
        for batch in _batches(run, last, end=end):
            losses = train_step(run, loss, *batch)
            progress.advance(run.step, losses)
            if board and run.step % 10 == 0:
                for name, value in losses.items():
                    board.add_scalar(f"loss/{name}", value, run.step)
            if board and time.monotonic() - saved > 60 * experiment.checkpoint_minutes:
                progress.say(f"step {run.step}: J on val scenes {_saved(run, board):.3f}")
                progress.say(f"saved in {run.checkpoint}")
                saved = time.monotonic()
        if board:
            _saved(run, board)
            board.close()
            progress.say(f"step {run.step} of {experiment.steps}: saved in {run.checkpoint}")


def _saved(run: Run, board: SummaryWriter) -> float:
    """Save the run, and write J on validation scenes beside the losses; return it."""
    j = save(run)
    board.add_scalar("val/j", j, run.step)
    return j


def _end(minutes: float | None, world: int) -> float:
    """Return the time of `time.monotonic` at which to stop; `world` counts the processes."""
    if minutes is None:
        return math.inf
    if world > 1:
        raise ConfigError("a limit in minutes is for one process; give several a last step")
    return time.monotonic() + 60 * minutes


def _batches(run: Run, last: int, *, end: float) -> Iterator[tuple[Batch, ...]]:
    """Yield the parts that are this process's of the batches of all stages, from the run's step on.

    Scenes of a batch depend on its step alone, not on how many processes there are. None comes
    after the time `end`, but for the first.
    """
    (rank, world), each = processes_now(), run.experiment.accumulate
    parts = world * each
    while run.step < last:
        stage, first_step, first_scene = run.experiment.stage_at(run.step)
        steps = min(first_step + stage.steps, last) - run.step
        scenes = SceneTensors(
            run.task.scenes(stage, "train"),
            run.task.categories,
            run.task.tokenizer,
            run.config.caption_tokens,
            run.config.looks,
        )
        if stage.batch % parts:
            raise ConfigError(
                f"a batch of {stage.batch} is no multiple of {world} processes x {each} parts",
                limit=parts,
                actual=stage.batch,
            )
        loader = batches(
            scenes, first=first_scene + (run.step - first_step) * stage.batch, steps=steps,
            size=stage.batch // parts, workers=run.experiment.workers,
            parts=parts, own=range(rank, parts, world),
        )  # fmt: skip
        for batch in zip(*[iter(loader)] * each, strict=True):
            yield batch
            if time.monotonic() >= end:
                return


def train_step(run: Run, loss: nn.Module, *parts: Batch) -> dict[str, float]:
    """Take one optimizer step on a batch, given in parts of one size, and return its losses."""
    experiment = run.experiment
    for group in (group for optimizer in run.optimizers for group in optimizer.param_groups):
        group["lr"] = experiment.rate_at(run.step) * group.get("rate_share", 1.0)
    truth_share = max(experiment.least_truth_share, 1.0 - run.step / (0.7 * experiment.steps))
    _train_mode(run.model, experiment.frozen)
    for optimizer in run.optimizers:
        optimizer.zero_grad(set_to_none=True)
    losses = _backward(run, loss, [part.to(run.device) for part in parts], truth_share)
    nn.utils.clip_grad_norm_(run.model.parameters(), experiment.clip_norm)
    for optimizer in run.optimizers:
        optimizer.step()
    run.step += 1
    _average(run)
    return losses


def _backward(
    run: Run, loss: nn.Module, parts: list[Batch], truth_share: float
) -> dict[str, float]:
    """Add up the gradients of a batch, over its parts and all processes; return its losses."""
    seed = run.experiment.seed * 1_000_003 + run.step
    (rank, world), sums = processes_now(), dict[str, Tensor]()
    every = share(parts, truth_share=truth_share, seed=seed)
    for number, (part, shares) in enumerate(zip(parts, every, strict=True)):
        torch.manual_seed(seed)
        take_part(run.model, Part(number * world + rank, shares.parts))
        more = number + 1 < len(parts)
        with (
            loss.no_sync() if more and isinstance(loss, DistributedDataParallel) else nullcontext()
        ):
            with torch.autocast(run.device.type, torch.bfloat16, enabled=run.bfloat16):
                losses = loss(part, shares, run.step / run.experiment.steps)
            # Gradients of processes are averaged, those of the parts of a batch added.
            (losses["total"] * world).backward()
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + value.detach()
    whole = total(torch.stack(list(sums.values())))
    return dict(zip(sums, whole.tolist(), strict=True))


def _fast_bfloat16(device: torch.device) -> bool:
    """Return whether bfloat16 is supported in hardware; otherwise it is slower than float32."""
    if device.type == "cpu":
        return bool(torch.cpu.get_capabilities().get("avx512_bf16"))
    return device.type == "cuda" and torch.cuda.is_bf16_supported()


def _average(run: Run) -> None:
    keep = min(run.experiment.average, (1 + run.step) / (10 + run.step))
    for name, tensor in run.model.state_dict().items():
        if tensor.is_floating_point():
            run.average[name].lerp_(tensor, 1.0 - keep)
        else:
            run.average[name].copy_(tensor)


def validate(run: Run) -> float:
    """Return J on a few validation scenes, the same at every step, with the averaged weights."""
    model = _place(build(run.config), run.device)
    model.load_state_dict(run.average)
    scenes = run.task.scenes(run.experiment.stages[-1], "val")
    predictor = TorchPredictor(
        model,
        categories=run.task.categories,
        tokenizer=run.task.tokenizer,
        thresholds=Thresholds(),
        together=run.experiment.losses.sounding == 0,
    )
    return quick_j(predictor, scenes, run.experiment.validation_scenes)
