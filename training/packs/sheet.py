"""A contact sheet: every cut-out of a pack in one picture, a row per category."""

from __future__ import annotations

from PIL import Image, ImageDraw

from training.packs.pack import AssetPack, PackCategory

CELL = 84
LABEL_WIDTH = 150
GROUND = (150, 170, 190)
"""A middle tone, on which white and black cut-outs both show."""


def contact_sheet(pack: AssetPack, *, columns: int = 16) -> Image.Image:
    """Draw the first cut-outs of each category with their styles, the held-out look last."""
    width, height = LABEL_WIDTH + CELL * columns, CELL * len(pack.categories)
    sheet = Image.new("RGB", (width, height), GROUND)
    for row, category in enumerate(pack.categories):
        _draw_row(sheet, pack, category, top=row * CELL, columns=columns)
    return sheet


def _draw_row(
    sheet: Image.Image, pack: AssetPack, category: PackCategory, *, top: int, columns: int
) -> None:
    pen = ImageDraw.Draw(sheet)
    pen.text((4, top + CELL // 3), f"{category.noun}\n{category.verb}", fill=0)
    items = pack.items("sprite", category.name, "test")
    held_out = pack.items("sprite", category.name, "test-style")
    for column, item in enumerate((*items[: columns - len(held_out)], *held_out)):
        left = LABEL_WIDTH + column * CELL
        picture = Image.fromarray(pack.sprite(item))
        picture.thumbnail((CELL - 14, CELL - 14))
        sheet.paste(picture, (left, top), picture)
        pen.text((left, top + CELL - 12), item.style, fill=0)
