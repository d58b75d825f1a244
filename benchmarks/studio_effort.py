"""How much work it is to make masks with the studio's tools: a simulated annotator on real films.

The labels are boxes: what is compared is the box round a mask with the labelled box, which a mask
that has the wrong pixels within the right box also reaches. The annotator knows only the box: the
first click is at its middle; while the two boxes overlap by less than 0.8, a click follows in the
middle of the largest part that is over or missing, eight at most. A click inside a missing strip
may hit the backdrop, which a person would not do. Then the mask is followed from the first labelled
second through the film. Beside it, IoU of masks by one click and by a box on a data set with true
masks (`samples`).

python -m benchmarks.studio_effort FOLDER --tool u2netp --tool grabcut --picture effort.png
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import av
import cv2
import numpy as np
import typer

from benchmarks.timing import machine
from service.studio.tools.masks import mask_tool
from service.studio.tools.prompt import Box, Mask, MaskTool, Picture, Prompt, box_iou, box_of
from service.studio.tools.tracking import tracker
from ssuformer.masks import decode_rle, overlap

REACHED = 0.8
CLICKS = 8
FPS = 5
FIRST_CLICK_SECONDS, NEXT_CLICK_SECONDS = 2.4, 0.9
"""Of a person: What's the Point (Bearman et al. 2016) measured them; they are not of our own."""
BOX_SECONDS = 7.0
"""By extreme clicking (Papadopoulos et al. 2017)."""


@dataclass
class Thing:
    """A labelled thing of a film: time in seconds and box, in order."""

    film: Path
    category: str
    labels: list[tuple[float, Box]] = field(default_factory=list)


def things(folder: Path) -> Iterator[Thing]:
    """Yield what is labelled in `labels.json`, one of each category and film."""
    for clip in json.loads((folder / "labels.json").read_text())["clips"]:
        found: dict[str, Thing] = {}
        for second in clip["seconds"]:
            seen = [thing["category"] for thing in second["things"]]
            for thing in second["things"]:
                if seen.count(thing["category"]) == 1:
                    name = thing["category"]
                    one = found.setdefault(name, Thing(folder / clip["file"], name))
                    one.labels.append((second["time"], tuple(thing["box"])))
        yield from found.values()


def pictures(film: Path, start: float = 0.0) -> Iterator[Picture]:
    """Yield a film's pictures at 5 a second from a time on."""
    number = 0
    with av.open(film) as container:
        for frame in container.decode(video=0):
            while frame.time is not None and frame.time >= start + number / FPS - 1e-3:
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                number += 1


def annotate(tool: MaskTool, picture: Picture, box: Box) -> tuple[list[float], Mask, float]:
    """Return the box IoU after each click, the last mask, and the tool's own seconds."""
    height, width = picture.shape[:2]
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    points: list[tuple[float, float, bool]] = [(min(x, width - 1), min(y, height - 1), True)]
    reached: list[float] = []
    best, mask = np.zeros((height, width), bool), None
    began = time.process_time()
    while True:
        mask = tool.mask(picture, Prompt(points=tuple(points), previous=mask))
        reached.append(box_iou(box_of(mask), box))
        if reached[-1] >= max(reached):
            best = mask
        if reached[-1] >= REACHED or len(reached) == CLICKS:
            return reached, best, time.process_time() - began
        points.append(correction(mask, box))


