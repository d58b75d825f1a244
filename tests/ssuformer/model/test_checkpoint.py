from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ssuformer.errors import ConfigError
from ssuformer.manifest import Manifest
from ssuformer.model import checkpoint
from ssuformer.repository import WEIGHTS
from tests.ssuformer.model.small_model import clips, small_model

COMMITTED = Path("training/checkpoints/small")


def saved(folder: Path) -> Path:
    """Write a small model as a checkpoint folder."""
    model = small_model()
    checkpoint.save(folder, model.config, model.state_dict(), Manifest.read(COMMITTED))
    return folder


def test_large_weights_are_stored_in_float16_and_loaded_as_the_float32_of_the_same_value(
    tmp_path: Path,
) -> None:
    exact = small_model().state_dict()

    model, _ = checkpoint.load(saved(tmp_path))

    stored = load_file(tmp_path / WEIGHTS)
    large = {name for name, weight in stored.items() if weight.dtype == torch.float16}
    values = sum(stored[name].numel() for name in large)
    assert values > 0.8 * sum(weight.numel() for weight in stored.values())
    assert {"masks.layers.0.look.query.weight", "audio.project.weight"} & large
    for name, weight in model.state_dict().items():
        wanted = exact[name].half().float() if name in large else exact[name]
        assert torch.equal(weight, wanted), name
        assert weight.dtype == exact[name].dtype


def test_a_checkpoint_that_is_loaded_and_saved_again_is_the_same_file(tmp_path: Path) -> None:
    model, manifest = checkpoint.load(saved(tmp_path / "one"))

    checkpoint.save(tmp_path / "two", model.config, model.state_dict(), manifest)

    assert Manifest.read(tmp_path / "two") == manifest


def test_answers_of_stored_weights_are_those_of_the_trained_ones_but_for_rounding(
    tmp_path: Path,
) -> None:
    model, _ = checkpoint.load(saved(tmp_path))
    inputs = clips(1, 2)

    with torch.no_grad():
        pairs = zip(small_model().eval()(*inputs).tensors(), model(*inputs).tensors(), strict=True)

    for wanted, found in pairs:
        assert (wanted - found).abs().mean() < 0.01 * wanted.abs().mean()


@pytest.mark.parametrize(
    ("weight", "reason"),
    [
        (torch.full((8,), 0.1), "a bias or a norm"),
        (torch.tensor([1e6, 1e-9] * 64), "running statistics that overflow or vanish"),
        (torch.full((64, 1, 3, 3), 0.1), "a depthwise kernel"),
        (torch.full((1, 3, 1, 1), 123.675), "the mean of pixels"),
        (torch.full((4, 64), 0.1).index_fill(0, torch.tensor(1), 1e5), "a row overflows"),
        (torch.full((4, 64), 1e-8), "all of it vanishes"),
        (torch.tensor(0.7), "a single number"),
        (torch.zeros(64, 64, dtype=torch.int64), "whole numbers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_float16_would_change_is_stored_as_it_is(weight: torch.Tensor, reason: str) -> None:
    assert checkpoint.stored(weight) is weight, reason


def test_the_committed_checkpoint_is_loaded_as_it_is_stored() -> None:
    stored = load_file(COMMITTED / WEIGHTS)

    model, _ = checkpoint.load(COMMITTED)

    for name, weight in model.state_dict().items():
        assert torch.equal(weight, stored[name].to(weight.dtype)), name


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfe\x00", "Invalid JSON"),
        (b'{"heads": 0, "colour": "red"}', "heads is 0: .*; colour is 'red': "),
    ],
)
def test_a_wrong_config_is_refused_in_one_line(content: bytes, reason: str, tmp_path: Path) -> None:
    Manifest.read(Path("training/checkpoints/small")).write(tmp_path)
    file = tmp_path / checkpoint.CONFIG
    file.write_bytes(content)

    with pytest.raises(ConfigError, match=f"{file} is not a model's config: {reason}") as refused:
        checkpoint.load(tmp_path)

    assert "\n" not in refused.value.message
