"""The test pack: shapes drawn and sounds synthesised from a seed in well under a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from training.packs import household, synthesis
from training.packs.pack import (
    AssetPack,
    MemoryShelf,
    PackCategory,
    PackItem,
    PackManifest,
    Rgba,
    Share,
    Wave,
    write_manifest,
)
from training.packs.recordings import finish, write_sound
from training.packs.synthesis import Curve, Synthesiser
from training.scene import Profile

Point = tuple[float, float]

SIDE = 72
SECONDS = 2.2
LOOKS: dict[str, Share] = {
    "plain": "all",
    "outlined": "all",
    "shaded": "all",
    "hollow": "test-style",
}
SOUNDS: tuple[Share, ...] = ("train", "train", "train", "val", "test", "test")


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape: corners in a unit square, colour, sound."""

    name: str
    verb: str
    profile: Profile
    corners: tuple[Point, ...]
    colour: tuple[int, int, int]
    sound: Synthesiser


def _polygon(count: int, *, inner: float = 1.0, turn: float = -0.25) -> tuple[Point, ...]:
    """Return a regular polygon, or a star where every other corner is drawn in."""
    points = []
    for number in range(count):
        angle = 2 * np.pi * (number / count + turn)
        radius = 0.5 * (inner if number % 2 else 1.0)
        points.append((0.5 + radius * float(np.cos(angle)), 0.5 + radius * float(np.sin(angle))))
    return tuple(points)


def _notes(low: float, partials: tuple[float, ...]) -> Synthesiser:
    """Return a synthesiser of random notes above a pitch."""

    def melody(rng: np.random.Generator, seconds: float) -> Wave:
        def note() -> Curve:
            pitch = low * 2 ** (float(rng.choice([0, 2, 4, 7, 9])) / 12)
            length = rng.uniform(0.2, 0.4)
            flat = np.full(round(length * synthesis.SAMPLE_RATE), pitch)
            return synthesis.tone(flat, partials) * synthesis.arch(length, 0.3)

        return synthesis.events(rng, seconds, (0.22, 0.42), note)

    return melody


_CROSS = (
    (0.35, 0), (0.65, 0), (0.65, 0.35), (1, 0.35), (1, 0.65), (0.65, 0.65),
    (0.65, 1), (0.35, 1), (0.35, 0.65), (0, 0.65), (0, 0.35), (0.35, 0.35),
)  # fmt: skip
_ARROW = ((0, 0.35), (0.55, 0.35), (0.55, 0), (1, 0.5), (0.55, 1), (0.55, 0.65), (0, 0.65))

SHAPES = (
    Shape("circle", "hums", "music", _polygon(40), (220, 50, 40), _notes(180, (1, 0.5, 0.3))),
    Shape("star", "sings", "music", _polygon(10, inner=0.42), (240, 200, 30), _notes(900, (1,))),
    Shape("triangle", "reeds", "music", _polygon(3), (40, 160, 70),
          _notes(300, (1, 0, 0.8, 0, 0.6, 0, 0.5))),
    Shape("arrow", "whistles", "music", _ARROW, (70, 70, 220), household.kettle_whistle),
    Shape("square", "rains", "lifescene", _polygon(4, turn=0.125), (120, 70, 30), household.rain),
    Shape("cross", "knocks", "lifescene", _CROSS, (150, 40, 170), household.hammering),
    Shape("hexagon", "wails", "lifescene", _polygon(6), (40, 190, 200), synthesis.siren_yelp),
    Shape("diamond", "rumbles", "lifescene", ((0.5, 0), (0.85, 0.5), (0.5, 1), (0.15, 0.5)),
          (240, 120, 180), synthesis.rocket),
)  # fmt: skip


def pack(seed: int = 0) -> AssetPack:
    """Return the pack, built in memory; the same seed gives the same pack."""
    sprites: dict[str, Rgba] = {}
    sounds: dict[str, Wave] = {}
    items: list[PackItem] = []
    for shape in SHAPES:
        for item, rgba in _draw(shape):
            items.append(item)
            sprites[item.path] = rgba
        for item, wave in _sound(shape, seed):
            items.append(item)
            sounds[item.path] = wave
    manifest = PackManifest(
        name="procedural",
        version="1",
        command="python -m training pack build procedural",
        categories=tuple(
            PackCategory(name=s.name, noun=s.name, verb=s.verb, profile=s.profile) for s in SHAPES
        ),
        items=tuple(items),
    )
    return AssetPack(manifest, MemoryShelf(sprites, sounds, "the procedural pack"))


def build(
    destination: Path, *, seed: int = 0, progress: Callable[[str], None] = lambda _name: None
) -> PackManifest:
    """Write the pack into a folder; `progress` is called with the name of each category."""
    made = pack(seed)
    for category in made.categories:
        progress(category.name)
    for item in made.manifest.items:
        path = destination / item.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if item.kind == "sprite":
            Image.fromarray(made.sprite(item)).save(path)
        else:
            write_sound(path, made.sound(item))
    write_manifest(destination, made.manifest)
    return made.manifest


def _draw(shape: Shape) -> Iterator[tuple[PackItem, Rgba]]:
    for look, share in LOOKS.items():
        picture = Image.new("RGBA", (SIDE, SIDE))
        corners = [(4 + x * (SIDE - 9), 4 + y * (SIDE - 9)) for x, y in shape.corners]
        edge = {"outlined": (20, 20, 20), "hollow": shape.colour}.get(look)
        fill = (250, 250, 250) if look == "hollow" else shape.colour
        ImageDraw.Draw(picture).polygon(corners, fill=fill, outline=edge, width=5 if edge else 1)
        rgba = np.array(picture)
        if look == "shaded":
            light = np.linspace(1.0, 0.45, SIDE)[:, None, None]
            rgba[..., :3] = (rgba[..., :3] * light).astype(np.uint8)
        item = _item(shape, "sprites", f"{look}--{shape.name}.png", look, share)
        yield item, rgba


def _sound(shape: Shape, seed: int) -> Iterator[tuple[PackItem, Wave]]:
    for number, share in enumerate(SOUNDS):
        rng = np.random.default_rng((seed, SHAPES.index(shape), number))
        name = f"synthesis--{share}-{number:02d}.wav"
        yield _item(shape, "sounds", name, "synthesis", share), finish(shape.sound(rng, SECONDS))


def _item(shape: Shape, folder: str, name: str, style: str, share: Share) -> PackItem:
    return PackItem(
        path=f"{folder}/{shape.name}/{name}",
        kind="sprite" if folder == "sprites" else "sound",
        category=shape.name,
        style=style,
        origin="drawn in code" if folder == "sprites" else "synthesised in code",
        licence="Apache-2.0",
        split=share,
    )
