"""An experiment that trains in seconds, on material drawn on the spot."""

from __future__ import annotations

from pathlib import Path

FIELDS = """
name = "bench"
pack = "{pack}"
model = {{ channels = 32, heads = 2, queries = 4, caption_layers = 1, detail_tokens = 2 }}
warmup_steps = 2
workers = 0
validation_scenes = 1
{more}
stages = [{{ size = 64, seconds = 2, batch = 2, steps = {steps} }}]
"""


def write_experiment(folder: Path, pack: Path, steps: int = 2, more: str = "") -> Path:
    path = folder / f"{steps}.toml"
    path.write_text(FIELDS.format(pack=pack, steps=steps, more=more))
    return path


RECIPE = """
base = "{recipe}"
name = "bench"
preset = "tiny"
model = {{ channels = 32, heads = 2, queries = 4, caption_layers = 1, detail_tokens = 2 }}
data = [{{ folder = "{clips}" }}]
workers = 0
validation_scenes = 1
stages = [{{ size = 64, seconds = 2, batch = 2, steps = 2 }}]
"""


def write_on_recipe(folder: Path, recipe: str, clips: Path) -> Path:
    """Write a small experiment on clips alone that is otherwise a recipe of `training/configs`."""
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(recipe=Path("training/configs", recipe).resolve(), clips=clips))
    return path
