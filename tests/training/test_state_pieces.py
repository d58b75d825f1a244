"""The state of a run, cut into pieces and joined, is the same state."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ssuformer.errors import ConfigError
from tests.training.small_pack import SmallPack
from tests.training.test_fit import begin, small_experiment
from training.fit import STATE, Run, fit, start
from training.state_pieces import join_state, split_state


def frozen_run(folder: Path, base: Path) -> Run:
    return start(
        small_experiment(frozen=("vision.",)), SmallPack(), folder, torch.device("cpu"), base  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that other runs begin from."""
    folder = tmp_path_factory.mktemp("base")
    fit(begin(folder), until=1)
    return folder / "checkpoint"


@pytest.fixture(scope="module")
def run(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with frozen vision that was stopped after two steps."""
    folder = tmp_path_factory.mktemp("run")
    fit(frozen_run(folder, base), until=2)
    return folder


def test_joined_pieces_are_the_state_that_was_cut(run: Path, base: Path, tmp_path: Path) -> None:
    pieces = split_state(run, tmp_path / "pieces", largest_mib=0.5)
    step = join_state(tmp_path / "pieces", tmp_path / "joined", base=base)

    assert step == 2
    assert len(pieces) > 2
    assert max(piece.stat().st_size for piece in pieces) <= 2**19
    before, after = (
        torch.load(folder / STATE, weights_only=True) for folder in (run, tmp_path / "joined")
    )
    assert list(before) == list(after)
    for part in ("model", "average"):
        assert list(before[part]) == list(after[part])
        assert all(torch.equal(before[part][name], after[part][name]) for name in before[part])


def test_a_joined_run_goes_on(run: Path, base: Path, tmp_path: Path) -> None:
    split_state(run, tmp_path / "pieces")
    join_state(tmp_path / "pieces", tmp_path / "joined", base=base)

    joined = frozen_run(tmp_path / "joined", base)

    assert joined.step == 2


def test_frozen_weights_are_not_in_the_pieces(run: Path, tmp_path: Path) -> None:
    pieces = split_state(run, tmp_path)

    vision = sum(
        weight.numel() * weight.element_size()
        for name, weight in torch.load(run / STATE, weights_only=True)["model"].items()
        if name.startswith("vision.")
    )
    assert (
        sum(piece.stat().st_size for piece in pieces) < (run / STATE).stat().st_size - 1.5 * vision
    )


def test_other_frozen_weights_are_refused(run: Path, tmp_path: Path) -> None:
    split_state(run, tmp_path / "pieces")

    with pytest.raises(ConfigError, match="other frozen weights"):
        join_state(tmp_path / "pieces", tmp_path / "joined")


def test_a_missing_piece_is_noticed(run: Path, base: Path, tmp_path: Path) -> None:
    pieces = split_state(run, tmp_path / "pieces", largest_mib=0.5)
    pieces[-1].unlink()

    with pytest.raises(ConfigError, match="not a whole state"):
        join_state(tmp_path / "pieces", tmp_path / "joined", base=base)


def test_neither_pieces_nor_runs_are_overwritten(run: Path, base: Path, tmp_path: Path) -> None:
    split_state(run, tmp_path)

    with pytest.raises(ConfigError, match="holds pieces already"):
        split_state(run, tmp_path)
    with pytest.raises(ConfigError, match="contains a run already"):
        join_state(tmp_path, run, base=base)


def test_a_folder_without_pieces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no state"):
        join_state(tmp_path, tmp_path / "run")
