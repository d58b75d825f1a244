"""Compare three ways of decoding the sentences of the samples' regions.

python -m benchmarks.captioning --regions 10 --regions 40
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
import typer
from torch import Tensor, nn
from torch.export import Dim

from benchmarks.timing import measure, report
from model_export.graph import CaptionGraph, SegmentationGraph
from model_export.to_onnx import OPSET, export
from ssuformer.clip import read_clip
from ssuformer.contract import caption_engine
from ssuformer.manifest import Manifest
from ssuformer.model import checkpoint
from ssuformer.model.caption import Memory, Regions, Sentences
from ssuformer.model.sound_source_model import SoundSourceModel
from ssuformer.regions import Segmentation, find_regions
from ssuformer.tokenizer import BEGIN, END

Array = npt.NDArray[Any]


class Beginning(nn.Module):
    """Prepares decoding for a loop on the host: the memory and an empty cache."""

    def __init__(self, model: SoundSourceModel) -> None:
        super().__init__()
        self.decoder = model.caption

    def forward(self, tokens: Tensor, scene: Tensor, source: Tensor) -> tuple[Tensor, ...]:
        """Return the state of the sentences, then the memory."""
        regions = Regions(tokens, scene, source)
        return (*self.decoder.begin(regions), *self.decoder.remember(regions))


class Step(nn.Module):
    """One step with the cache, for a loop on the host."""

    def __init__(self, model: SoundSourceModel) -> None:
        super().__init__()
        self.decoder = model.caption

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """Return the state after one more token."""
        count = len(Sentences._fields)
        return tuple(self.decoder.advance(Sentences(*given[:count]), Memory(*given[count:])))


class Again(nn.Module):
    """The next token from all tokens so far, without a cache."""

    def __init__(self, model: SoundSourceModel) -> None:
        super().__init__()
        self.decoder = model.caption

    def forward(self, tokens: Tensor, scene: Tensor, source: Tensor, said: Tensor) -> Tensor:
        """Return the most likely next token."""
        logits, _ = self.decoder(Regions(tokens, scene, source), said)
        return logits[:, -1].argmax(dim=-1)


def regions_of(
    model: SoundSourceModel, manifest: Manifest, films: Sequence[Path], count: int
) -> list[Array]:
    """Return tokens, scene and source prompts of `count` regions kept in the films."""
    kept: list[tuple[Array, Array, Array]] = []
    for film in films:
        clip = read_clip(film)
        with torch.inference_mode():
            outputs = SegmentationGraph(model)(
                torch.from_numpy(clip.frames)[None], torch.from_numpy(clip.waveform)[None]
            )
        window = Segmentation(*(output[0].numpy() for output in outputs))
        for frame in find_regions(
            window,
            thresholds=manifest.thresholds,
            min_score=0.0,
            categories=manifest.categories,
        ):
            kept += [
                (
                    window.region_tokens[region.frame, region.query],
                    window.scene_prompt[region.frame],
                    window.source_prompt[region.frame],
                )
                for region in frame
            ]
    return [np.stack([kept[i % len(kept)][part] for i in range(count)]) for part in range(3)]


def session_of(
    graph: nn.Module, inputs: Sequence[Tensor], shared: Sequence[dict[int, Any]], path: Path
) -> onnxruntime.InferenceSession:
    """Export a graph with these dynamic axes and load it on one thread."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    shapes: Any = tuple(shared)
    if isinstance(graph, Step):
        shapes = (shapes,)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.eval(), tuple(inputs), path, dynamo=True, opset_version=OPSET,
            dynamic_shapes=shapes, external_data=False, verbose=False,
        )  # fmt: skip
    return load(path)


