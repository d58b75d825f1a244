"""What every family promises, whatever its weights, and what each is known for."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import nn

from ssuformer.contract import caption_engine, segmentation_engine
from ssuformer.model.attention import Attention
from ssuformer.model.caption import Regions
from ssuformer.model.config import Family
from ssuformer.model.efficientnet import WIDTHS
from ssuformer.model.family import FAMILY
from ssuformer.model.family.avesformer import PromptQueryGenerator
from ssuformer.model.family.catr import DecoupledBlock
from ssuformer.model.family.pcmanet import CosineGate, open_pixels
from ssuformer.model.family.tpavi import AudioVisualAttention, DilatedConvolutions, attended
from ssuformer.model.family.transavs import MaskGeneration, assigned
from ssuformer.model.sound_source_model import Segmented, SoundSourceModel, union
from tests.ssuformer.model.small_model import clips, small_config, small_model

FAMILIES = get_args(Family)
ACROSS_TIME = {"ssuformer", "tpavi", "catr"}
"""Families in which a second knows of the others."""

ENCODERS: dict[str, dict[str, object]] = {
    "small": {
        "vision": "efficientnet_lite0",
        "vision_widths": WIDTHS,
        "vision_details": 3,
        "audio": "yamnet",
        "loudness": True,
        "dropout": 0.15,
        "audio_classes": ((0, 1), (2,), (), (3,), (), (4,)),
        "image_classes": ((10, 11), (), (12,), (13,), (), ()),
    },
    "base": {"vision": "pvt_v2", "vision_widths": (8, 16, 40, 64), "audio": "vggish"},
}
"""As the presets have them; those of `tiny` are in all tests here."""

every_family = pytest.mark.parametrize("family", FAMILIES)


def awake(family: str, **changes: object) -> SoundSourceModel:
    """Return a model without the zeros at the start that block what lies behind them."""
    model = small_model(family=family, **changes)
    nn.init.constant_(model.mcm.gate, 0.5)
    for module in model.modules():
        if isinstance(module, AudioVisualAttention):
            nn.init.constant_(module.begin.weight, 0.5)
    return model


def test_the_switch_names_every_family_once() -> None:
    assert tuple(FAMILY) == FAMILIES
    assert all(type(small_model(family=name)) is FAMILY[name] for name in FAMILIES)


@every_family
def test_the_outputs_are_those_of_the_contract_and_sentences_are_said(family: str) -> None:
    model, size = awake(family, heard=True).eval(), small_config(heard=True).dimensions

    with torch.no_grad():
        outputs = model(*clips(1, 2, size=224))
        regions = Regions(
            outputs.region_tokens[0].flatten(0, 1),
            outputs.scene_prompt[0].repeat_interleave(4, dim=0),
            outputs.source_prompt[0].repeat_interleave(4, dim=0),
        )
        ids, _ = model.caption.greedy(regions)

    wanted = [tensor.shape(b=1, t=2) for tensor in segmentation_engine(size).outputs]
    assert [tuple(tensor.shape) for tensor in outputs.tensors()] == wanted
    assert tuple(ids.shape) == caption_engine(size).outputs[0].shape(n=8)


@every_family
def test_the_sound_changes_the_masks_and_what_sounds(family: str) -> None:
    model = awake(family).eval()
    frames, waveform = clips(1, 2)

    with torch.no_grad():
        loud = model.segment(frames, waveform).answers[-1]
        silent = model.segment(frames, torch.zeros_like(waveform)).answers[-1]

    assert (loud.masks - silent.masks).abs().max() > 1e-4
    assert (loud.sounding - silent.sounding).abs().max() > 1e-4
    assert (union(loud) - union(silent)).abs().max() > 1e-4


@every_family
def test_clips_of_a_batch_do_not_leak_and_seconds_do_where_the_family_says_so(family: str) -> None:
    model = awake(family).eval()
    frames, waveform = clips(2, 3)
    waveform[1] = 0.3 * waveform[0]
    changed = waveform[:1].clone()
    changed[:, 2] = 0.0

    with torch.no_grad():
        together = model.segment(frames, waveform)
        alone = model.segment(frames[:1], waveform[:1])
        other = model.segment(frames[:1], changed)

    first = together.answers[-1].masks[:1]
    torch.testing.assert_close(first, alone.answers[-1].masks, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(together.source[:1], alone.source, rtol=1e-4, atol=1e-4)
    moved = (alone.answers[-1].masks - other.answers[-1].masks)[:, 0].abs().max()
    assert (moved > 1e-6) == (family in ACROSS_TIME)


@every_family
def test_a_gradient_reaches_every_parameter(family: str) -> None:
    model = awake(family)

    everything(model, model.segment(*clips(2, 3))).backward()  # type: ignore[no-untyped-call]

    without = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert without <= {"mcm.nothing"}


@pytest.mark.parametrize("encoders", ENCODERS)
@every_family
def test_a_family_stands_on_the_encoders_of_every_preset(family: str, encoders: str) -> None:
    model = awake(family, **ENCODERS[encoders]).eval()

    with torch.no_grad():
        found = model.segment(*clips(1, 2))
        tokens = model.regions(found, found.answers[-1].masks.sigmoid())

    assert (model.evidence is None) == (encoders == "base")
    assert tuple(found.answers[-1].masks.shape) == (1, 2, 4, 16, 16)
    assert tuple(tokens.shape) == (1, 2, 4, 5, 32)
    assert torch.isfinite(tokens).all()


def everything(model: SoundSourceModel, found: Segmented) -> torch.Tensor:
    """Return a number that depends on all that is trained."""
    tokens = model.regions(found, found.answers[-1].masks.sigmoid())
    scene, source = (
        x[:, :, None].expand(-1, -1, tokens.shape[2], -1).flatten(0, 2)
        for x in (found.scene, found.source)
    )
    words = torch.arange(len(scene))[:, None] + torch.arange(8)  # all experts find some to serve
    logits, balance = model.caption(Regions(tokens.flatten(0, 2), scene, source), words % 40)
    parts = [logits, balance, found.heard, found.seen, found.apart]
    for answer in found.answers:
        parts += [answer.masks, answer.sounding, answer.categories]
    return torch.stack([part.square().mean() for part in parts]).sum()


def test_tpavi_attends_exactly_as_the_map_of_all_pixels_with_all_pixels() -> None:
    b, t, n, e = 2, 3, 10, 8
    theta, g, phi = torch.randn(b, t, n, e), torch.randn(b, t, n, e), torch.randn(b, t, e)

    factored = attended(theta, phi, g)

    keys = phi.repeat_interleave(n, dim=1)
    similarity = theta.flatten(1, 2) @ keys.mT / (t * n)
    torch.testing.assert_close(factored.flatten(1, 2), similarity @ g.flatten(1, 2))


def test_gradients_of_tpavis_dilated_convolutions_are_numbers_with_channels_last() -> None:
    torch.manual_seed(0)
    convolutions = DilatedConvolutions(24, 128).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    seen = torch.randn(4, 24, 56, 56).to(memory_format=torch.channels_last)

    with torch.autocast("cpu", torch.bfloat16):
        convolutions(seen).float().square().mean().backward()

    assert all(one.grad.isfinite().all() for one in convolutions.parameters())


def test_tpavi_begins_without_attention_and_keeps_its_pixels() -> None:
    attention = AudioVisualAttention(8)
    visual = torch.randn(6, 8, 4, 4)

    found = attention(visual, torch.randn(2, 3, 8))

    torch.testing.assert_close(
        found.permute(0, 2, 3, 1), attention.norm(visual.permute(0, 2, 3, 1))
    )


def test_transavs_gives_a_pixel_to_the_query_with_the_highest_product() -> None:
    torch.manual_seed(1)
    sounding, masks = torch.randn(2, 3, 5), torch.rand(2, 3, 5, 8, 8)

    kept = assigned(sounding, masks)

    p = sounding.sigmoid()
    score = torch.maximum(p, 1 - p)[..., None, None] * masks
    best, second = score.topk(2, dim=2).values.unbind(dim=2)
    clear = (best - second > 0.05).unsqueeze(2)
    won = score == best.unsqueeze(2)
    assert torch.equal(torch.where(clear, kept, 0.0), torch.where(clear & won, masks, 0.0))
    assert torch.equal(kept[won], masks[won])


def test_transavs_has_two_classes_and_its_masks_are_products_with_the_enlarged_features() -> None:
    config = small_config(family="transavs")
    head, f3 = MaskGeneration(config), torch.randn(6, 16, 4, 4)
    queries = torch.randn(2, 3, 4, 32)

    f_av, answer = head(queries, f3)

    p = head.sounding(f_av).softmax(dim=-1)[..., 1]
    f4 = nn.functional.interpolate(f3, scale_factor=2.0, mode="bilinear")
    masks = torch.einsum("fqc,fchw->fqhw", f_av.flatten(0, 1), head.w2(f4))
    torch.testing.assert_close(answer.sounding.sigmoid(), p)
    torch.testing.assert_close(answer.masks.flatten(0, 1), masks, rtol=1e-4, atol=1e-5)


def test_catr_gates_by_products_so_that_nothing_takes_nothing() -> None:
    block, nothing = DecoupledBlock(16, 2).eval(), torch.zeros(3, 4, 4, 16)
    for norm in (*block.visual_norms, *block.audio_norms):
        nn.init.zeros_(norm.bias)

    with torch.no_grad():
        block.space.out.bias.zero_()
        loud, _ = block(nothing, torch.randn(1, 3, 4, 16))
        silent, _ = block(nothing, torch.zeros(1, 3, 4, 16))

    assert torch.equal(loud, silent)


def test_attention_to_one_audio_token_is_always_one_and_prompts_make_it_choose() -> None:
    torch.manual_seed(0)
    attention, generate = Attention(32, 2), PromptQueryGenerator(small_config())
    pixels, audio = torch.randn(1, 50, 32), torch.randn(1, 1, 32)

    def weights(context: torch.Tensor) -> torch.Tensor:
        keys, _ = attention.keys_values(context)
        query = attention.query(pixels).unflatten(-1, (2, 16)).transpose(1, 2)
        return (query @ keys.mT).softmax(dim=-1)

    dissipated, chosen = weights(audio), weights(generate(audio)[0])

    assert torch.equal(dissipated, torch.ones_like(dissipated))
    assert attention(pixels, audio).std(dim=1).max() < 1e-6  # every pixel takes the same
    assert chosen.std(dim=2).max() > 0.01
    assert attention(pixels, generate(audio)[0]).std(dim=1).max() > 0.01


def test_pcmanet_keeps_a_pixel_open_while_any_mask_is_not_sure_of_it() -> None:
    p = torch.tensor([[0.001, 0.5, 0.999, 0.02], [0.001, 0.999, 0.001, 0.001]])
    masks = p.logit().reshape(1, 1, 2, 2, 2)

    unsure = open_pixels(masks)

    assert unsure[0, 0, ::2, ::2].flatten().tolist() == [0.0, 1.0, 0.0, 1.0]
    assert tuple(unsure.shape) == (1, 1, 4, 4)


def test_pcmanet_passes_a_group_like_the_sound_and_stops_its_opposite() -> None:
    gate = CosineGate(8, 2)
    audio = torch.randn(1, 8)
    heard = gate.hear(audio)
    visual = torch.cat([heard[:, :4], -heard[:, 4:]], dim=1).reshape(1, 8, 1, 1)

    passed = gate(visual, audio).flatten()

    torch.testing.assert_close(passed[:4], heard[0, :4])
    torch.testing.assert_close(passed[4:], torch.zeros(4))
