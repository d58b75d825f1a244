"""An answer with all that formats have to write: holes, overlaps, gaps, odd letters."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from service.formats.catalogue import named
from service.formats.format import Material
from service.understanding.mask_formats import MaskFormat, write_mask
from service.understanding.schemas import (
    ClipFacts,
    Frame,
    Heard,
    Interval,
    ModelFacts,
    Region,
    Sentence,
    Track,
    Understanding,
)
from service.understanding.smoothing import Smoother
from ssuformer.masks import Mask, bounding_box

SIZE = (48, 64)
DOG, LARK = 'dog <&> "Ж"', "lark"
BARKS, SINGS, UNSEEN = (
    "a dog & its 'echo' --> 犬",
    "a lark\nsings <b>high</b>",
    "a bell out of sight",
)


def ring() -> Mask:
    """A large mask with a hole and a second, small part."""
    mask = np.zeros(SIZE, bool)
    mask[8:40, 10:50] = True
    mask[16:24, 20:30] = False
    mask[2:4, 60:63] = True
    return mask


def spot() -> Mask:
    """A small mask on top of the large one."""
    mask = np.zeros(SIZE, bool)
    mask[30:38, 40:48] = True
    return mask


MASKS = {1: ring(), 2: spot()}


def region(track: int, *, form: MaskFormat = "rle", size: tuple[int, int] = SIZE) -> Region:
    mask = MASKS[track].repeat(size[0] // SIZE[0], axis=0).repeat(size[1] // SIZE[1], axis=1)
    return Region(
        track=track,
        score=0.5 + track / 8,
        category={1: DOG, 2: LARK}[track],
        bbox=bounding_box(mask),
        area=int(mask.sum()),
        mask=write_mask(mask, form),
        description={1: BARKS, 2: SINGS}[track],
    )


def made(
    *,
    form: MaskFormat = "rle",
    size: tuple[int, int] = SIZE,
    shown: Sequence[Sequence[int]] = ((1,), (1, 2), (), (2,)),
) -> Understanding:
    """Return an answer of a frame a second; `size` (height, width) is that of its masks.

    The clip is 64x48, at 10 frames a second. A bell is heard in the last two seconds.
    """
    bell = Heard(category="bell", score=0.7, region=None, description=UNSEEN)
    frames = [
        Frame(
            time=second + 0.5,
            regions=[region(track, form=form, size=size) for track in tracks],
            heard=[bell] if second >= len(shown) - 2 else [],
        )
        for second, tracks in enumerate(shown)
    ]
    return Understanding(
        clip=clip_facts(len(shown)),
        model=ModelFacts(name="bells", version="3", digest="abc"),
        sampled_fps=1.0,
        mask_size=size,
        timings_ms={"decode": 10.0, "total": 20.5},
        warnings=[],
        frames=frames,
        tracks=[_track(number, shown) for number in (1, 2)],
    )


def smoothed(answer: Understanding, *, parts: int) -> Understanding:
    """Return an answer with frames between its own, `parts` for each of them."""
    smoother = Smoother(step=answer.analysed_step, parts=parts, most=1000)
    frames = smoother.add(answer.frames) + smoother.end(answer.until)
    return answer.model_copy(update={"frames": frames, "smooth_fps": smoother.fps})


def gliding(answer: Understanding) -> Understanding:
    """Return an answer whose regions are five pixels further to the right in each next frame."""
    frames = [
        frame.model_copy(update={"regions": [_moved(one, 5 * i) for one in frame.regions]})
        for i, frame in enumerate(answer.frames)
    ]
    return answer.model_copy(update={"frames": frames})


def _moved(one: Region, x: int) -> Region:
    assert one.mask is not None
    mask = np.roll(one.mask.to_mask(), x, axis=1)
    return one.model_copy(update={"mask": type(one.mask).of(mask), "bbox": bounding_box(mask)})


def part_of(answer: Understanding, start: float, end: float) -> Understanding:
    """Return the answer for the part of its clip from `start` to `end`; its tracks stay."""
    frames = [frame for frame in answer.frames if start < frame.time < end]
    return answer.model_copy(update={"frames": frames, "start": start, "end": end})


def clip_facts(seconds: int) -> ClipFacts:
    return ClipFacts(
        duration=float(seconds),
        width=SIZE[1],
        height=SIZE[0],
        rotation=0,
        audio=True,
        fps=10.0,
        video_codec="h264",
        audio_codec="aac",
    )


def _track(number: int, shown: Sequence[Sequence[int]]) -> Track:
    category, text = {1: (DOG, BARKS), 2: (LARK, SINGS)}[number]
    spans: list[tuple[int, int]] = []
    for second in (i for i, tracks in enumerate(shown) if number in tracks):
        if spans and spans[-1][1] == second:
            spans[-1] = (spans[-1][0], second + 1)
        else:
            spans.append((second, second + 1))
    return Track(
        id=number,
        category=category,
        intervals=[Interval(start=start, end=end) for start, end in spans],
        sentences=[Sentence(start=start, end=end, text=text) for start, end in spans],
    )


def written(name: str, answer: Understanding | None = None, **more: Any) -> bytes:  # noqa: ANN401
    """Return an answer in a format."""
    out = io.BytesIO()
    named(name).write(Material(answer or made(), **{"name": "film", **more}), out)
    return out.getvalue()


def unzipped(content: bytes) -> Mapping[str, bytes]:
    """Return the members of an archive by name."""
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def loaded(content: bytes) -> Any:  # noqa: ANN401
    """Return a JSON document."""
    return json.loads(content)
