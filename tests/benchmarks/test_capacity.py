"""The model of the service keeps its promises, meets the measured node, and the document tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.capacity import node_curve
from benchmarks.capacity.__main__ import CLIPS, WITHIN
from benchmarks.capacity.fleet import Card, Fleet, Gpu, Prices, Seen, Traffic, simulate
from benchmarks.capacity.node_curve import CurvePoint, Measured, ratios, simulate_curve
from benchmarks.capacity.planning import (
    CELL,
    Goal,
    enough,
    on_paper,
    plan_of,
    traffic_of,
    wait_on_paper,
)
from benchmarks.capacity.queueing import Clock, Cores, Process
from benchmarks.capacity.replica import (
    ClipWork,
    Embedded,
    Job,
    Replica,
    Visit,
    WindowWork,
    clip_work,
)
from benchmarks.capacity.service_times import ClipTimes, ServiceTimes, scaled
from benchmarks.capacity.tables import Sheet, curve_sheet, plan_row, times_sheet, write

DOCUMENT = Path("docs/capacity.md")


def clip_times(seconds: float, scale: float) -> ClipTimes:
    stages = {"probe": 0.1, "decode": 0.4, "segmentation": 0.2, "postprocess": 0.1,
              "caption": 0.1, "encode": 0.0}  # fmt: skip
    return ClipTimes(
        seconds=seconds,
        clip_bytes=round(1000 * scale),
        answer_bytes=100,
        runs=1,
        whole=1.0 * scale,
        stages={stage: value * scale for stage, value in stages.items()},
        client_cpu=0.02 * scale,
        gateway_cpu=0.68 * scale,
        decoding_cpu=0.6 * scale,
    )


TIMES = ServiceTimes(
    command="", date="2026-11-21", machine="", cores=2, height=360, width=640, foreign_cores=0.0,
    clips=(clip_times(5, 0.5), clip_times(10, 1.0)),
)  # fmt: skip
SMALL = ClipWork(
    transfer=Job(0.0),
    probe=Job(0.0),
    chunks=(Job(0.5),),
    windows=(WindowWork(1, 5, Job(0.25, 2.0), Job(0.0), Job(0.25)),),
)


def visits_of(works: list[tuple[float, ClipWork]], *, workers: int, queue: int) -> list[Visit]:
    """Send clips to one replica with two cores; return what became of each, in order of arrival."""
    clock = Clock()
    replica = Replica(clock, Cores(clock, 2), Embedded(clock), workers=workers, queue_limit=queue)
    visits: list[Visit] = []
    for due, work in works:
        clock.at(due, lambda work=work: clock.start(replica.visit(work, visits.append)))  # type: ignore[misc]
    clock.run()
    return sorted(visits, key=lambda visit: visit.due)


def test_a_clip_that_is_alone_takes_what_was_measured_of_it() -> None:
    (visit,) = visits_of([(0.0, clip_work(TIMES, 10, client=True))], workers=2, queue=16)

    assert visit.seconds == pytest.approx(1.0)


def test_a_length_between_two_measured_ones_lies_between_them() -> None:
    (visit,) = visits_of([(0.0, clip_work(TIMES, 8, client=True))], workers=2, queue=16)

    assert visit.seconds == pytest.approx(0.8)


def test_a_length_beyond_the_measured_ones_is_refused() -> None:
    with pytest.raises(ValueError, match="between 5 and 10 s"):
        clip_work(TIMES, 30, client=True)


def test_the_model_computes_as_much_as_was_measured() -> None:
    work = clip_work(TIMES, 10, client=True)

    assert work.engine_core_seconds + work.other_core_seconds == pytest.approx(0.68 + 0.6 + 0.02)


def test_a_long_clip_that_was_decoded_meanwhile_still_computes_as_much_as_was_measured() -> None:
    crowded = clip_times(30, 3.0).model_copy(update={"gateway_cpu": 1.4})
    times = TIMES.model_copy(update={"clips": (clip_times(10, 1.0), crowded)})

    work = clip_work(times, 30, client=True)

    assert work.engine_core_seconds + work.other_core_seconds == pytest.approx(
        1.4 + crowded.decoding_cpu + crowded.client_cpu
    )


def test_whoever_sends_from_elsewhere_does_not_compute_here() -> None:
    here, elsewhere = (clip_work(TIMES, 10, client=client) for client in (True, False))

    assert here.other_core_seconds - elsewhere.other_core_seconds == pytest.approx(0.02)


def test_a_long_clip_is_cut_into_the_windows_of_the_service() -> None:
    times = TIMES.model_copy(update={"clips": (clip_times(10, 1.0), clip_times(30, 3.0))})

    work = clip_work(times, 30, client=True)

    assert [(window.chunks, window.frames) for window in work.windows] == [
        (1, 10), (2, 10), (3, 10), (3, 10)
    ]  # fmt: skip
    assert len(work.chunks) == 3


def test_the_next_chunk_is_decoded_while_a_window_is_understood() -> None:
    long = replace(SMALL, chunks=SMALL.chunks * 2, windows=(SMALL.windows[0],
                   replace(SMALL.windows[0], chunks=2)))  # fmt: skip

    (visit,) = visits_of([(0.0, long)], workers=1, queue=0)

    one_after_the_other = 2 * (0.5 + 0.25 + 0.25)
    assert 0.5 + 2 * 0.5 < visit.seconds < one_after_the_other


def test_the_queue_takes_as_many_as_it_has_places_and_not_one_more() -> None:
    visits = visits_of([(0.01 * n, SMALL) for n in range(9)], workers=2, queue=3)

    assert [visit.answered is not None for visit in visits] == [True] * 5 + [False] * 4


def test_a_place_is_free_again_once_its_clip_is_answered() -> None:
    visits = visits_of([(0.0, SMALL), (0.1, SMALL), (1.1, SMALL)], workers=1, queue=0)

    assert [visit.answered is not None for visit in visits] == [True, False, True]


def test_the_engine_does_one_inference_at_a_time() -> None:
    engine_only = replace(SMALL, chunks=(Job(0.0),))

    visits = visits_of([(0.0, engine_only)] * 2, workers=2, queue=0)

    assert max(visit.seconds for visit in visits) == pytest.approx(1.0)


def test_a_card_runs_what_is_alike_together() -> None:
    clock = Clock()
    gpu = Gpu(launch_seconds=1.0, frame_gigaflop=0.0)
    card = Card(clock, gpu)
    ends: list[tuple[int, float]] = []

    def ask(frames: int) -> Process:
        yield card.infer(frames)
        ends.append((frames, clock.now))

    for frames in (10, 10, 10, 5):
        clock.start(ask(frames))
    clock.run()

    assert ends == [(10, 1.0), (10, 2.0), (10, 2.0), (5, 3.0)]


def test_groups_of_clips_keep_the_rate() -> None:
    for group in (1.0, 4.0):
        moments = list(Traffic(10.0, (SMALL,), clips=40_000, group=group).arrivals())

        assert len(moments) / moments[-1] == pytest.approx(10.0, rel=0.05)


def test_the_balancer_that_looks_keeps_the_slow_ones_faster_than_the_one_that_throws_dice() -> None:
    traffic = Traffic(10.0, (SMALL,), clips=4_000)

    dice, looking = (
        simulate(Fleet(10), replace(traffic, routing=routing)) for routing in ("random", "least")
    )

    assert looking.p99 < dice.p99


def test_enough_is_the_first_count_that_meets_the_goal() -> None:
    traffic, goal = Traffic(10.0, (SMALL,), clips=4_000), Goal(p99_seconds=3.0)

    fleet, seen = enough(traffic, goal, gpu=False)

    assert goal.met(seen)
    assert fleet.replicas > on_paper(traffic, goal, gpu=False).replicas
    assert not goal.met(simulate(Fleet(fleet.replicas - 1), traffic))


def test_the_wait_on_paper_is_near_the_simulated_one_at_moderate_load() -> None:
    cpu_only = replace(SMALL, windows=(WindowWork(1, 5, Job(0.0), Job(0.0), Job(0.0)),))
    traffic, fleet = Traffic(2.6, (cpu_only,), clips=40_000), Fleet(1)

    seen = simulate(fleet, traffic)

    assert seen.waited == pytest.approx(wait_on_paper(traffic, fleet), rel=0.1)


@pytest.fixture(scope="module")
def measured() -> Measured:
    return node_curve.read()


def worst_of(measured: Measured) -> float:
    """Return how far the simulation is off, in the figure and at the rate where it is worst."""
    pairs = zip(simulate_curve(measured), measured.curve, strict=True)
    return max(abs(ratio - 1) for pair in pairs for ratio in ratios(*pair).values())


def test_every_figure_of_the_simulation_meets_the_measured_node(measured: Measured) -> None:
    assert len(measured.curve) >= 5
    assert worst_of(measured) <= WITHIN


@pytest.mark.parametrize("factor", [0.7, 1.3])
def test_times_that_are_off_are_found_out(measured: Measured, factor: float) -> None:
    others = tuple(scaled(one, factor) for one in measured.alone)

    assert worst_of(measured.model_copy(update={"alone": others})) > WITHIN


def test_a_rate_is_simulated_with_the_times_of_its_own_minutes(measured: Measured) -> None:
    rates = len(measured.curve)
    before = simulate_curve(measured)
    slow_end = (*measured.alone[:-1], scaled(measured.alone[-1], 2.0))

    after = simulate_curve(measured.model_copy(update={"alone": slow_end}))

    assert after[: rates - 1] == before[: rates - 1]
    assert after[-1].mean > before[-1].mean


def rows_of(name: str) -> list[tuple[str, ...]]:
    """Return the cells of a table in the document, without its head."""
    section = DOCUMENT.read_text().split(f"<!-- {name} -->\n")[1].split("\n<!--")[0]
    lines = section.splitlines()[2:]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


def test_the_document_shows_what_was_measured(measured: Measured) -> None:
    assert rows_of("times") == list(times_sheet(measured).rows)
    assert rows_of("curve") == list(curve_sheet(measured, simulate_curve(measured)).rows)


def test_the_document_shows_the_fleets_that_the_simulation_says(measured: Measured) -> None:
    seen: dict[tuple[int, int], Seen] = {}
    traffic = traffic_of(measured, CELL, clips=CLIPS)
    for row in rows_of("plans"):
        rate, replicas, gpus = (float(cell.replace(",", "")) for cell in row[:3])
        cells = max(1.0, rate / CELL)
        cell = Fleet(round(replicas / cells), round(gpus / cells))
        key = cell.replicas, cell.gpus
        if key not in seen:
            seen[key] = simulate(cell, replace(traffic, rate=rate / cells))

        plan = plan_of(replace(traffic, rate=rate), cell, seen[key], Goal(), Prices())

        assert plan_row(plan) == row
        assert Goal().met(plan.seen)


def test_a_table_is_put_where_its_name_stands(tmp_path: Path) -> None:
    document = tmp_path / "text.md"
    document.write_text("before\n<!-- a -->\nold\n<!-- /a -->\nafter\n")

    write(document, [Sheet("a", "", ("x", "y"), (("1", "2"),))])

    assert document.read_text() == (
        "before\n<!-- a -->\n| x | y |\n| --- | --- |\n| 1 | 2 |\n<!-- /a -->\nafter\n"
    )


def test_a_refused_clip_has_no_seconds() -> None:
    with pytest.raises(ValueError, match="refused"):
        _ = Visit(0.0).seconds


def test_a_point_of_the_curve_counts_the_refused() -> None:
    pod = Measured(alone=(TIMES,), workers=2, queue_limit=2, curve=()).pod

    levels = [
        node_curve.simulate_level(TIMES, pod, per_second=8.0, seconds=10.0, seed=seed)
        for seed in range(2)
    ]
    point = CurvePoint.of(levels)

    assert point.sent == sum(len(level.answered) for level in levels) + point.refused
    assert point.refused > 0
