"""Training that saves memory: what is within a block is computed again for its gradient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint


def recompute_blocks(encoder: nn.Module) -> int:
    """Let every block of an encoder keep only its inputs for its gradient; return their number.

    Blocks are the elements of the innermost module lists. The gradients stay the same.
    """
    found = list(_blocks(encoder))
    for block in found:
        block.forward = partial(
            checkpoint, block.forward, use_reentrant=False, context_fn=partial(_contexts, block)
        )
    return len(found)


def _blocks(encoder: nn.Module) -> Iterator[nn.Module]:
    for several in encoder.modules():
        if isinstance(several, nn.ModuleList):
            for block in several:
                if not any(isinstance(part, nn.ModuleList) for part in block.modules()):
                    yield block


def _contexts(
    block: nn.Module,
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _statistics_counted(block)


@contextmanager
def _statistics_counted(block: nn.Module) -> Iterator[None]:
    """Let BatchNorm leave its running statistics alone: they have counted this batch already."""
    norms = [part for part in block.modules() if isinstance(part, nn.BatchNorm2d)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        # A momentum of 0 leaves the statistics as they are; what counts batches is a copy.
        norm.momentum = 0.0
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked = norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, (momentum, counted) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, counted
