import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from importlib import metadata
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from service.cli import app, diagnosis, installation
from service.cli.tables import seconds_of, where
from service.cli.temporary_service import hosted
from service.engines.fake import FakeEngine
from service.film.answer_masks import mask_of, text_of
from service.understanding.mask_formats import NAMES, MaskFormat, write_mask
from service.understanding.sandbox import layers, probe
from service.understanding.schemas import Heard, Understanding
from ssuformer.contract import CAPTION, SEGMENTATION
from ssuformer.manifest import Manifest, digest
from tests.service.conftest import small_settings
from tests.service.made_answer import answer, region
from tests.ssuformer.footage import Footage

TRY = Path(__file__).parents[3] / "scripts" / "try"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A service with the fake engine, on a port of this machine."""
    with hosted(small_settings(log_level="error", max_bytes=2**20)) as address:
        yield address


@pytest.fixture
def film(tmp_path: Path, clip: bytes) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(clip)
    return path


def ssu(*arguments: object, **environment: str) -> Result:
    """Run the command line as from a shell."""
    return CliRunner(env={"COLUMNS": "120", **environment}).invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize(
    "command",
    [
        "", "understand", "watch", "export", "serve", "triton", "models", "doctor", "jobs",
        "jobs submit", "jobs list", "jobs show", "jobs wait", "jobs cancel",
    ],
)  # fmt: skip
def test_every_command_explains_itself_with_examples(command: str) -> None:
    result = ssu(*command.split(), "--help")

    assert result.exit_code == 0
    assert "Examples" in result.output
    assert "ssu " in result.output


def test_help_does_not_wait_for_what_commands_need() -> None:
    heavy = ("av", "fastapi", "httpx", "numpy", "onnxruntime", "pydantic", "ssu")
    script = f"import sys, service.cli; print(*[n for n in {heavy} if n in sys.modules])"

    imported = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert imported.stdout == "\n"


def test_version_is_the_projects() -> None:
    result = ssu("--version")

    assert result.exit_code == 0
    assert result.output.startswith("ssu 0.")


def test_understand_prints_every_second_with_its_track_and_sentence(
    address: str, film: Path
) -> None:
    result = ssu("understand", film, "--url", address)

    assert result.exit_code == 0, result.output
    rows = {line.split()[0]: line for line in result.output.splitlines() if line.strip()}
    assert "silence" in rows["0:00.5"]
    assert "■ 1" in rows["0:01.5"]
    assert "a bell is ringing." in rows["0:01.5"]
    assert "top" in rows["0:01.5"]
    assert "a lamp is humming." in result.output
    assert "real time" in rows["time"]


def test_understand_prints_what_is_to_be_doubted(address: str, tmp_path: Path) -> None:
    faint = tmp_path / "faint.mp4"
    faint.write_bytes(Footage(beep=(0, 4), gains=(0.001,)).make())

    result = ssu("understand", faint, "--url", address)

    assert result.exit_code == 0, result.output
    assert "quiet_audio: the loudest second has -" in result.output


def test_what_is_heard_but_not_seen_is_printed_in_its_second() -> None:
    heard = Heard(category="dog", score=0.8, region=None, description="a dog barks out of sight")
    out = Console(width=120, file=StringIO(), record=True)

    out.print(seconds_of(answer([[], [region(np.ones((4, 4), bool))]], heard=[heard])))

    first, second, third = out.export_text().splitlines()[1:]
    assert first.split(maxsplit=1) == ["0:00.5", "heard, not seen: dog barks"]
    assert "a bell is ringing." in second
    assert third.strip() == "heard, not seen: dog barks"


def test_understand_leaves_answer_overlay_and_sheet_in_the_folder(
    address: str, film: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "out"

    result = ssu("understand", film, "--url", address, "--out", out)

    assert result.exit_code == 0, result.output
    names = {"film.json", "film.overlay.mp4", "film.sheet.png"}
    assert {path.name for path in out.iterdir()} == names
    assert all(name in result.output for name in names)
    answer = Understanding.model_validate_json((out / "film.json").read_bytes())
    assert answer.mask_size == (48, 64)


def test_a_clip_that_comes_through_a_pipe_is_read_once_and_used_as_a_file(
    address: str, film: Path, tmp_path: Path
) -> None:
    pipe, out = tmp_path / "pipe", tmp_path / "out"
    os.mkfifo(pipe)
    writer = Thread(target=lambda: pipe.write_bytes(film.read_bytes()))
    writer.start()

    result = ssu("understand", pipe, "--url", address, "--out", out)

    writer.join()
    assert result.exit_code == 0, result.output
    assert "a bell is ringing." in result.output
    assert {path.name for path in out.iterdir()} == {
        "pipe.json", "pipe.overlay.mp4", "pipe.sheet.png"
    }  # fmt: skip


def test_folders_are_searched_and_patterns_are_matched(address: str, film: Path) -> None:
    inner = film.parent / "season" / "one"
    inner.mkdir(parents=True)
    for name in ("a.MP4", "b.webm", "b.overlay.mp4", "notes.txt", ".c.mp4.part"):
        shutil.copy(film, inner / name)
    out = film.parent / "out"
    quick = ("--no-overlay", "--no-sheet", "--url", address, "--out", out)

    folder = ssu("understand", film.parent / "season", *quick)
    pattern = ssu("understand", film, f"{film.parent}/**/*.webm", film.parent / "*.mp4", *quick)

    assert folder.exit_code == pattern.exit_code == 0, folder.output + pattern.output
    assert [line for line in folder.stdout.splitlines() if line.startswith("answer")] == [
        f"answer  {out}/a.json", f"answer  {out}/b.json"
    ]  # fmt: skip
    assert [line for line in pattern.stdout.splitlines() if line.startswith("answer")] == [
        f"answer  {out}/film.json", f"answer  {out}/b.json"
    ]  # fmt: skip


def test_a_terminal_shows_how_many_clips_are_done(address: str, film: Path) -> None:
    screen, end = os.openpty()
    shutil.copy(film, film.parent / "other.mp4")
    command = [sys.executable, "-m", "service.cli", "understand", str(film.parent), "--url"]

    with subprocess.Popen([*command, address], stdout=subprocess.PIPE, stderr=end) as process:
        os.close(end)
        shown = bytearray()
        with suppress(OSError):  # the terminal is closed
            while piece := os.read(screen, 4096):
                shown += piece
        printed = process.communicate(timeout=60)[0]
    os.close(screen)

    assert process.returncode == 0
    assert b"0 of 2 clips" in shown
    assert b"1 of 2 clips" in shown
    assert b"film.mp4" in shown
    assert printed.count(b"a bell is ringing.") >= 2
    assert b"clips" not in printed


@pytest.mark.parametrize("name", ["nowhere.mp4", "*.mkv", "empty"])
def test_a_name_that_leads_to_no_clip_is_told_before_any_is_sent(film: Path, name: str) -> None:
    (film.parent / "empty").mkdir()

    result = ssu("understand", film, film.parent / name, "--url", "http://127.0.0.1:1")

    assert result.exit_code == 1
    assert "file_unreadable" in result.stderr
    assert name in result.stderr


def test_understand_sends_the_options_it_was_given(address: str, film: Path) -> None:
    options = ("--fps", 2, "--start", 1, "--end", 2, "--no-captions", "--min-score", 0.85)
    tracks = ("--video-track", 0, "--audio-track", 0, "--mask-format", "none")

    result = ssu("understand", film, "--url", address, "--json", *tracks, *options)

    answer = Understanding.model_validate_json(result.stdout)
    assert [frame.time for frame in answer.frames] == [1.25, 1.75]
    found = [region for frame in answer.frames for region in frame.regions]
    assert {(region.score, region.mask, region.description) for region in found} == {
        (0.9, None, None)
    }


def test_a_problem_is_told_with_code_limit_and_actual_value_and_the_others_go_on(
    address: str, film: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "empty.mp4"
    broken.write_bytes(b"")

    result = ssu("understand", broken, film, "--url", address)

    assert result.exit_code == 1
    assert "clip_empty" in result.stderr
    assert str(broken) in result.stderr
    assert "a bell is ringing." in result.stdout


def test_a_clip_that_is_too_large_is_told_with_its_size(address: str, tmp_path: Path) -> None:
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(3 * 2**20)

    result = ssu("understand", large, "--url", address)

    assert result.exit_code == 1
    assert "clip_too_large" in result.stderr
    assert "limit 1048576" in result.stderr
    assert "actual 3145728" in result.stderr


def test_a_problem_with_an_option_names_it(address: str, film: Path) -> None:
    result = ssu("understand", film, "--url", address, "--fps", 99)

    assert result.exit_code == 1
    assert "option_invalid" in result.stderr
    assert "fps" in result.stderr


def test_without_an_address_a_service_is_started_and_stopped(film: Path) -> None:
    result = ssu("understand", film, "--engine", "fake")

    assert result.exit_code == 0, result.output
    assert "a bell is ringing." in result.output


def test_a_service_that_is_not_there_is_said_to_be_out_of_reach(film: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        port = closed.getsockname()[1]

    result = ssu("understand", film, "--url", f"http://127.0.0.1:{port}")

    assert result.exit_code == 1
    assert "service_unreachable" in result.stderr


def repository(folder: Path) -> Path:
    """Write a repository whose models are whole but empty."""
    for name in (SEGMENTATION, CAPTION):
        version = folder / name / "1"
        version.mkdir(parents=True)
        model = version / "model.onnx"
        model.write_bytes(name.encode())
        values: dict[str, Any] = FakeEngine().facts.manifest.model_dump()
        values |= {"name": "bells", "version": "7", "created": datetime(2025, 1, 1, tzinfo=UTC)}
        values |= {"metrics": {"val": {"mIoU": 0.612}, "test": {"mIoU": 0.587, "F": 0.7}}}
        values |= {"digests": {"model.onnx": digest(model)}}
        Manifest.model_validate(values).write(version)
    return folder


def test_models_shows_the_local_repository_with_metrics_and_sizes(tmp_path: Path) -> None:
    result = ssu("models", "--models", repository(tmp_path))

    assert result.exit_code == 0, result.output
    for shown in ("bells 7", "mIoU", "0.612", "0.587", "sounding 0.5", "bell, lamp", "MiB"):
        assert shown in result.output


def test_models_shows_what_a_service_has_loaded(address: str) -> None:
    result = ssu("models", "--url", address)

    assert result.exit_code == 0, result.output
    assert "fake 0" in result.output
    assert "0" * 64 in result.output


def test_serve_tells_programs_where_it_listens() -> None:
    command = [sys.executable, "-m", "service.cli", "serve", "--engine", "fake", "--json"]
    ports = ["--port", "0", "--metrics-port", "0"]
    with subprocess.Popen(
        [*command, *ports], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        lines = map(json.loads, process.stdout)
        told = next(line for line in lines if line["event"] == "serving")
        process.terminate()
        process.communicate(timeout=60)

    assert told["web"].startswith("http://127.0.0.1:")
    assert told["metrics"].endswith("/metrics")


def test_models_and_doctor_tell_programs_the_same_as_people(address: str, tmp_path: Path) -> None:
    (remote,) = json.loads(ssu("models", "--url", address, "--json").stdout)["models"]
    local = json.loads(ssu("models", "--models", repository(tmp_path), "--json").stdout)
    checks = json.loads(ssu("doctor", "--models", tmp_path, "--json").stdout)["checks"]

    assert (remote["name"], remote["digest"]) == ("fake", "0" * 64)
    assert local["models"][0]["name"] == "bells"
    assert sorted(local["bytes"].values()) == sorted([len(SEGMENTATION), len(CAPTION)])
    verdicts = {check["name"]: check["verdict"] for check in checks}
    assert verdicts["models"] == verdicts["python"] == "good"


def test_models_says_which_model_is_missing(tmp_path: Path) -> None:
    result = ssu("models", "--models", tmp_path)

    assert result.exit_code == 1
    assert "engine_unavailable" in result.stderr
    assert SEGMENTATION in result.stderr


def test_serve_refuses_to_start_without_models(tmp_path: Path) -> None:
    result = ssu("serve", "--models", tmp_path, "--port", 0)

    assert result.exit_code == 1
    assert "engine_unavailable" in result.stderr


def test_a_wrong_setting_is_named() -> None:
    result = ssu("serve", "--engine", "steam")

    assert result.exit_code == 1
    assert "config_invalid" in result.stderr
    assert "SSU_ENGINE is 'steam'" in result.stderr


def test_doctor_finds_all_that_is_needed(tmp_path: Path) -> None:
    result = ssu("doctor", "--models", repository(tmp_path))

    assert result.exit_code == 0, result.output
    for shown in ("python", "pydantic", "CPUExecutionProvider", "libavcodec", "h264", "webm"):
        assert shown in result.output
    assert "bells 7" in result.output


def test_doctor_names_the_layers_of_the_sandbox(tmp_path: Path) -> None:
    result = ssu("doctor", "--models", repository(tmp_path))

    for layer in layers.REQUIRED:
        assert layer.value in result.output


def test_doctor_says_that_the_sandbox_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSU_SANDBOX", "off")

    result = ssu("doctor", "--models", repository(tmp_path))

    assert result.exit_code == 0, result.output
    assert "unset SSU_SANDBOX" in result.output


def test_doctor_and_start_fail_where_a_required_layer_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSU_SANDBOX", "required")
    monkeypatch.setattr(probe, "available", lambda: {layers.Layer.NOT_DUMPABLE: layers.ON})

    examined = ssu("doctor", "--models", repository(tmp_path))
    started = ssu("serve", "--engine", "fake", "--port", "0")

    assert examined.exit_code == started.exit_code == 1
    assert "system_calls (not tried)" in " ".join(examined.output.split())
    assert "system_calls: not tried" in " ".join(started.stderr.split())


def test_doctor_ends_with_one_and_the_remedy_if_models_are_missing(tmp_path: Path) -> None:
    result = ssu("doctor", "--models", tmp_path)

    assert result.exit_code == 1
    assert "missing" in result.output
    assert "python -m model_export export CHECKPOINT --out" in result.output


def test_doctor_ends_with_one_if_the_models_are_not_what_they_say(tmp_path: Path) -> None:
    folder = repository(tmp_path)
    (folder / CAPTION / "1" / "model.onnx").write_bytes(b"something else")

    result = ssu("doctor", "--models", folder)

    assert result.exit_code == 1
    assert "engine_mismatch" in result.output


def test_doctor_says_when_both_runtimes_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "version_of", lambda name: f"of {name}")

    checks = list(diagnosis.examine(small_settings(), port=1))

    clash = next(check for check in checks if "both are installed" in check.found)
    assert clash.verdict == "warning"
    assert "pip uninstall" in clash.mend


def test_doctor_names_the_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "version_of", lambda name: None if name == "av" else "1")

    checks = {check.name: check for check in diagnosis.examine(small_settings(), port=1)}

    assert checks["packages"].verdict == "missing"
    assert checks["packages"].found == "missing: av"
    assert "pip install" in checks["packages"].mend


def test_doctor_says_when_the_port_is_taken_and_threads_are_too_many() -> None:
    settings = small_settings(engine_threads=4096)

    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        checks = {check.name: check for check in diagnosis.examine(settings, port=port)}

    assert checks["port"].verdict == "warning"
    assert checks["cores"].verdict == "warning"
    assert checks["cores"].mend.startswith("export SSU_ENGINE_THREADS=")


def test_required_packages_are_those_of_the_client_and_the_server_without_other_extras(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stated = [
        "httpx>=0.28", "av<19,>=18.1; extra == 'server'", "torch==2.13.0; extra == 'train'",
        'uvicorn[standard]>=0.40; extra == "server"', "ssuformer[server]; extra == 'cpu'",
    ]  # fmt: skip
    monkeypatch.setattr(metadata, "requires", lambda _: stated)

    assert installation.required_packages() == ["av", "httpx", "uvicorn"]


@pytest.mark.parametrize("kind", NAMES)
def test_a_mask_is_read_in_whichever_form_it_came(kind: MaskFormat) -> None:
    mask = np.zeros((20, 30), bool)
    mask[3:12, 5:25] = True
    if kind != "none":
        mask[5:8, 9:14] = False
        mask[0, 0] = mask[19, 29] = True
    written = region(mask).model_copy(update={"mask": write_mask(mask, kind)})

    assert (mask_of(written, (20, 30)) == mask).all()


def test_the_help_names_every_form_that_a_mask_may_have() -> None:
    result = ssu("understand", "--help", COLUMNS="200")

    assert all(name in result.output for name in NAMES)


def test_a_region_without_a_sentence_is_called_by_its_category() -> None:
    assert text_of(region(np.ones((2, 2), bool), text=None)) == "bell, 90%"


@pytest.mark.parametrize(
    ("bbox", "words"),
    [
        ((0, 0, 10, 10), "top left"),
        ((40, 40, 20, 20), "centre"),
        ((90, 90, 10, 10), "bottom right"),
    ],
)
def test_places_are_said_in_words(bbox: tuple[int, int, int, int], words: str) -> None:
    assert where(bbox, (100, 100)) == words


def run_try(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TRY, *arguments],
        env={**os.environ, **environment},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def test_try_explains_itself() -> None:
    result = run_try("--help")

    assert result.returncode == 0
    assert "scripts/try --keep" in result.stdout


def test_try_says_which_file_is_not_there() -> None:
    result = run_try("/nowhere.mp4")

    assert result.returncode == 1
    assert "/nowhere.mp4" in result.stderr


def test_try_says_that_python_is_too_old(tmp_path: Path, film: Path) -> None:
    old = tmp_path / "python-old"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.1\nexit 1\n')
    old.chmod(0o755)

    result = run_try(str(film), PYTHON=str(old), SSU_VENV=str(tmp_path / "venv"))

    assert result.returncode == 1
    assert "Python 3.9.1 is too old, 3.11 or newer is needed" in result.stderr


def test_json_on_standard_output_is_nothing_but_the_answer(address: str, film: Path) -> None:
    result = ssu("understand", film, "--url", address, "--json", "--out", film.parent / "out")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == json.loads((film.parent / "out/film.json").read_bytes())
    assert "film.sheet.png" in result.stderr
