import base64
import io

import numpy as np
import pytest
from PIL import Image

from ssuformer import masks
from tests.service.conftest import Running
from tests.ssuformer.footage import Footage

pytestmark = pytest.mark.anyio


async def test_a_clip_comes_back_with_what_sounds_in_every_second(
    running: Running, clip: bytes
) -> None:
    response = await running.understand(clip)

    answer = response.json()
    assert response.status_code == 200
    assert [frame["time"] for frame in answer["frames"]] == [0.5, 1.5, 2.5, 3.5]
    heard = [[region["category"] for region in frame["regions"]] for frame in answer["frames"]]
    assert heard == [[], ["bell"], ["bell", "lamp"], []]
    assert (answer["clip"]["width"], answer["clip"]["height"]) == (64, 48)
    assert answer["clip"]["duration"] == pytest.approx(4.0, abs=0.1)
    assert answer["model"]["name"] == "fake"
    assert answer["warnings"] == []


async def test_a_region_holds_its_mask_box_area_and_sentence(running: Running, clip: bytes) -> None:
    answer = (await running.understand(clip)).json()

    region = answer["frames"][1]["regions"][0]
    mask = masks.decode_rle(region["mask"])
    assert mask.shape == (48, 64)
    assert mask.sum() == region["area"] > 0
    assert tuple(region["bbox"]) == masks.bounding_box(mask)
    assert region["description"] == "a bell is ringing."
    assert region["score"] == pytest.approx(0.9)


async def test_tracks_say_who_sounds_from_when_to_when(running: Running, clip: bytes) -> None:
    answer = (await running.understand(clip)).json()

    bell, lamp = answer["tracks"]
    assert bell["intervals"] == [{"start": 1.0, "end": 3.0}]
    assert lamp["intervals"] == [{"start": 2.0, "end": 3.0}]
    assert bell["sentences"] == [{"start": 1.0, "end": 3.0, "text": "a bell is ringing."}]
    assert answer["frames"][1]["regions"][0]["track"] == bell["id"]


async def test_multipart_and_raw_bodies_give_the_same(running: Running, clip: bytes) -> None:
    raw = await running.understand(clip)

    form = await running.client.post("/understand", files={"file": ("../../etc/passwd", clip)})

    assert form.status_code == 200
    assert form.json()["frames"] == raw.json()["frames"]


async def test_stages_are_timed_in_the_answer_and_in_a_header(
    running: Running, clip: bytes
) -> None:
    response = await running.understand(clip)

    stages = {"upload", "queue", "probe", "decode", "segmentation", "caption", "postprocess"}
    assert stages <= response.json()["timings_ms"].keys()
    header = response.headers["server-timing"]
    assert all(f"{stage};dur=" in header for stage in (*stages, "encode", "total"))


async def test_masks_have_the_size_of_the_clip_as_it_is_shown(running: Running) -> None:
    media = Footage(size=(80, 50), rotation=90, beep=(0, 4)).make()

    answer = (await running.understand(media)).json()

    assert (answer["clip"]["width"], answer["clip"]["height"]) == (50, 80)
    assert answer["mask_size"] == [80, 50]
    assert masks.decode_rle(answer["frames"][0]["regions"][0]["mask"]).shape == (80, 50)


async def test_masks_have_the_size_of_the_engine_if_that_is_asked_for(
    running: Running, clip: bytes
) -> None:
    answer = (await running.understand(clip, mask_size="engine")).json()

    region = answer["frames"][1]["regions"][0]
    assert answer["mask_size"] == [224, 224]
    assert masks.decode_rle(region["mask"]).shape == (224, 224)


async def test_all_mask_formats_say_the_same(running: Running, clip: bytes) -> None:
    formats = ("rle", "rle_uncompressed", "polygon", "png", "none")

    answers = [(await running.understand(clip, mask_format=name)).json() for name in formats]

    compressed, plain, polygon, png, none = (a["frames"][1]["regions"][0] for a in answers)
    mask = masks.decode_rle(compressed["mask"])
    assert plain["mask"]["counts"] == masks.encode_uncompressed_rle(mask)["counts"]
    assert len(polygon["mask"]["rings"]) == 1
    picture = Image.open(io.BytesIO(base64.b64decode(png["mask"]["png"])))
    np.testing.assert_array_equal(np.asarray(picture).astype(bool), mask)
    assert none["mask"] is None
    assert none["area"] == compressed["area"]


async def test_frames_per_second_start_and_end_are_followed(running: Running, clip: bytes) -> None:
    answer = (await running.understand(clip, fps=4, start=1, end=2)).json()

    times = [frame["time"] for frame in answer["frames"]]
    assert times == pytest.approx([1.125, 1.375, 1.625, 1.875])
    assert answer["sampled_fps"] == 4


async def test_a_higher_least_score_leaves_regions_out(running: Running, clip: bytes) -> None:
    answer = (await running.understand(clip, min_score=0.85)).json()

    assert {track["category"] for track in answer["tracks"]} == {"bell"}


async def test_without_captions_there_are_no_sentences(running: Running, clip: bytes) -> None:
    answer = (await running.understand(clip, captions=False)).json()

    assert answer["frames"][1]["regions"][0]["description"] is None
    assert all(track["sentences"] == [] for track in answer["tracks"])


async def test_a_track_keeps_its_number_through_all_windows_of_a_long_clip(
    running: Running,
) -> None:
    media = Footage(seconds=4, beep=(0, 4)).make()

    answer = (await running.understand(media, fps=10)).json()

    assert len(answer["frames"]) == 40
    assert [track["intervals"] for track in answer["tracks"]] == [[{"start": 0.0, "end": 4.0}]]


async def test_a_clip_without_sound_is_answered_with_a_warning(running: Running) -> None:
    answer = (await running.understand(Footage(audio=None).make())).json()

    assert [warning["code"] for warning in answer["warnings"]] == ["no_audio"]
    assert answer["clip"]["audio"] is False
    assert running.metric("ssu_warnings_total", code="no_audio") == 1


async def test_an_option_given_twice_is_refused_by_name(running: Running, clip: bytes) -> None:
    response = await running.understand(clip, fps=[1, 2])

    assert response.status_code == 422
    assert response.json()["code"] == "option_invalid"
    assert "fps" in response.json()["detail"]


async def test_a_clip_full_of_sound_that_is_not_known_is_out_of_domain(running: Running) -> None:
    faint = Footage(beep=(0, 4), gains=(0.02,)).make()

    answer = (await running.understand(faint)).json()

    assert [frame["regions"] for frame in answer["frames"]] == [[]] * 4
    assert [warning["code"] for warning in answer["warnings"]] == ["out_of_domain"]
    assert "4 of 4 seconds" in answer["warnings"][0]["message"]
    assert running.metric("ssu_warnings_total", code="out_of_domain") == 1


async def test_regions_that_were_not_asked_for_count_as_known(running: Running) -> None:
    media = Footage(beep=(0, 4)).make()

    answer = (await running.understand(media, min_score=0.99)).json()

    assert [frame["regions"] for frame in answer["frames"]] == [[]] * 4
    assert answer["warnings"] == []


async def test_quiet_and_clipped_sound_is_pointed_out(running: Running) -> None:
    quiet = await running.understand(Footage(gains=(0.001,), beep=(0, 4)).make())
    clipped = await running.understand(Footage(gains=(8.0,), beep=(0, 4)).make())

    assert [warning["code"] for warning in quiet.json()["warnings"]] == ["quiet_audio"]
    assert [warning["code"] for warning in clipped.json()["warnings"]] == ["clipped_audio"]
