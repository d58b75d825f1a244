"""What the model promises, whatever its weights: shapes, independence, gradients, listening."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from ssuformer.contract import caption_engine, segmentation_engine
from ssuformer.model.caption import Regions
from ssuformer.model.config import PRESETS, preset
from ssuformer.model.experts import LEVELS, WordPrompts
from ssuformer.model.family import build
from ssuformer.model.sound_source_model import Segmented, SoundSourceModel, parameters, union
from ssuformer.tokenizer import BEGIN, END, PAD
from tests.ssuformer.model.small_model import clips, small_config, small_model


def test_the_shapes_are_those_of_the_contract() -> None:
    model, size = small_model().eval(), small_config().dimensions

    with torch.no_grad():
        found = model.segment(*clips(2, 3, size=224))
        tokens = model.regions(found, found.answers[-1].masks.sigmoid())

    shapes = {
        "mask_probability": found.answers[-1].masks.shape,
        "sounding_probability": found.answers[-1].sounding.shape,
        "category_logits": found.answers[-1].categories.shape,
        "region_tokens": tokens.shape,
        "scene_prompt": found.scene.shape,
        "source_prompt": found.source.shape,
    }
    wanted = {tensor.name: tensor.shape(b=2, t=3) for tensor in segmentation_engine(size).outputs}
    assert {name: tuple(shape) for name, shape in shapes.items()} == wanted


def test_sentences_have_the_length_of_the_contract_and_end_once() -> None:
    model, config = small_model().eval(), small_config()
    regions = Regions(
        torch.randn(5, config.region_tokens, 32), torch.randn(5, 32), torch.randn(5, 32)
    )

    ids, scores = model.caption.greedy(regions)

    assert tuple(ids.shape) == caption_engine(config.dimensions).outputs[0].shape(n=5)
    assert (scores <= 0).all()
    for row in ids.tolist():
        assert END not in row or set(row[row.index(END) + 1 :]) <= {PAD}


def test_clips_of_a_batch_do_not_leak_into_each_other() -> None:
    model = small_model().eval()
    frames, waveform = clips(3, 2)

    with torch.no_grad():
        together = model.segment(frames, waveform)
        alone = model.segment(frames[1:2], waveform[1:2])

    torch.testing.assert_close(
        together.answers[-1].masks[1:2], alone.answers[-1].masks, rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(together.source[1:2], alone.source, rtol=1e-4, atol=1e-4)


def test_frames_of_a_clip_do_inform_each_other() -> None:
    model = small_model().eval()
    frames, waveform = clips(1, 3)
    changed = waveform.clone()
    changed[:, 2] = 0.0

    with torch.no_grad():
        before = model.segment(frames, waveform).answers[-1].sounding[:, 0]
        after = model.segment(frames, changed).answers[-1].sounding[:, 0]

    assert (before - after).abs().max() > 1e-6


def test_the_sound_changes_the_masks() -> None:
    model = small_model().eval()
    frames, waveform = clips(1, 2)

    with torch.no_grad():
        loud = union(model.segment(frames, waveform).answers[-1])
        silent = union(model.segment(frames, torch.zeros_like(waveform)).answers[-1])

    assert (loud - silent).abs().max() > 1e-4


def all_outputs(model: SoundSourceModel, found: Segmented) -> torch.Tensor:
    masks = found.answers[-1].masks.sigmoid()
    tokens = model.regions(found, masks)
    scene, source = (
        x[:, :, None].expand(-1, -1, tokens.shape[2], -1).flatten(0, 2)
        for x in (found.scene, found.source)
    )
    regions = Regions(tokens.flatten(0, 2), scene, source)
    words = torch.arange(len(scene))[:, None] + torch.arange(8)  # all experts find some to serve
    logits, balance = model.caption(regions, words % 40)
    parts = [logits, balance, found.heard, found.seen]
    for answer in found.answers:
        parts += [answer.masks, answer.sounding, answer.categories]
    return torch.stack([part.square().mean() for part in parts]).sum()


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"mcm": False},
        {"mohe": False},
        {"prompts": "pyramid"},
        {"prompts": "words"},
        {"vision_details": 3},
        {"gate": "concatenation"},
    ],
    ids=str,
)
def test_a_gradient_reaches_every_parameter(switches: dict[str, int | str]) -> None:
    model = small_model(**switches)
    if "gate" not in switches:
        nn.init.constant_(model.mcm.gate, 0.5)  # zero at first, which blocks what lies behind it

    all_outputs(model, model.segment(*clips(2, 3))).backward()  # type: ignore[no-untyped-call]

    without = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert without <= {"mcm.nothing"}


def test_details_add_levels_to_those_of_the_vision_encoder() -> None:
    plain, detailed = small_model(), small_model(vision_details=3)

    added = parameters(detailed) - parameters(plain)

    assert plain.details is None
    assert detailed.details is not None
    assert added == parameters(detailed.details)
    assert len(detailed.details(torch.zeros(1, 3, 64, 64))) == 3


def test_region_tokens_follow_the_mask_with_mcm_and_ignore_it_without() -> None:
    frames, waveform = clips(1, 1)
    difference = {}

    for mcm in (True, False):
        model = small_model(mcm=mcm).eval()
        with torch.no_grad():
            found = model.segment(frames, waveform)
            left, right = torch.zeros(2, 1, 1, 4, 16, 16)
            left[..., :8], right[..., 8:] = 1.0, 1.0
            change = model.regions(found, left) - model.regions(found, right)
        difference[mcm] = float(change.abs().max())

    assert difference[True] > 0.1
    assert difference[False] == 0.0


def test_region_tokens_are_concatenated_with_what_is_around_or_take_it_in_by_a_gate() -> None:
    frames, waveform = clips(1, 1)
    change = {}

    for gate in ("tanh", "concatenation"):
        model = small_model(gate=gate).eval()
        with torch.no_grad():
            found = model.segment(frames, waveform)
            half = torch.zeros(1, 1, 4, 16, 16)
            half[..., :8] = 1.0
            elsewhere = replace(found, around=torch.randn_like(found.around))
            change[gate] = (model.regions(found, half) - model.regions(elsewhere, half)).abs().max()

    assert change["tanh"] == 0.0  # closed at first
    assert change["concatenation"] > 0.01


def test_an_empty_mask_gives_the_token_of_no_source() -> None:
    model = small_model().eval()
    frames, waveform = clips(1, 1)

    with torch.no_grad():
        found = model.segment(frames, waveform)
        tokens = model.regions(found, torch.zeros(1, 1, 4, 16, 16))

    torch.testing.assert_close(tokens[0, 0, 2], model.mcm.nothing)


def test_prompts_by_pyramid_keep_apart_what_is_pooled_at_each_stride() -> None:
    model = small_model(prompts="pyramid").eval()
    frames, waveform = clips(1, 1)
    changed = []

    with torch.no_grad():
        found = model.segment(frames, waveform)
        masks = torch.ones(1, 1, 4, 16, 16)
        tokens = model.regions(found, masks)
        for number in range(3):
            levels = [x + (number == place) for place, x in enumerate(found.levels)]
            other = model.regions(replace(found, levels=(levels[0], levels[1], levels[2])), masks)
            changed.append((other - tokens).abs().amax(dim=(0, 1, 2, 4))[:3] > 1e-3)

    assert torch.equal(torch.stack(changed), torch.eye(3, dtype=torch.bool))


def test_prompts_of_words_are_chosen_knowing_those_of_the_levels_before() -> None:
    torch.manual_seed(0)
    prompts, words = WordPrompts(8), torch.randn(12, 8)
    levels = torch.randn(1, 3, 8, requires_grad=True)

    told = prompts(levels, words)

    reached = torch.stack(
        [torch.autograd.grad(told[0, n].sum(), levels, retain_graph=True)[0][0] for n in range(3)]
    )
    assert torch.equal(reached.abs().sum(dim=-1) > 0, torch.ones(3, 3).tril().bool())
    assert (told.amax(dim=-1) <= words.max()).all()


@pytest.mark.parametrize("prompts", LEVELS)
def test_greedy_with_its_cache_says_what_full_decoding_says(prompts: str) -> None:
    model, config = small_model(prompts=prompts).eval(), small_config(prompts=prompts)
    torch.manual_seed(3)
    regions = Regions(
        torch.randn(4, config.region_tokens, 32), torch.randn(4, 32), torch.randn(4, 32)
    )

    cached, _ = model.caption.greedy(regions)
    tokens = torch.full((4, 1), BEGIN)
    for _ in range(config.caption_tokens):
        logits, _ = model.caption(regions, tokens)
        tokens = torch.cat([tokens, logits[:, -1:].argmax(-1)], dim=1)

    for fast, slow in zip(cached.tolist(), tokens[:, 1:].tolist(), strict=True):
        length = fast.index(END) + 1 if END in fast else len(fast)
        assert fast[:length] == slow[:length]


def test_tiny_has_at_most_twelve_million_parameters() -> None:
    model = build(preset("tiny", categories=60, vocabulary=1000))

    assert parameters(model) <= 12_000_000


def test_base_takes_a_pvt_from_a_local_folder(tmp_path: Path) -> None:
    from transformers import PvtV2Backbone, PvtV2Config

    sizes = PvtV2Config(
        hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 3, 4],
    )  # fmt: skip
    sizes.out_features = ["stage1", "stage2", "stage3", "stage4"]
    published = PvtV2Backbone(sizes)
    published.save_pretrained(tmp_path)

    model = small_model(vision="pvt_v2", vision_weights=str(tmp_path)).eval()
    with torch.no_grad():
        found = model.segment(*clips(1, 2))

    assert found.answers[-1].masks.shape == (1, 2, 4, 16, 16)
    loaded = dict(model.vision.backbone.named_parameters())  # type: ignore[union-attr]
    assert all(torch.equal(loaded[name], value) for name, value in published.named_parameters())


def test_every_preset_is_complete() -> None:
    assert all(config.preset == name for name, config in PRESETS.items())
