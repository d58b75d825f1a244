"""Answers of the service, made by hand."""

from collections.abc import Sequence

from service.understanding.mask_formats import RleMask
from service.understanding.schemas import (
    ClipFacts,
    Frame,
    Heard,
    ModelFacts,
    Notice,
    Region,
    Understanding,
)
from ssuformer.masks import Mask, bounding_box


def region(mask: Mask, *, track: int = 1, text: str | None = "a bell is ringing.") -> Region:
    return Region(
        track=track,
        score=0.9,
        category="bell",
        bbox=bounding_box(mask),
        area=int(mask.sum()),
        mask=RleMask.of(mask),
        description=text,
    )


def answer(
    frames: Sequence[Sequence[Region]],
    *,
    size: tuple[int, int] = (48, 64),
    warnings: Sequence[Notice] = (),
    heard: Sequence[Heard] = (),
) -> Understanding:
    """Return an answer with a frame per second, for a clip and masks of this height and width.

    The same is heard in all frames.
    """
    return Understanding(
        clip=ClipFacts(
            duration=float(len(frames)),
            width=size[1],
            height=size[0],
            rotation=0,
            audio=True,
            fps=10.0,
            video_codec="h264",
            audio_codec="aac",
        ),
        model=ModelFacts(name="bells", version="3", digest="abc"),
        sampled_fps=1.0,
        mask_size=size,
        timings_ms={"decode": 10.0, "total": 20.0},
        warnings=list(warnings),
        frames=[
            Frame(time=i + 0.5, regions=list(regions), heard=list(heard))
            for i, regions in enumerate(frames)
        ],
        tracks=[],
    )
