"""Progress of training is seen on a narrow terminal, and in a file from the first step on."""

from __future__ import annotations

import io

from rich.console import Console

from training.progress import Progress

LOSSES = {f"loss_{n}": 1.0 for n in range(9)}


def test_steps_and_time_left_are_whole_at_80_columns() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=80, color_system=None)

    with Progress(1_000_000, 123_455, console=console) as progress:
        progress.advance(123_456, LOSSES)

    last = max(text.getvalue().splitlines(), key=len)
    assert len(last.split("\r")[-1]) <= 80 + len("\x1b[2K")
    assert "123456/1000000" in last
    assert "0:00:0" in last
    assert "-:--:--" in last or last.count(":") >= 4
    assert "loss_0" in last


def test_a_file_is_told_of_the_first_step_and_then_now_and_again() -> None:
    text = io.StringIO()

    with Progress(10, console=Console(file=text, width=80)) as progress:
        progress.advance(1, LOSSES)
        progress.advance(2, LOSSES)

    lines = text.getvalue().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("1/10 ")
    assert "min left" in lines[0]


def test_a_line_is_no_markup() -> None:
    text = io.StringIO()

    with Progress(1, console=Console(file=text, width=80)) as progress:
        progress.say("saved in runs[old]/x[/y]")

    assert text.getvalue() == "saved in runs[old]/x[/y]\n"
