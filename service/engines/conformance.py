"""Check that the tensors of a loaded model match the contract, for every engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ssuformer.contract import TensorSpec
from ssuformer.errors import EngineMismatch


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """A tensor as a backend describes it; variable axes are None."""

    name: str
    dtype: str
    axes: Sequence[int | None]


def require(wanted: Sequence[TensorSpec], found: Sequence[TensorFacts], *, where: str) -> None:
    """Raise EngineMismatch unless names, types and fixed axes match the contract."""
    tensors = {tensor.name: tensor for tensor in found}
    if set(tensors) != {tensor.name for tensor in wanted}:
        raise EngineMismatch(
            f"{where} has tensors {sorted(tensors)}, the contract has {[w.name for w in wanted]}"
        )
    for want in wanted:
        have = tensors[want.name]
        if have.dtype != want.dtype or not _fits(want.axes, have.axes):
            raise EngineMismatch(
                f"{want.name} of {where} is {have.dtype} {list(have.axes)}",
                limit=f"{want.dtype} {list(want.axes)}",
                actual=f"{have.dtype} {list(have.axes)}",
            )


def _fits(wanted: Sequence[str | int], found: Sequence[int | None]) -> bool:
    return len(wanted) == len(found) and all(
        isinstance(want, str) or have is None or want == have
        for want, have in zip(wanted, found, strict=True)
    )
