"""What a model does inside: which experts its sentences use, where its queries look.

Axes: b clips, t frames, q queries, k heads, m context tokens, y x cells of the picture, n
sentences, l caption tokens, c channels, i caption layers, e experts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ssuformer.model.attention import Attention
from ssuformer.model.caption import Regions
from ssuformer.model.experts import CHOSEN, PromptedExperts
from ssuformer.model.sound_source_model import SoundSourceModel
from ssuformer.regions import Float
from ssuformer.tokenizer import BEGIN, END, PAD
from training.predictor import TorchPredictor
from training.scene import Scene


def experts_of(model: SoundSourceModel) -> list[PromptedExperts]:
    """Return the experts of every caption layer; none if the model has no MoHE."""
    return [part for part in model.caption.modules() if isinstance(part, PromptedExperts)]


def expert_names(experts: PromptedExperts) -> list[str]:
    """Return a name for each expert: that of its level, with a number if a level has several."""
    several = experts.per_level > 1
    return [
        f"{level} {number}" if several else level
        for level in experts.levels
        for number in range(1, experts.per_level + 1)
    ]


class RoutedPredictor(TorchPredictor):
    """A predictor that counts which experts the tokens of its sentences are sent to."""

    def __init__(self, model: SoundSourceModel, **fields: Any) -> None:  # noqa: ANN401
        super().__init__(model, **fields)
        self._experts = experts_of(model)
        self._chosen: list[npt.NDArray[np.int64]] = []

    @torch.no_grad()
    def caption(self, regions: tuple[Float, Float, Float]) -> npt.NDArray[np.int64]:
        """Return the model's token ids `[n l]`; each token up to the sentence's end is counted."""
        ids = super().caption(regions)
        if self._experts:
            device = next(self.model.parameters()).device
            inputs = Regions(*(torch.from_numpy(array).to(device) for array in regions))
            self._chosen.append(chosen_experts(self.model, inputs, torch.from_numpy(ids)))
        return ids

    def take_routes(self) -> npt.NDArray[np.float64] | None:
        """Return `[i e]`, the share of each expert in the choices of a layer; begin again at none.

        None if the model has no experts, or has said nothing.
        """
        counts = sum(self._chosen, np.zeros((), np.int64))
        self._chosen = []
        if not counts.any():
            return None
        shares: npt.NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)
        return shares


@torch.no_grad()
def chosen_experts(model: SoundSourceModel, regions: Regions, ids: Tensor) -> npt.NDArray[np.int64]:
    """Return `[i e]`: how often each layer's router chose each expert for sentences `[n l]`.

    Counted is the input of every token that the model wrote, the end of the sentence included.
    """
    ids = ids.to(regions.tokens.device)
    tokens = torch.cat([torch.full_like(ids[:, :1], BEGIN), ids[:, :-1]], dim=1)
    written = (tokens != PAD) & (tokens != END)
    routers = [experts.router for experts in experts_of(model)]
    with _outputs(routers) as scores:
        model.caption(regions, tokens)
    counts = [
        torch.bincount(
            score.topk(CHOSEN, dim=-1).indices[written].flatten(), minlength=score.shape[-1]
        )
        for score in scores
    ]
    found: npt.NDArray[np.int64] = torch.stack(counts).cpu().numpy()
    return found


@contextmanager
def _outputs(modules: list[nn.Linear]) -> Iterator[list[Tensor]]:
    """Collect what modules return while the block runs."""
    seen: list[Tensor] = []
    hooks = [m.register_forward_hook(lambda _m, _i, output: seen.append(output)) for m in modules]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def query_maps(model: SoundSourceModel, scene: Scene) -> npt.NDArray[np.float32] | None:
    """Return `[t q y x]`: how much each query takes of each cell, mean over heads; sums to 1.

    It is the attention with which queries look at the picture last; None if the family has none.
    """
    attention = model.looking()
    if attention is None:
        return None
    device = next(model.parameters()).device
    with _weights(attention) as seen:
        model.segment(
            torch.from_numpy(scene.frames[None]).to(device),
            torch.from_numpy(scene.waveform[None]).to(device),
        )
    weights = seen[-1].mean(dim=1).float().cpu().numpy()
    h, w = scene.frames.shape[1:3]
    rows = round((weights.shape[-1] * h / w) ** 0.5)
    maps: npt.NDArray[np.float32] = weights.reshape(*weights.shape[:2], rows, -1)
    return maps


@contextmanager
def _weights(attention: Attention) -> Iterator[list[Tensor]]:
    """Collect the weights `[bt k q m]` of an attention, by either way to compute it."""
    seen: list[Tensor] = []
    few_ask = attention.few_ask

    def watched(x: Tensor, context: Tensor) -> Tensor:
        seen.append(attention.weights(x, context))
        return few_ask(x, context)

    hook = attention.register_forward_pre_hook(
        lambda _, given: seen.append(attention.weights(*given))
    )
    attention.few_ask = watched  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        hook.remove()
        del attention.few_ask
