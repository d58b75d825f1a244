"""The whole way on the samples: committed engines, real films, over HTTP, against the truth."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ssuformer.masks import Rle, decode_rle
from tests.service.conftest import run, small_settings

SAMPLES = Path("samples")
FILMS = sorted(path for path in SAMPLES.iterdir() if path.suffix in {".mp4", ".webm"})


def truth_of(film: Path) -> dict[str, Any]:
    truth: dict[str, Any] = json.loads(film.with_suffix(".truth.json").read_text())
    return truth


def sounding(truth: dict[str, Any], second: int) -> dict[str, Rle]:
    """Return the masks of the categories that sound in a second and can be seen."""
    now = {source["category"]: source["seconds"][second] for source in truth["sources"]}
    return {name: told["mask"] for name, told in now.items() if told["sounding"]}


def untimed(response: httpx.Response) -> dict[str, Any]:
    """Return an answer without the times it took."""
    answer: dict[str, Any] = response.raise_for_status().json()
    return {name: told for name, told in answer.items() if name != "timings_ms"}


def cover(masks: list[Rle], size: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.any([decode_rle(mask) for mask in masks], axis=0) if masks else np.zeros(size, bool)


@pytest.mark.anyio
async def test_the_committed_engines_find_and_name_what_sounds_in_the_samples() -> None:
    overlaps, named, shown_in_silence = [], [], []

    async with run(small_settings(engine="onnx", model_repository="triton_repo")) as service:
        for film in FILMS:
            truth = truth_of(film)
            answer = (await service.understand(film.read_bytes())).json()
            assert len(answer["frames"]) == truth["seconds"]
            for second, frame in enumerate(answer["frames"]):
                true = sounding(truth, second)
                size = (truth["height"], truth["width"])
                found = cover([region["mask"] for region in frame["regions"]], size)
                wanted = cover(list(true.values()), size)
                if not wanted.any():
                    shown_in_silence.append(found.mean())
                    continue
                overlaps.append((found & wanted).sum() / (found | wanted).sum())
                said = {region["category"] for region in frame["regions"]}
                named += [category in said for category in true]

    assert len(FILMS) == 6
    assert np.mean(overlaps) > 0.5
    assert np.mean(named) > 0.6
    assert np.mean(shown_in_silence) < 0.05


@pytest.mark.anyio
async def test_the_samples_have_the_same_answers_one_by_one_and_all_at_once() -> None:
    settings = small_settings(
        engine="onnx", model_repository="triton_repo", workers=2, engine_threads=2,
        decode_seconds=600, deadline_seconds=900,
    )  # fmt: skip
    clips = [film.read_bytes() for film in FILMS]

    async with run(settings) as service:
        alone = [await service.understand(clip) for clip in clips]
        together = await asyncio.gather(*(service.understand(clip) for clip in clips))

    assert [untimed(one) for one in together] == [untimed(one) for one in alone]


def test_the_samples_show_silence_a_change_and_two_at_once() -> None:
    truths = {film.name: truth_of(film) for film in FILMS}
    heard = {
        name: [set(sounding(truth, second)) for second in range(truth["seconds"])]
        for name, truth in truths.items()
    }

    assert any(not now for seconds in heard.values() for now in seconds)
    assert any(len(now) == 2 for seconds in heard.values() for now in seconds)
    assert any(len({frozenset(now) for now in seconds if now}) > 1 for seconds in heard.values())
    assert {film.suffix for film in FILMS} == {".mp4", ".webm"}
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < 6e6


def test_the_service_is_imported_without_torch() -> None:
    check = "import sys, service.app, service.cli; sys.exit('torch' in sys.modules)"

    finished = subprocess.run([sys.executable, "-c", check], check=False)

    assert finished.returncode == 0
