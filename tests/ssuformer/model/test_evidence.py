"""What pretrained classifiers hear and see counts for every category."""

from __future__ import annotations

import torch

from ssuformer.model.efficientnet import IMAGENET_CLASSES, WIDTHS
from ssuformer.model.evidence import LEAST_LOGIT, Evidence, agreement
from ssuformer.model.yamnet import AUDIOSET_CLASSES
from tests.ssuformer.model.small_model import clips, small_config, small_model

TIES = {
    "categories": 4,
    "audio_classes": ((0, 1), (2,), (), (3,)),
    "broad_classes": ((7,), (7,), (), ()),
    "image_classes": ((10, 11), (), (12,), (13,)),
    "looks": (0, 0, 2, 3),
    "unlearned": (3,),
}


def evidence() -> Evidence:
    found = Evidence(
        small_config(**TIES), audio_count=AUDIOSET_CLASSES, image_count=IMAGENET_CLASSES
    )
    return found.eval()


def test_a_category_is_heard_as_its_loudest_class() -> None:
    classes = torch.full((1, AUDIOSET_CLASSES), -9.0)
    classes[0, 0], classes[0, 1], classes[0, 3] = -2.0, 1.5, 0.5

    heard = evidence().heard(classes)

    assert heard[0].tolist() == [1.5, LEAST_LOGIT, LEAST_LOGIT, 0.5]


def test_a_category_is_seen_as_the_sum_of_its_classes() -> None:
    classes = torch.full((1, 1, 1, IMAGENET_CLASSES), -50.0)
    classes[..., [10, 11, 12, 500]] = 0.0

    seen = evidence().seen(classes)

    torch.testing.assert_close(seen[0, 0, 0], torch.tensor([0.5, 0.0, 0.25, 0.0]))


def test_what_is_heard_names_a_category_without_scenes() -> None:
    masks = torch.full((1, 1, 1, 16, 16), -9.0)
    masks[..., :8] = 9.0
    heard = torch.full((1, 1, 4), LEAST_LOGIT)
    heard[..., 3] = 2.0
    learned = torch.tensor([0.1, 0.0, 0.0, -99.0]).expand(1, 1, 1, 4)

    named = evidence().name(learned, heard, None, None, masks)

    assert named.argmax() == 3


def test_a_broader_class_leaves_it_to_the_picture_what_it_is() -> None:
    classes = torch.full((1, AUDIOSET_CLASSES), -9.0)
    classes[0, 7] = 4.0
    masks = torch.full((1, 1, 1, 16, 16), 9.0)
    seen = torch.full((1, 2, 2, 4), 0.01)
    seen[..., [1, 2]] = 0.5
    found = evidence()

    broad = found.broad(classes)
    named = found.name(torch.zeros(1, 1, 1, 4), None, broad.unsqueeze(0), seen, masks)

    assert broad[0].tolist() == [4.0, 4.0, LEAST_LOGIT, LEAST_LOGIT]
    assert named[0, 0, 0].argmax() == 1


def test_what_ear_and_eye_agree_on_sounds_more_surely() -> None:
    found = evidence()
    with torch.no_grad():
        found.support[:] = 1.0
    masks = torch.full((1, 1, 2, 16, 16), -9.0)
    masks[0, 0, 0, :, :8] = 9.0
    masks[0, 0, 1, :, 8:] = 9.0
    places = torch.full((1, 2, 2, 4), -0.9)
    places[:, :, 0] = 0.8

    sounding = found.supported(torch.zeros(1, 1, 2), places, masks)[0, 0]

    assert sounding[0] > sounding[1] + 1.0


def test_what_is_seen_counts_only_under_the_mask() -> None:
    masks = torch.full((1, 1, 2, 16, 16), -9.0)
    masks[0, 0, 0, :, :8] = 9.0
    masks[0, 0, 1, :, 8:] = 9.0
    seen = torch.zeros(1, 2, 2, 4)
    seen[:, :, 0, 0], seen[:, :, 1, 2] = 0.9, 0.9

    named = evidence().name(torch.zeros(1, 1, 2, 4), None, None, seen, masks)

    assert named[0, 0].argmax(dim=-1).tolist() == [0, 2]


def test_agreement_is_highest_where_the_heard_thing_is_seen() -> None:
    seen = torch.zeros(1, 1, 3, 4)
    seen[0, 0, 0, 1], seen[0, 0, 1, 2] = 0.9, 0.9
    heard = torch.tensor([[0.0, 0.95, 0.02, 0.0]])

    places = agreement(heard, seen)

    assert places[0, 0].argmax() == 0
    assert places[0, 0, 1] > places[0, 0, 2]


def test_a_model_with_published_encoders_answers() -> None:
    model = small_model(
        vision="efficientnet_lite0", vision_widths=WIDTHS, audio="yamnet", loudness=True, **TIES
    )
    frames, waveform = clips(1, 2)

    found = model.segment(frames, waveform)

    assert found.heard.shape == (1, 2, 4)
    assert found.seen.shape == (2, 5, 8, 8)
    assert found.answers[-1].categories.shape == (1, 2, model.config.queries, 4)
    assert all(answer.masks.isfinite().all() for answer in found.answers)


def test_the_same_clip_at_another_level_gets_the_same_answer() -> None:
    model = small_model(
        vision="efficientnet_lite0", vision_widths=WIDTHS, audio="yamnet", loudness=True, **TIES
    ).eval()
    frames, waveform = clips(1, 2)

    with torch.no_grad():
        loud, soft = (model(frames, waveform * gain) for gain in (1.0, 0.1))

    torch.testing.assert_close(soft.category_logits, loud.category_logits, atol=0.02, rtol=0.02)
