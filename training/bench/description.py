"""How well a model describes sources whose masks it is given: its sentences alone, no masks.

Whatever a model's own masks are, its sentences can be compared with another's: each source that
sounds is matched to a query as in training, and described under its true mask.

Axes: b scenes, t frames, q queries, s sources, h w pixels, y x mask pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ssuformer.model.segmentation import QueryAnswer
from ssuformer.model.sound_source_model import SegmentationOutputs
from ssuformer.regions import Segmentation
from training.batch import MASK_STRIDE, shrink
from training.evaluation import Exam, score
from training.matching import match
from training.predictor import TorchPredictor, as_arrays
from training.scene import Scene

DESCRIBED = "described"
"""Names this evaluation among those under several sounds."""

SCORES = (
    *("fact_accuracy", "where_accuracy", "colour_accuracy", "size_accuracy", "company_accuracy"),
    *("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d", "sentences"),
)


def score_under_truth(
    predictor: TorchPredictor, exam: Exam, count: int, categories: Sequence[str]
) -> dict[str, float]:
    """Return the scores of sentences under true masks; none if the truth has no sentences."""
    if "sentences" not in exam.told:
        return {}
    found = score(
        predictor, exam.scenes, count, exam.grammar, told=exam.told, categories=categories,
        segment=partial(_told, predictor, categories),
    )  # fmt: skip
    return {name: found[name] for name in SCORES if name in found}


@torch.no_grad()
def _told(
    predictor: TorchPredictor,
    categories: Sequence[str],
    scenes: Sequence[Scene],
    waveform: npt.NDArray[np.float32],
) -> list[Segmentation]:
    """Return the model's outputs with the true masks of what sounds in place of its own."""
    model = predictor.model
    device = next(model.parameters()).device
    frames = torch.from_numpy(np.stack([scene.frames for scene in scenes])).to(device)
    found = model.segment(frames, torch.from_numpy(waveform).to(device))
    answer = found.answers[-1]
    masks, sounding = torch.zeros_like(answer.masks), torch.zeros_like(answer.sounding)
    for number, scene in enumerate(scenes):
        _tell(answer, number, scene, categories, masks=masks[number], sounding=sounding[number])
    outputs = SegmentationOutputs(
        mask_probability=masks,
        sounding_probability=sounding,
        category_logits=answer.categories,
        region_tokens=model.regions(found, masks),
        scene_prompt=found.scene,
        source_prompt=found.source,
        heard_probability=found.heard.sigmoid() if model.config.heard else None,
    )
    return as_arrays(outputs)


def _tell(
    answer: QueryAnswer, number: int, scene: Scene, categories: Sequence[str], *,
    masks: Tensor, sounding: Tensor,
) -> None:  # fmt: skip
    """Write the true masks `[t q y x]` and what sounds `[t q]` into the queries of scene `number`.

    A source of a category that the model does not know is left out.
    """
    sources = [s for s in scene.sources if s.sounding.any() and s.category in categories]
    if not sources:
        return
    device = masks.device
    true = torch.from_numpy(np.stack([shrink(s.masks, MASK_STRIDE) for s in sources])).to(device)
    sounds = torch.from_numpy(np.stack([s.sounding for s in sources])).float().to(device)
    names = torch.tensor([categories.index(s.category) for s in sources], device=device)
    queries, rows = match(
        answer.masks[number].flatten(-2), answer.sounding[number], answer.categories[number],
        true.flatten(-2), sounds, names,
    )  # fmt: skip
    for query, row in zip(queries, rows, strict=True):
        masks[:, query] = true[row] * sounds[row, :, None, None]
        sounding[:, query] = sounds[row]
