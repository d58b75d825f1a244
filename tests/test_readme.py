"""Every command of the README is run, here or by the script that is named here."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest

from service.cli.temporary_service import free_port

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
FOREIGN = {
    "pip install '.[cpu]'": ("scripts/try", '"$root[cpu]"'),
    "pip install '.[cpu,triton]'": ("scripts/check", "[cpu,triton,"),
    "pip install '.[cpu,train,export,packs]'": ("scripts/check", "train,export,packs"),
    "docker build --target gateway": (
        "scripts/image-test",
        "docker build --quiet",
    ),
    "kubectl apply -k k8s/overlays/dev": ("tests/k8s/rendering.py", "overlays/dev"),
    "ssu triton": ("tests/service/cli/test_triton.py", '"triton"'),
    "scripts/triton-environment": ("scripts/check", "scripts/triton-environment"),
    "scripts/try": (".ci/run", "scripts/try"),
    "scripts/check": (".ci/run", "scripts/check"),
}
"""Where a command is run that needs more than this machine, or is a stage of its own."""
SERVED = ("ssu serve", "ssu understand", "ssu export", "ssu models", "ssu doctor", "curl ")
"""These run against one service, in the order of the README."""


def blocks() -> Iterator[list[str]]:
    for block in re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL):
        yield [line.split("  #")[0].rstrip() for line in block.splitlines() if line.strip()]


LINES = [line for block in blocks() for line in block]
MENTIONED = re.findall(r"`((?:python -m|ssu) [a-z][^`\n]*)`", README)
COMMANDS = sorted({line for line in [*LINES, *MENTIONED] if re.match(r"(python -m|ssu) ", line)})


@pytest.mark.parametrize("line", LINES)
def test_every_command_is_run_somewhere(line: str) -> None:
    file, marker = next((v for k, v in FOREIGN.items() if line.startswith(k)), ("", ""))

    here = line in COMMANDS or line.startswith(SERVED)
    assert here or marker in (ROOT / file).read_text(), line


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_and_each_of_its_options_exists(line: str) -> None:
    words = shlex.split(line)
    module, rest = (words[2], words[3:]) if words[0] == "python" else ("service.cli", words[1:])
    subcommands = list(itertools.takewhile(re.compile(r"[a-z]+$").match, rest))
    options = [word for word in rest if word.startswith("--")]

    helped = subprocess.run(
        [sys.executable, "-m", module, *subcommands, "--help"],
        capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "200"},
    )  # fmt: skip

    assert helped.returncode == 0, helped.stderr
    assert [option for option in options if option not in helped.stdout] == []


@contextmanager
def service(line: str, port: int, folder: Path) -> Iterator[None]:
    words = shlex.split(line.replace("8000", str(port)))
    log = (folder / "service.log").open("w")
    with (
        log,
        subprocess.Popen(
            [*words, "--metrics-port", "0"], cwd=folder, stdout=log, stderr=log, env=environment()
        ) as process,
    ):
        try:
            transport = httpx.HTTPTransport(retries=0)
            with httpx.Client(transport=transport, trust_env=False) as client:
                wait_until_ready(client, f"http://127.0.0.1:{port}/readyz", process)
            yield
        finally:
            process.terminate()


def environment() -> dict[str, str]:
    return os.environ | {
        "SSU_MODEL_REPOSITORY": str(ROOT / "triton_repo"),
        "SSU_DRAIN_SECONDS": "0",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


def wait_until_ready(client: httpx.Client, address: str, process: subprocess.Popen[bytes]) -> None:
    end = monotonic() + 60
    while monotonic() < end and process.poll() is None:
        try:
            if client.get(address).status_code == 200:
                return
        except httpx.TransportError:
            pass
        sleep(0.1)
    raise AssertionError("the service did not become ready")


def test_what_the_readme_does_with_a_service_works(tmp_path: Path) -> None:
    (lines,) = (block for block in blocks() if any(line.startswith("curl") for line in block))
    shutil.copy(ROOT / "samples/music-solo.mp4", tmp_path / "clip.mp4")
    port = free_port()
    serve, *asked = (line for line in lines if line.startswith(SERVED))

    with service(serve, port, tmp_path):
        ended = [
            subprocess.run(
                line.replace("8000", str(port)), shell=True, cwd=tmp_path, env=environment(),
                capture_output=True, text=True, check=False,
            )
            for line in asked
        ]  # fmt: skip

    assert [(run.args, run.stderr) for run in ended if run.returncode] == []
    assert '"tracks"' in ended[0].stdout
    assert '"tracks"' in ended[1].stdout
    assert ended[2].stdout.startswith("WEBVTT")
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".json", ".mp4", ".png"}
