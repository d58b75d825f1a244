"""Damaged clips: that they are damaged as they should be, and 500 of them through the service."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.fuzz import Case, Tally, app, case_of, judged
from benchmarks.fuzzing.mutations import MUTATIONS
from benchmarks.fuzzing.seeds import made_seeds
from benchmarks.fuzzing.targets import Asked, Outcome, Target, opened
from benchmarks.fuzzing.units import units_of
from ssuformer.clip import Sampling, read_clip


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return made_seeds(tmp_path_factory.mktemp("seeds"))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Target]:
    with opened("fake", tmp_path) as target:
        yield target


def test_there_are_a_hundred_seeds_of_every_container(seeds: dict[str, bytes]) -> None:
    containers = Counter(name.partition("-")[0] for name in seeds)

    assert len(seeds) >= 100
    assert set(containers) >= {
        *("mp4", "mov", "3gp", "matroska", "webm", "avi", "mpegts", "flv", "ogg"),
    }


@pytest.mark.parametrize(
    "name",
    [
        *("mp4-libx264-aac", "mp4-fragmented", "matroska-libx264-aac", "mpegts-libx264-aac"),
        *("avi-mpeg4-mp2", "flv-flv-libmp3lame", "ogg-libvpx-libopus"),
    ],
)
def test_the_parts_of_a_container_are_found(seeds: dict[str, bytes], name: str) -> None:
    clip = seeds[name]

    units = units_of(clip)

    assert len(units) > 10
    assert all(0 <= one.start < one.end <= len(clip) for one in units)
    assert any(one.times for one in units)
    fields = [field for one in units for field in (*one.times, one.length) if field]
    assert all(field.at + field.width <= len(clip) for field in fields)


def test_a_mutation_is_made_again_by_its_number_and_each_kind_changes_something(
    seeds: dict[str, bytes],
) -> None:
    cases = [case_of(number, seeds) for number in range(300)]

    assert cases[7] == case_of(7, seeds)
    assert sum(case.clip != seeds[case.seed] for case in cases) > 280
    assert len(MUTATIONS) > 10


def test_a_slice_of_mpeg4_that_may_end_where_it_does_is_judged_alike_each_time(
    seeds: dict[str, bytes],
) -> None:
    case = case_of(27517, seeds)
    sampling = Sampling(**asdict(case.asked))
    processors = os.sched_getaffinity(0)

    os.sched_setaffinity(0, {min(processors)})
    try:
        with ThreadPoolExecutor(4) as readers:
            clips = list(readers.map(lambda _: read_clip(case.clip, sampling=sampling), range(60)))
    finally:
        os.sched_setaffinity(0, processors)

    assert case.seed == "mov-mpeg4-aac"
    assert {clip.warnings for clip in clips} == {clips[0].warnings}
    assert {clip.frames.tobytes() for clip in clips} == {clips[0].frames.tobytes()}
    assert "pictures_damaged" in [warning.code for warning in clips[0].warnings]


def test_500_damaged_clips_crash_nothing_cost_little_and_are_answered_alike(
    seeds: dict[str, bytes], service: Target
) -> None:
    found = []
    answers: Counter[int] = Counter()
    for number in range(500):
        case = case_of(number, seeds)
        outcome, kinds = judged(case, service)
        found += [(case.name, kind) for kind in kinds if kind not in {"costly", "slow"}]
        answers[outcome.status if outcome else 0] += 1

    assert found == []
    assert set(answers) <= {200, 400, 413, 415, 422}
    assert answers[200] > 100
    assert answers[422] > 50


class Moody:
    """Answers each time in another way, and at last not at all."""

    def __init__(self) -> None:
        self.asked = 0

    def ask(self, clip: bytes, asked: Asked) -> Outcome:  # noqa: ARG002
        self.asked += 1
        if self.asked > 2:
            raise ConnectionError("gone")
        return Outcome(503, "x", str(self.asked), 11.0, 20.0, ("decode_failed:SIGSEGV",))


def test_what_goes_wrong_is_counted_by_kind() -> None:
    target, case = Moody(), Case("a", 1, Asked(), b"x")

    _, kinds = judged(case, target)
    gone = judged(case, target)

    assert kinds == ["5xx", "slow", "costly", "differs", "decode_failed-SIGSEGV"]
    assert gone == (None, ["crash"])


def test_a_run_goes_on_where_it_was_stopped_and_a_find_is_sent_again(
    seeds: dict[str, bytes], tmp_path: Path
) -> None:
    few, out = tmp_path / "few", tmp_path / "out"
    few.mkdir()
    for name in ("mp4-libx264-aac", "matroska-libx264-aac"):
        (few / name).write_bytes(seeds[name])
    command = ["--out", str(out), "--seeds", str(few), "--target", "pool"]

    for mutations in ("3", "5"):
        done = CliRunner().invoke(app, ["run", mutations, *command])
        assert done.exit_code == 0, done.output
    tally = Tally.read(out / "progress.json")
    find = out / "differs-a-1"
    find.write_bytes(seeds["mp4-libx264-aac"])
    find.with_name("differs-a-1.json").write_text(json.dumps({"asked": {"fps": 1.0, "start": 0.0}}))
    again = CliRunner().invoke(app, ["replay", str(find)])

    assert tally.done == sum(tally.answers.values()) == 5
    assert '"status": 200' in again.output
