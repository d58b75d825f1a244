"""What a gateway holds is there from the start, and gone at the end, however it ends."""

import asyncio
import io

import pytest

from service.engines.fake import FakeEngine
from service.gateway import Gateway
from ssuformer.errors import EngineMismatch
from tests.service.conftest import children, small_settings

pytestmark = pytest.mark.anyio


class UnusableEngine(FakeEngine):
    """Has the wrong weights, and says so once decoding processes are there."""

    def __init__(self, gateway: Gateway, *, when_warm: bool) -> None:
        super().__init__()
        self.closed = 0
        self._gateway = gateway
        self._when_warm = when_warm
        self.seen: list[int] = []

    async def check(self, model: str) -> None:
        while not (self._gateway.pool.ready if self._when_warm else children()):
            await asyncio.sleep(0.01)
        self.seen = children()
        raise EngineMismatch(f"{model} has other weights")

    async def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("when_warm", [False, True], ids=["while they start", "once warm"])
async def test_no_decoding_process_is_left_when_the_model_cannot_be_loaded(
    *, when_warm: bool
) -> None:
    gateway = Gateway.build(small_settings(workers=2), io.StringIO())
    engine = UnusableEngine(gateway, when_warm=when_warm)

    with pytest.raises(EngineMismatch, match="has other weights"):
        async with gateway.running(engine):
            pass

    assert engine.seen
    assert children() == []
    assert engine.closed == 1
    assert gateway.reasons_not_ready() == ["starting"]


async def test_nothing_is_left_when_it_is_stopped() -> None:
    gateway = Gateway.build(small_settings(), io.StringIO())

    async with gateway.running():
        assert len(children()) == 1

    assert children() == []
    assert gateway.draining