def load(path: Path) -> onnxruntime.InferenceSession:
    """Return a session with one thread that does not spin."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options)


def host_loop(
    beginning: onnxruntime.InferenceSession, step: onnxruntime.InferenceSession
) -> Callable[[list[Array]], Array]:
    """Return a decoder that calls the step graph once per token."""
    count = len(Sentences._fields)

    def decode(regions: list[Array]) -> Array:
        everything = beginning.run(None, _named(beginning, regions))
        state, memory = everything[:count], everything[count:]
        while not state[2].all() and state[0] < state[3].shape[1]:
            state = step.run(None, _named(step, [*state, *memory]))
        return state[3]

    return decode


def _named(session: onnxruntime.InferenceSession, arrays: Sequence[Array]) -> dict[str, Array]:
    return dict(zip((i.name for i in session.get_inputs()), arrays, strict=True))


def without_cache(
    session: onnxruntime.InferenceSession, length: int
) -> Callable[[list[Array]], Array]:
    """Return a decoder that reads the whole sentence again at every step."""

    def decode(regions: list[Array]) -> Array:
        said = np.full((len(regions[0]), 1), BEGIN, np.int64)
        done = np.zeros(len(said), np.bool_)
        while not done.all() and said.shape[1] <= length:
            following = session.run(None, _named(session, [*regions, said]))[0]
            following = np.where(done, 0, following)
            said = np.concatenate([said, following[:, None]], axis=1)
            done |= following == END
        return np.pad(said[:, 1:], ((0, 0), (0, length - said.shape[1] + 1)))

    return decode


def decoders(model: SoundSourceModel, manifest: Manifest, folder: Path) -> dict[str, Any]:
    """Return the three decoders, each a function of regions to token ids."""
    spec = caption_engine(manifest.dimensions)
    export(CaptionGraph(model).eval(), spec, folder / "loop.onnx", n=3)
    loop = load(folder / "loop.onnx")
    regions = [torch.randn(t.shape(n=3)) for t in spec.inputs]
    n = Dim.DYNAMIC
    beginning = Beginning(model)
    with torch.no_grad():
        state = beginning(*regions)
    fields = Sentences._fields + Memory._fields
    axes: list[dict[int, Any]] = [
        {} if name == "step" else {1: n} if name in ("keys", "values") else {0: n}
        for name in fields[: len(Sentences._fields)]
    ] + [{1: n}, {1: n}, {0: n}]
    start = session_of(beginning, regions, [{0: n}] * 3, folder / "begin.onnx")
    step = session_of(Step(model), state, axes, folder / "step.onnx")
    said = torch.full((3, 4), BEGIN)
    again = session_of(
        Again(model), [*regions, said], [{0: n}] * 3 + [{0: n, 1: n}], folder / "again.onnx"
    )
    return {
        "loop inside the graph": lambda given: loop.run(["token_ids"], _named(loop, given))[0],
        "loop on the host": host_loop(start, step),
        "decoded again at every step": without_cache(again, manifest.dimensions.caption_tokens),
    }


def main(
    checkpoint_folder: Annotated[Path, typer.Argument()] = Path("training/checkpoints/small"),
    samples: Path = Path("samples"),
    regions: Annotated[list[int] | None, typer.Option(help="Regions decoded together.")] = None,
    runs: int = 20,
) -> None:
    """Time the three ways on one thread, after comparing their sentences."""
    torch.set_num_threads(1)
    model, manifest = checkpoint.load(checkpoint_folder)
    films = sorted(path for path in samples.iterdir() if path.suffix in {".mp4", ".webm"})
    with tempfile.TemporaryDirectory() as folder:
        ways = decoders(model, manifest, Path(folder))
        for count in regions or [10, 40]:
            given = regions_of(model, manifest, films, count)
            ids = [way(given) for way in ways.values()]
            same = all(np.array_equal(ids[0], other) for other in ids[1:])
            words = float((ids[0] != 0).sum(axis=1).mean())
            timings = measure({name: partial(way, given) for name, way in ways.items()}, runs=runs)
            report(f"{count} regions, 1 thread", timings, same_tokens=same, tokens_each=words)


if __name__ == "__main__":
    typer.run(main)