def correction(mask: Mask, box: Box) -> tuple[float, float, bool]:
    """Return a click into the middle of the largest part that is over or missing."""
    label, own = np.zeros(mask.shape, bool), np.zeros(mask.shape, bool)
    for target, given in ((label, box), (own, box_of(mask))):
        if given is not None:
            left, top, wide, high = (int(side) for side in given)
            target[max(0, top) : top + high, max(0, left) : left + wide] = True
    found = []
    for part, inside in ((label & ~own, True), (mask & ~label, False)):
        far = cv2.distanceTransform(np.pad(part, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
        row, column = np.unravel_index(int(far.argmax()), far.shape)
        found.append((float(far.max()), (float(column), float(row), inside)))
    return max(found)[1]


def held(tool: MaskTool, thing: Thing, mask: Mask) -> list[tuple[float, bool]]:
    """Return the box IoU in each later labelled second, untouched, and whether it was held."""
    start = thing.labels[0][0]
    later = {round((at - start) * FPS): box for at, box in thing.labels[1:]}
    found: dict[int, tuple[float, bool]] = dict.fromkeys(later, (0.0, False))
    follow = tracker("flow", masks=tool, fps=FPS).follow(pictures(thing.film, start), mask)
    for number, now in enumerate(follow, start=1):
        if number in later:
            found[number] = (box_iou(box_of(now.mask), later[number]), now.held)
        if number >= max(later, default=0):
            break
    return list(found.values())


def on_masks(tool: MaskTool, folder: Path) -> dict[str, float]:
    """Return the mean IoU by one click (at the deepest place) and by a box, with true masks."""
    clicked, boxed = [], []
    for file in sorted(folder.glob("*.truth.json")):
        truth = json.loads(file.read_text())
        shown = list(pictures(folder / truth["film"], 0.5))[::FPS]
        for source in truth["sources"]:
            for second in source["seconds"]:
                mask = decode_rle(second["mask"]).astype(bool) if second.get("mask") else None
                box = None if mask is None else box_of(mask)
                if mask is None or box is None or second["second"] >= len(shown):
                    continue
                far = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)
                row, column = np.unravel_index(int(far.argmax()), far.shape)
                point = (float(column - 1), float(row - 1), True)
                picture = shown[second["second"]]
                clicked.append(overlap(tool.mask(picture, Prompt(points=(point,))), mask))
                boxed.append(overlap(tool.mask(picture, Prompt(box=box)), mask))
    return {
        "masks": len(clicked),
        "click": float(np.mean(clicked)),
        "box": float(np.mean(boxed)),
        "click_median": float(np.median(clicked)),
    }


def effort(tool: MaskTool, found: Sequence[Thing], *, tracks: bool) -> dict[str, Any]:
    """Return what one tool costs and gives on all things, with pictures of the results."""
    clicks, seconds, boxed, later, drawn = [], [], [], [], []
    for thing in found:
        at, box = thing.labels[0]
        picture = next(pictures(thing.film, at))
        reached, mask, own = annotate(tool, picture, box)
        count = len(reached)
        clicks.append(count if reached[-1] >= REACHED else None)
        seconds.append(own + FIRST_CLICK_SECONDS + NEXT_CLICK_SECONDS * (count - 1))
        began = time.process_time()
        by_box = tool.mask(picture, Prompt(box=box))
        boxed.append((box_iou(box_of(by_box), box), time.process_time() - began + BOX_SECONDS))
        if tracks and by_box.any():
            later += held(tool, thing, by_box)
        drawn.append(sketch(picture, (mask, by_box), box))
    done = [second for second, count in zip(seconds, clicks, strict=True) if count]
    return {
        "things": len(clicks),
        **{
            f"reached_by_{n}": float(np.mean([c is not None and c <= n for c in clicks]))
            for n in (1, 2, 4, 8)
        },
        "seconds_when_reached": float(np.mean(done)) if done else None,
        "box_reached": float(np.mean([iou >= REACHED for iou, _ in boxed])),
        "box_seconds": float(np.mean([second for _, second in boxed])),
        "later_seconds": len(later),
        **{
            f"later_{least}": float(np.mean([iou >= least for iou, _ in later])) if later else None
            for least in (0.5, 0.8)
        },
        "later_held": float(np.mean([sure for _, sure in later])) if later else None,
        "later_0.5_when_held": mean_of([iou >= 0.5 for iou, sure in later if sure]),
        "later_0.5_when_not_held": mean_of([iou >= 0.5 for iou, sure in later if not sure]),
        "drawn": drawn,
    }


def mean_of(values: Sequence[bool]) -> float | None:
    """Return the share that is true; None of none."""
    return float(np.mean(values)) if values else None


def sketch(picture: Picture, masks: Sequence[Mask], box: Box) -> Picture:
    """Return the picture once for each mask, with the mask in green and the label in yellow."""
    left, top, wide, high = (int(side) for side in box)
    cells = []
    for mask in masks:
        cell = picture.copy()
        cell[mask] = (0.5 * cell[mask] + np.array((0, 127, 0))).astype(np.uint8)
        thick = max(2, max(mask.shape) // 200)
        cv2.rectangle(cell, (left, top), (left + wide, top + high), (255, 220, 0), thick)
        width = round(180 * mask.shape[1] / mask.shape[0])
        small = np.asarray(cv2.resize(cell, (min(320, width), 180)), np.uint8)
        cells.append(np.pad(small, ((2, 2), (2, 322 - small.shape[1]), (0, 0))))
    return np.concatenate(cells, axis=1)


def main(
    folder: Path,
    tool: Annotated[list[str], typer.Option(help="Tools to compare.")],
    samples: Path = Path("samples"),
    picture: Annotated[Path | None, typer.Option(help="Where results are drawn.")] = None,
    *,
    tracks: Annotated[bool, typer.Option(help="Also follow masks through the film.")] = True,
    masks: Annotated[bool, typer.Option(help="Also compare with the masks of samples.")] = True,
) -> None:
    """Print a line for each tool, and all of it as JSON."""
    found, results = list(things(folder)), {}
    for name in tool:
        one = mask_tool(name)
        result = effort(one, found, tracks=tracks)
        rows = result.pop("drawn")
        if picture:
            halves = [np.concatenate(rows[k::2]) for k in (0, 1)]
            most = max(len(half) for half in halves)
            sheet = [np.pad(h, ((0, most - len(h)), (0, 0), (0, 0))) for h in halves]
            place = picture.with_stem(f"{picture.stem}-{name}")
            cv2.imwrite(str(place), np.concatenate(sheet, axis=1)[..., ::-1])
        results[name] = result | ({"samples": on_masks(one, samples)} if masks else {})
        typer.echo(f"{name}: {results[name]}")
    typer.echo(json.dumps({"machine": machine(), "results": results}))


if __name__ == "__main__":
    typer.run(main)
