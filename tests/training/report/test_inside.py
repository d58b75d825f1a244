"""What is read inside a model is what it does, and leaves it as it was."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from ssuformer.model.attention import Attention
from ssuformer.model.caption import Regions
from ssuformer.model.config import Family
from ssuformer.tokenizer import END
from tests.ssuformer.model.small_model import clips, small_model
from training.report.inside import chosen_experts, expert_names, experts_of, query_maps
from training.scene import Scene

WITH_QUERIES = {"ssuformer", "transavs", "catr", "avesformer"}


def test_weights_are_those_that_an_attention_uses() -> None:
    torch.manual_seed(0)
    attention = Attention(8, 2)
    x, context = torch.randn(3, 4, 8), torch.randn(3, 5, 8)

    weights = attention.weights(x, context)

    _, values = attention.keys_values(context)
    told = attention.out((weights @ values).transpose(1, 2).flatten(2))
    torch.testing.assert_close(told, attention(x, context))
    torch.testing.assert_close(told, attention.few_ask(x, context))


@pytest.mark.parametrize("family", get_args(Family))
def test_every_query_looks_somewhere_in_each_frame_if_the_family_has_queries(
    family: Family,
) -> None:
    model = small_model(family=family).eval()
    frames, waveform = clips(1, 3)
    scene = Scene(frames[0].numpy(), waveform[0].numpy(), ())
    with torch.no_grad():
        before = model(frames, waveform)

    maps = query_maps(model, scene)

    with torch.no_grad():
        after = model(frames, waveform)
    for one, same in zip(before.tensors(), after.tensors(), strict=True):
        torch.testing.assert_close(same, one, rtol=0, atol=0)
    assert (maps is not None) == (family in WITH_QUERIES)
    if maps is not None:
        assert maps.shape[:2] == (3, model.config.queries)
        assert maps.shape[2] == maps.shape[3]
        assert maps.sum(axis=(2, 3)) == pytest.approx(1.0, abs=1e-5)


def test_tokens_are_counted_at_the_experts_they_are_sent_to_until_the_sentence_ends() -> None:
    model = small_model().eval()
    for experts in experts_of(model):
        torch.nn.init.zeros_(experts.router.weight)
        with torch.no_grad():
            experts.router.bias.copy_(torch.tensor([1.0, -1.0, 1.0]))
    regions = Regions(torch.randn(2, 5, 32), torch.randn(2, 32), torch.randn(2, 32))
    ids = torch.zeros(2, 6, dtype=torch.int64)
    ids[0, :3] = torch.tensor([7, 8, END])
    ids[1] = 9

    counts = chosen_experts(model, regions, ids)

    assert counts.tolist() == [[9, 0, 9]] * 2  # three tokens of the first, all six of the other


def test_experts_are_named_by_their_level() -> None:
    one, two = (experts_of(small_model(experts_per_level=n))[0] for n in (1, 2))

    assert expert_names(one) == ["scene", "source", "region"]
    assert expert_names(two)[:3] == ["scene 1", "scene 2", "source 1"]
    assert experts_of(small_model(mohe=False)) == []
