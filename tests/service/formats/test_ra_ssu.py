import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from service.understanding.schemas import Understanding
from ssuformer.masks import decode_rle
from tests.service.formats.made import (
    BARKS,
    DOG,
    MASKS,
    gliding,
    loaded,
    made,
    smoothed,
    unzipped,
    written,
)
from tests.ssuformer.footage import Footage


def laid_out(answer: Understanding, clip: bytes, folder: Path) -> Path:
    """Write the archive's members below a folder."""
    for name, content in unzipped(written("ra-ssu", answer, clip=clip)).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.mark.parametrize("shown", [((1,), (1, 2), (), (2,)), ((), (), (), ())], ids=str)
def test_the_checker_of_training_data_finds_no_fault(
    tmp_path: Path, clip: bytes, shown: Sequence[Sequence[int]]
) -> None:
    folder = laid_out(made(shown=shown), clip, tmp_path)

    checked = subprocess.run(
        [sys.executable, "-m", "training", "data", "check", folder],
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "1 clips: no faults" in checked.stderr
    assert checked.returncode == 0


def test_a_second_has_the_mask_and_sentence_of_the_frame_in_its_middle() -> None:
    truth = loaded(unzipped(written("ra-ssu", clip=b"clip"))["clips/film.truth.json"])

    dog, lark = truth["sources"]
    assert (truth["seconds"], truth["height"], truth["width"]) == (4, 48, 64)
    assert [one["second"] for one in dog["seconds"]] == [0, 1]
    assert [one["second"] for one in lark["seconds"]] == [1, 3]
    assert (dog["category"], dog["seconds"][0]["sentence"]) == (DOG, BARKS)
    np.testing.assert_array_equal(decode_rle(dog["seconds"][0]["mask"]), MASKS[1])
    assert truth["unseen"] == [{"category": "bell", "sounding": [False, False, True, True]}]


def test_seconds_that_were_not_analysed_are_unlabelled_and_the_nearest_frame_counts() -> None:
    answer = made()
    times = [2.1, 2.45, 2.8, 4.5]
    frames = [
        frame.model_copy(update={"time": time})
        for frame, time in zip(answer.frames, times, strict=True)
    ]

    members = unzipped(written("ra-ssu", answer.model_copy(update={"frames": frames}), clip=b""))

    truth = loaded(members["clips/film.truth.json"])
    assert (truth["seconds"], truth["unlabelled"]) == (5, [0, 1, 3])
    assert [[one["second"] for one in source["seconds"]] for source in truth["sources"]] == [
        [2], [2, 4]
    ]  # fmt: skip


def test_frames_between_teach_nothing() -> None:
    answer = gliding(made(shown=[(2,)] * 4))
    times = [0.4, 1.4, 2.4, 3.4]  # frames between come nearer to the middle
    frames = [
        frame.model_copy(update={"time": time})
        for frame, time in zip(answer.frames, times, strict=True)
    ]
    answer = answer.model_copy(update={"frames": frames})

    plain, smooth = (
        unzipped(written("ra-ssu", one, clip=b"clip"))
        for one in (answer, smoothed(answer, parts=10))
    )

    assert smooth == plain


@pytest.mark.parametrize(("container", "suffix"), [("mp4", ".mp4"), ("webm", ".mkv")])
def test_the_film_has_a_suffix_that_fits_it(container: str, suffix: str) -> None:
    kinds = {"video": "libvpx", "audio": "libopus"} if container == "webm" else {}
    clip = Footage(seconds=1, container=container, rate=48_000, **kinds).make()  # type: ignore[arg-type]

    members = unzipped(written("ra-ssu", clip=clip))

    assert members[f"clips/film{suffix}"] == clip
