"""The servers that are compared must give the same answers; here they answer by heart."""

import json
import os
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from benchmarks.peer import OURS, PEER, Body, Server, require_same
from benchmarks.plain import Frames, regions_of
from ssuformer.errors import ConfigError
from tests.service.made_answer import answer, region

CLIP = Path("clip.mp4")
BODY: Body = ({}, b"")
LEFT = np.pad(np.ones((24, 20), np.bool_), ((10, 14), (4, 40)))


@dataclass(frozen=True, slots=True)
class ByHeart(Server):
    """A server that gives one answer to everything."""

    said: Any = None

    def post(self, body: Body) -> Any:  # noqa: ANN401, ARG002
        return deepcopy(self.said)


def servers(theirs: Frames) -> tuple[Server, Server]:
    process = psutil.Process(os.getpid())
    return ByHeart(OURS, 0, process, SAID), ByHeart(PEER, 0, process, {"frames": theirs})


SAID: dict[str, Any] = json.loads(answer([[region(LEFT)], []]).model_dump_json())


def test_the_same_regions_in_other_fields_are_the_same_answer() -> None:
    require_same(servers(regions_of(SAID)), [CLIP], [BODY])


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("mask", region(np.roll(LEFT, 1, axis=1)).model_dump(mode="json")["mask"]),
        ("category", "dog"),
        ("score", 0.8999),
        ("description", "a dog barks."),
    ],
)
def test_an_answer_that_differs_in_one_field_of_one_region_is_refused(
    field: str, other: object
) -> None:
    theirs = regions_of(SAID)
    theirs[0][0][field] = other

    with pytest.raises(ConfigError, match=r"clip\.mp4 differ"):
        require_same(servers(theirs), [CLIP], [BODY])


def test_a_region_too_many_or_a_second_too_few_is_refused() -> None:
    frames = regions_of(SAID)

    for theirs in ([frames[0] * 2, frames[1]], frames[:1]):
        with pytest.raises(ConfigError):
            require_same(servers(theirs), [CLIP], [BODY])
