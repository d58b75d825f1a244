"""Small data sets, written on the spot in the layouts that are read."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ssuformer.masks import encode_rle
from tests.ssuformer.footage import Footage
from training.data.layout import DataInfo, ListedClip, write_list
from training.packs.recordings import write_sound

HEIGHT, WIDTH = 48, 64
SECONDS = 3
Bools = npt.NDArray[np.bool_]


def left_half() -> Bools:
    return np.arange(WIDTH)[None, :].repeat(HEIGHT, axis=0) < WIDTH // 2


def write_film(
    path: Path, grey: int = 20, *, video: str | None = "libx264", audio: str | None = "aac"
) -> None:
    """Write a grey film with a tone in its second 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    film = Footage(
        seconds=SECONDS, size=(WIDTH, HEIGHT), paint=lambda *_: grey, video=video, audio=audio
    )
    path.write_bytes(film.make())


def second(number: int, *, sounding: bool | None, sentence: str = "") -> dict[str, Any]:
    mask = encode_rle(left_half())
    return {"second": number, "sounding": sounding, "mask": mask, "sentence": sentence}


def dog(**changes: object) -> dict[str, Any]:
    """Return the truth of a clip whose dog barks in second 1, on the left."""
    seconds = [second(0, sounding=False), second(1, sounding=True, sentence="a dog barks"),
               second(2, sounding=False)]  # fmt: skip
    return {
        "film": "a.mp4", "height": HEIGHT, "width": WIDTH, "seconds": SECONDS,
        "sources": [{"category": "dog", "seconds": seconds}], **changes,
    }  # fmt: skip


def write_layout(
    folder: Path,
    truths: Mapping[str, dict[str, Any]] | None = None,
    clips: Sequence[ListedClip] | None = None,
) -> Path:
    """Write a data set of these truth files and lines; the films are not written."""
    truths = {"a.truth.json": dog()} if truths is None else truths
    lines = [ListedClip(truth=name, split="test") for name in truths] if clips is None else clips
    write_list(folder, DataInfo(name="small", version="1", categories=("dog", "cat")), lines)
    for name, truth in truths.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(truth))
    return folder


def one_clip(folder: Path, **changes: object) -> Path:
    """Write a data set of one film whose truth is `dog` with changes."""
    write_film(folder / "a.mp4")
    return write_layout(folder, {"a.truth.json": dog(**changes)})


def boxes(**changes: object) -> dict[str, Any]:
    """Return the labels of a clip whose guitar on the left sounds in second 1, surely."""
    moments: Sequence[tuple[float, bool | None]] = ((0.5, False), (1.5, True), (2.5, None))
    clip = {
        "file": "a.mp4", "source": "", "licence": "", "duration": 3.0,
        "width": WIDTH, "height": HEIGHT, "note": "",
        "accept": {"acoustic guitar": ["banjo"]},
        "seconds": [
            {"time": time, "things": [
                {"category": "acoustic guitar", "box": [0, 0, 32, 48], "sounding": sounding}
            ]}
            for time, sounding in moments
        ],
    }  # fmt: skip
    return {"about": "small", "clips": [clip | changes]}


def write_boxes(folder: Path, labels: dict[str, Any] | None = None) -> Path:
    write_film(folder / "a.mp4")
    (folder / "labels.json").write_text(json.dumps(labels or boxes()))
    return folder


def _table(path: Path, lines: Sequence[Sequence[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(lines)


def _save(path: Path, picture: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def _grey(level: int) -> Image.Image:
    return Image.new("RGB", (224, 224), (level, level, level))


def _tone(path: Path, seconds: float) -> None:
    write_sound(path, 0.5 * np.sin(np.arange(int(16_000 * seconds)) / 5).astype(np.float32))


def write_s4(folder: Path) -> Path:
    """Write a clip for training, with its first mask, and one for testing, with all five."""
    lines = [
        ("train_clip_0", "0", "dog_barking", "train"),
        ("test_clip_0", "0", "male_speech", "test"),
    ]
    _table(folder / "s4_meta_data.csv", [("name", "start_time", "category", "split"), *lines])
    for name, _, category, split in lines:
        below = Path(split) / category
        for number in range(1, 6):
            file = below / name / f"{name}_{number}.png"
            _save(folder / "s4_data/visual_frames" / file, _grey(number))
            if split == "test" or number == 1:
                _save(folder / "s4_data/gt_masks" / file, Image.fromarray(_half()))
        _tone(folder / "s4_data/audio_wav" / below / f"{name}.wav", 4.5)
    return folder


def write_ms3(folder: Path) -> Path:
    """Write a clip in whose third second nothing sounds."""
    _table(folder / "ms3_meta_data.csv", [("name", "split"), ("clip", "val")])
    for number in range(1, 6):
        _save(folder / f"ms3_data/visual_frames/clip/clip.mp4_{number}.png", _grey(number))
        mask = Image.fromarray(_half().astype(np.uint8) * (0 if number == 3 else 7), mode=None)
        mask = mask.convert("P")
        _save(folder / f"ms3_data/gt_masks/val/clip/clip_{number}.png", mask)
    _tone(folder / "ms3_data/audio_wav/val/clip.wav", 5)
    return folder


def write_avss(folder: Path) -> Path:
    """Write a clip of two seconds: a dog on the left, then a man there, a dog on the right."""
    heading = ("vid", "uid", "s_min", "s_sec", "a_obj", "split", "label")
    _table(folder / "metadata.csv", [heading, ("v", "v_0", "0", "0", "dog_man", "val", "v2")])
    (folder / "label2idx.json").write_text(json.dumps({"background": 0, "dog": 1, "man": 9}))
    clip = folder / "v2" / "v_0"
    dark_red, wrong, class_9 = (128, 0, 0), (1, 2, 3), (192, 0, 0)
    for number, (left, right) in enumerate([(dark_red, wrong), (class_9, dark_red)]):
        _save(clip / "frames" / f"{number}.jpg", _grey(100))
        mask = Image.new("RGB", (224, 224), right)
        mask.paste(left, (0, 0, 112, 224))
        _save(clip / "labels_rgb" / f"{number}.png", mask)
    _tone(clip / "audio.wav", 2)
    return folder


def _half() -> Bools:
    return np.arange(224)[None, :].repeat(224, axis=0) < 112
