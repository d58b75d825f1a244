"""The two engines as modules with the contract's inputs and outputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssuformer.model.caption import Memory, Regions, Sentences
from ssuformer.model.sound_source_model import SegmentationOutputs, SoundSourceModel


class SegmentationGraph(nn.Module):
    """`ssu_segmentation`: frames and waveform to masks, scores and region tokens."""

    def __init__(self, model: SoundSourceModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, frames: Tensor, waveform: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs in the contract's order."""
        # Cast bytes to floats first: TensorRT supports no other operation on uint8.
        outputs: SegmentationOutputs = self.model(frames.to(torch.float32), waveform)
        return outputs.tensors()


class CaptionGraph(nn.Module):
    """`ssu_caption`: region tokens and prompts to sentences, in one loop inside the graph."""

    def __init__(self, model: SoundSourceModel) -> None:
        super().__init__()
        self.decoder = model.caption

    def forward(
        self, region_tokens: Tensor, scene_prompt: Tensor, source_prompt: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return token ids and their log-probabilities."""
        regions = Regions(region_tokens, scene_prompt, source_prompt)
        memory = self.decoder.remember(regions)

        def unfinished(*state: Tensor) -> Tensor:
            return self.decoder.unfinished(Sentences(*state))

        def advance(*state: Tensor) -> tuple[Tensor, ...]:
            return tuple(self.decoder.advance(Sentences(*state), Memory(*memory)))

        final = Sentences(
            *torch.while_loop(  # type: ignore[no-untyped-call]
                unfinished, advance, tuple(self.decoder.begin(regions))
            )
        )
        return final.ids, final.scores
