"""The simulator keeps the laws that every queue keeps, and meets the closed forms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.capacity.queueing import Clock, Cores, Process, Turns, erlang_c, mean_wait

Station = Callable[[Clock], Callable[[float], Process]]


def mean_sojourn(station: Station, *, rate: float, clips: int = 60_000) -> float:
    """Send customers with exponential service of mean 1 through a station."""
    generator = np.random.default_rng(5)
    moments = np.cumsum(generator.exponential(1 / rate, clips)).tolist()
    services = generator.exponential(1, clips).tolist()
    clock = Clock()
    serve = station(clock)
    stayed: list[float] = []

    def customer(service: float) -> Process:
        came = clock.now
        yield from serve(service)
        stayed.append(clock.now - came)

    def source() -> Process:
        for moment, service in zip(moments, services, strict=True):
            yield clock.pause(moment - clock.now)
            clock.start(customer(service))

    clock.start(source())
    clock.run()
    return float(np.mean(stayed))


def line_for(servers: int) -> Station:
    def station(clock: Clock) -> Callable[[float], Process]:
        turns = Turns(clock, servers)

        def serve(service: float) -> Process:
            yield turns.take
            yield clock.pause(service)
            turns.give()

        return serve

    return station


def shared_by_all(clock: Clock) -> Callable[[float], Process]:
    cores = Cores(clock, 1)

    def serve(service: float) -> Process:
        yield cores.work(service)

    return serve


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (1, 0.7), (3, 0.8)])
def test_a_line_waits_as_long_as_the_closed_form_says(servers: int, load: float) -> None:
    rate = servers * load

    found = mean_sojourn(line_for(servers), rate=rate)

    assert found == pytest.approx(1 + mean_wait(servers, rate, 1.0), rel=0.04)


def test_a_shared_core_keeps_customers_as_long_as_the_closed_form_says() -> None:
    found = mean_sojourn(shared_by_all, rate=0.7)

    assert found == pytest.approx(1 / (1 - 0.7), rel=0.04)


def test_erlang_c_of_one_server_is_its_load() -> None:
    assert erlang_c(1, 0.6) == pytest.approx(0.6)


def test_erlang_c_of_two_servers_is_the_textbooks_third() -> None:
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)


def test_constant_service_waits_half_as_long_as_exponential_service() -> None:
    assert mean_wait(1, 0.8, 1.0, variation=0.0) == pytest.approx(mean_wait(1, 0.8, 1.0) / 2)


def test_an_overloaded_line_waits_for_ever() -> None:
    assert mean_wait(2, 2.0, 1.0) == float("inf")


def ends_of(jobs: list[tuple[float, float, float]], *, count: float) -> list[float]:
    """Hand in work of (moment, seconds, width) and return when each is done."""
    clock = Clock()
    cores = Cores(clock, count)
    ends = [0.0] * len(jobs)

    def job(number: int, seconds: float, width: float) -> Process:
        yield cores.work(seconds, width=width)
        ends[number] = clock.now

    for number, (moment, seconds, width) in enumerate(jobs):
        clock.at(
            moment,
            lambda n=number, s=seconds, w=width: clock.start(job(n, s, w)),  # type: ignore[misc]
        )
    clock.run()
    return ends


def test_work_that_fits_beside_other_work_is_not_slowed_down() -> None:
    assert ends_of([(0.0, 1.0, 1.0), (0.5, 1.0, 1.0)], count=2) == pytest.approx([1.0, 1.5])


def test_work_that_does_not_fit_is_slowed_down_evenly_until_it_does() -> None:
    ends = ends_of([(0.0, 1.0, 2.0), (0.0, 2.0, 2.0)], count=2)

    assert ends == pytest.approx([2.0, 3.0])


def test_busy_cores_do_as_much_work_as_there_are_cores() -> None:
    generator = np.random.default_rng(2)
    jobs = [
        (0.0, float(seconds), float(width))
        for seconds, width in generator.uniform(0.5, 2.0, (40, 2))
    ]
    jobs.append((0.0, 100.0, 2.0))
    work = sum(seconds * width for _, seconds, width in jobs)

    assert max(ends_of(jobs, count=2)) == pytest.approx(work / 2)


def test_turns_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    clock = Clock()
    turns = Turns(clock, 1)
    served: list[int] = []

    def customer(number: int) -> Process:
        yield turns.take
        served.append(number)
        yield clock.pause(1.0)
        turns.give()

    for number in range(4):
        clock.start(customer(number))
    clock.run()

    assert served == [0, 1, 2, 3]
    assert clock.now == 4.0
