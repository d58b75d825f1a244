"""`python -m training`: fit, evaluate, render scenes, and build asset packs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from rich.progress import track

from ssuformer.errors import OptionError
from ssuformer.manifest import Manifest
from ssuformer.terminal import console, replace_unknown_letters, told
from training import evaluation as evaluations
from training import experiment as experiments
from training import fit as fitting
from training.bench.ablate import ablate
from training.bench.compare import compare
from training.data.command import data_app
from training.data.kinds import parse_data, recognised
from training.data.names import knows_films
from training.held_out import HELD_OUT, parse_splits, photographic
from training.packs.command import pack_app
from training.report.command import report
from training.saving import held
from training.scenes.clips import write_clips
from training.scenes.composer import Composer
from training.scenes.samples import SAMPLES, list_samples, render_sample
from training.score_table import as_csv, tables

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")
app.add_typer(pack_app, name="pack")
app.add_typer(data_app, name="data")
app.command()(compare)
app.command()(ablate)
app.command()(report)

Device = Annotated[str, typer.Option(help="`cpu`, `cuda`, `cuda:1`, ...")]
Form = Literal["table", "json", "csv"]
Films = Annotated[str, typer.Option(help="Pack of film material, for film-like scenes.")]
Pack = Annotated[str, typer.Option(help="An asset pack: a folder, or a name in the cache.")]


@app.callback()
def main() -> None:
    """Train and evaluate SSUFormer, and build its training data."""


@app.command()
def fit(
    config: Annotated[Path, typer.Argument(help="An experiment file, as in training/configs.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; an existing run is resumed.")],
    device: Device = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 means all cores.")] = 0,
    until: Annotated[int | None, typer.Option(help="Stop at this step.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop after this time, with all saved.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes that compose scenes; the default is the experiment's."),
    ] = None,
    begin: Annotated[
        Path | None, typer.Option(help="Checkpoint with the initial weights of a new run.")
    ] = None,
    precision: Annotated[
        fitting.Precision,
        typer.Option(help="Precision of the model; `auto`: bfloat16 where hardware has it."),
    ] = "auto",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Change a field of the experiment."),
    ] = None,
) -> None:
    """Train a model, or resume a stopped run.

    OUT/checkpoint is the newest, OUT/best the one with the highest J on validation scenes. Their
    manifests say under `training` all that the weights come from (`training/origin.py`).

    Examples:

    `python -m training fit training/configs/tiny.toml --out runs/tiny`

    `python -m training fit CONFIG --out runs/small --device cuda --minutes 9 --workers 16`

    `torchrun --nproc-per-node 4 -m training fit CONFIG --out runs/base --device cuda`

    `python -m training fit training/configs/family.toml --out runs/catr --set model.family=catr`
    """
    if threads:
        torch.set_num_threads(threads)
    with told():
        experiment = experiments.read(config, changes or ())
        if workers is not None:
            experiment = experiment.model_copy(update={"workers": workers})
        pack = experiments.open_material(experiment)
        place = fitting.open_device(device)
        with held(out):
            run = fitting.start(experiment, pack, out, place, begin, precision=precision)
            fitting.fit(run, until=until, minutes=minutes)


@app.command()
def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint folder.")],
    pack: Pack = "debian",
    data: Annotated[
        str,
        typer.Option(
            help="Filmed clips instead of composed scenes: `DIR` or `DIR:split`; without a split, "
            "`test` if there is one. What the folder holds is recognised.",
        ),
    ] = "",
    scenes: Annotated[
        int | None,
        typer.Option(min=2, help="Scenes per split; the default is 500, all of filmed clips."),
    ] = None,
    splits: Annotated[
        str,
        typer.Option(
            help="Which splits, separated by commas; `photographic` and `photographic-val` too."
        ),
    ] = ",".join(HELD_OUT),
    backgrounds: Annotated[
        Path | None,
        typer.Option(
            help="Folder of photographs behind the scenes of `collage`; without one, simple "
            "pictures are computed."
        ),
    ] = None,
    films: Films = "films",
    calibrate: Annotated[
        int,
        typer.Option(
            help="Choose thresholds on this many scenes of `val` first, `photographic-val` for a "
            "model of film categories; 0 keeps them."
        ),
    ] = 0,
    device: Device = "cpu",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print the scores as CSV.")] = False,
) -> None:
    """Evaluate a checkpoint on held-out scenes and write the scores into its manifest.

    Every split is evaluated with its own audio, with another scene's, and with silence. The split
    `collage` has the material of `test` in scenes of a second composer, which lays out, blends and
    mixes in other ways than the one that training uses; `photographic` and `photographic-val` are
    film-like scenes of held-out photographs and recordings. Filmed clips get the scores that their
    truth allows (training/data/README.md). For a model of film categories, training/film_truth.py
    says what its names and sentences are compared with.

    Examples:

    `python -m training evaluate training/checkpoints/tiny --scenes 500`

    `python -m training evaluate runs/tiny/checkpoint --calibrate 200 --csv > scores.csv`

    `python -m training evaluate runs/tiny/checkpoint --splits collage --backgrounds photographs`

    `python -m training evaluate runs/small/checkpoint --splits test,photographic`

    `python -m training evaluate training/checkpoints/tiny --data samples`

    `python -m training evaluate runs/base/checkpoint --data ~/AVSBench/Multi-sources:val`
    """
    with told():
        if data:
            metrics = _evaluate_films(checkpoint, data, scenes, calibrate, device)
        else:
            metrics = evaluations.evaluate(
                checkpoint, pack, parse_splits(splits), scenes or 500, calibrate=calibrate,
                device=fitting.open_device(device), backgrounds=backgrounds, films=films,
            )  # fmt: skip
    _print_scores(metrics, form="json" if as_json else "csv" if csv else "table")


def _evaluate_films(
    checkpoint: Path, data: str, count: int | None, calibrate: int, device: str
) -> dict[str, dict[str, float]]:
    """Evaluate on filmed clips, and say on standard error what the folder was recognised as."""
    if calibrate:
        raise OptionError("--calibrate chooses thresholds on composed scenes, not with --data")
    films = parse_data(data)
    split = films.splits[0] if len(films.splits) == 1 else "every split"
    console(errors=True).print(recognised(films), soft_wrap=True, markup=False)
    return evaluations.evaluate_films(
        checkpoint, films, count,
        name=f"{films.folder.resolve().name}:{split}", device=fitting.open_device(device),
    )  # fmt: skip


def _print_scores(metrics: dict[str, dict[str, float]], *, form: Form) -> None:
    if form == "json":
        typer.echo(json.dumps(metrics, indent=1))
    elif form == "csv":
        typer.echo(as_csv(metrics), nl=False)
    else:
        for table in tables(metrics):
            console().print(table)


@app.command()
def render(
    out: Annotated[Path, typer.Option(help="Folder for the films and ground truth.")] = Path("out"),
    checkpoint: Annotated[
        Path | None, typer.Option(help="Only categories that this checkpoint knows.")
    ] = None,
    pack: Pack = "debian",
) -> None:
    """Render held-out scenes as films, with their ground truth beside them.

    Only material under permissive licences is used, so the films may be redistributed.

    Example: `python -m training render --out samples --checkpoint training/checkpoints/tiny`
    """
    with told():
        names = Manifest.read(checkpoint).categories if checkpoint else ()
        free = experiments.open_pack(pack, names, licences="free")
        truths = []
        for sample in track(SAMPLES, "rendering", console=console()):
            truths.append(render_sample(sample, free, out))
            console().print(str(out / sample.name))
        list_samples(truths, out)


@app.command()
def clips(
    out: Annotated[Path, typer.Argument(help="The .npz file to write.")],
    checkpoint: Annotated[Path, typer.Option(help="Checkpoint with the categories to use.")] = Path(
        "training/checkpoints/small"
    ),
    scenes: Annotated[int, typer.Option(min=2, help="Number of scenes.")] = 48,
    pack: Pack = "debian",
    films: Films = "films",
) -> None:
    """Write scenes of the training split as engine inputs, for calibrating quantisation.

    Scenes are composed of the checkpoint's categories, or film-like if those are of films.

    Example: `python -m training clips clips.npz --scenes 48`
    """
    with told():
        names = Manifest.read(checkpoint).categories
        of_films = knows_films(names)
        opened = experiments.open_pack(pack, () if of_films else names)
        source = photographic(opened, films, "train") if of_films else Composer(opened, "train")
        numbers = track(range(scenes), "composing", console=console())
        write_clips(out, map(source.compose, numbers))


if __name__ == "__main__":
    replace_unknown_letters()
    app()
