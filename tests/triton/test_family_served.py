"""Every family exports, computes there what it computes in torch, and answers a film alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from service.settings import Settings
from service.triton_server.launcher import inference_server
from ssuformer.contract import CAPTION, SEGMENTATION
from ssuformer.manifest import Thresholds
from ssuformer.masks import decode_rle, overlap
from ssuformer.model.config import Family
from tests.service.conftest import run, small_settings
from tests.triton.small_repository import CATEGORIES, write_repository

SAMPLE = Path("samples/music-duet.mp4")


async def answered(settings: Settings) -> dict[str, Any]:
    async with run(settings) as running:
        response = await running.understand(SAMPLE.read_bytes(), fps=1)
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.anyio
@pytest.mark.parametrize("family", get_args(Family))
async def test_an_exported_family_answers_a_sample_in_the_service_and_over_triton(
    family: str, tmp_path: Path
) -> None:
    # Below .5, where random models draw some of the picture and not all of it.
    asked = Thresholds(sounding=0.0, mask=0.36, heard=0.0, category_heard=0.0)
    _, differences = write_repository(tmp_path, thresholds=asked, family=family, heard=True)
    repository = tmp_path / "repository"

    embedded = await answered(
        small_settings(engine="onnx", model_repository=repository, engine_threads=1)
    )
    with inference_server(repository) as server:
        over_triton = await answered(
            small_settings(engine="triton", triton_address=server.grpc, model_repository=repository)
        )

    regions = [
        (one, other)
        for frame, same in zip(embedded["frames"], over_triton["frames"], strict=True)
        for one, other in zip(frame["regions"], same["regions"], strict=True)
    ]
    assert {one.output.partition(".")[0] for one in differences} == {SEGMENTATION, CAPTION}
    assert len(embedded["frames"]) > 3
    assert regions
    for one, other in regions:
        assert one["category"] in CATEGORIES
        assert one["description"]
        assert [one[name] for name in ("track", "category", "description")] == [
            other[name] for name in ("track", "category", "description")
        ]
        assert one["score"] == pytest.approx(other["score"], abs=1e-3)
        assert overlap(decode_rle(one["mask"]), decode_rle(other["mask"])) > 0.99
