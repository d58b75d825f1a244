"""What a program in the child's place gets to do, as user 10001 without capabilities."""

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from service.settings import Settings
from service.telemetry.logs import make_log
from service.telemetry.metrics import Metrics
from service.understanding import decoding_messages as messages
from service.understanding.decoding import DecodePool
from service.understanding.sandbox import layers, probe, seccomp, system_calls
from service.understanding.sandbox.layers import ON, REQUIRED, Layer
from ssuformer import errors
from ssuformer.clip import Limits, Sampling
from tests.service.conftest import children, descendants, small_settings
from tests.service.understanding.intruder import ATTEMPTS
from tests.service.unprivileged import unprivileged

pytestmark = pytest.mark.anyio

_SECRET = "a key nobody may read"
_SECONDS = 90

ALWAYS_STOPPED = {"write_upload", "forge_log", "forge_errors", "truncate_memory", "raise_limits"}
"""By what needs no layer: the descriptors a child is given, their seals, its limits."""

_OTHERS = {
    *("read_environment", "read_memory", "read_memory_by_call", "write_memory_by_call"),
    *("read_other_upload", "take_descriptor", "trace_gateway"),
}
_FILES = {
    *("read_key_file", "read_file", "list_files", "write_file", "delete_file", "execute"),
    "reopen_upload",
}
STOPS = {
    Layer.NOT_DUMPABLE: _OTHERS | {"trace_template"},
    Layer.SYSTEM_CALLS: set(ATTEMPTS),
    Layer.LANDLOCK: _OTHERS | _FILES | {"connect", "connect_abstract", "listen", "signal_gateway"},
    Layer.NAMESPACES: (_OTHERS - {"read_environment", "read_memory", "read_other_upload"})
    | {"connect", "connect_abstract", "send_datagram", "signal_gateway", "limit_gateway"},
    Layer.EMPTY_ROOT: {"read_key_file", "read_file", "write_file", "delete_file", "look_for_file"},
}
"""What each layer alone keeps an intruder from; docs/adr/0009 has the same table."""


@dataclass(frozen=True)
class Invasion:
    """What came of all attempts."""

    outcomes: dict[str, str]
    layers: dict[str, str]
    log: str

    @property
    def done(self) -> set[str]:
        return {name for name, outcome in self.outcomes.items() if outcome == "done"}


@cache
def invade(mode: str, *chosen: Layer) -> Invasion:
    """Have an intruder try everything on a gateway with this sandbox."""
    done = invaded(mode, *chosen)
    assert done.returncode == 0, done.stderr
    return Invasion(**json.loads(done.stdout.splitlines()[-1]))


def invaded(mode: str, *chosen: Layer) -> subprocess.CompletedProcess[str]:
    program = (sys.executable, "-m", "tests.service.understanding.invaded", mode, *chosen)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path.cwd()),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "INVADED_KEY": _SECRET,
    }
    return subprocess.run(
        unprivileged(*program), env=environment, capture_output=True, text=True, timeout=_SECONDS
    )


@cache
def given() -> frozenset[Layer]:
    """The layers that this machine gives to a user without rights."""
    program = (sys.executable, "-m", "service.understanding.sandbox.probe")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        unprivileged(*program), env=environment, capture_output=True, text=True, timeout=_SECONDS
    )
    return frozenset(Layer(name) for name, found in json.loads(done.stdout).items() if found == ON)


def test_nothing_that_an_intruder_tries_is_done() -> None:
    invasion = invade("required")

    assert invasion.done == set()
    assert "killed for malformed" not in invasion.outcomes.values()  # every attempt was made
    assert _SECRET not in json.dumps(invasion.outcomes)
    assert {layer for layer in REQUIRED if invasion.layers[layer] != ON} == set()


def test_the_call_an_intruder_died_of_is_named() -> None:
    invasion = invade("required")

    named = {name: invasion.outcomes[name] for name in ("connect", "signal_gateway", "fork")}
    assert named == {
        "connect": "killed for socket",
        "signal_gateway": "killed for kill",
        "fork": "killed for clone",
    }
    for line in invasion.log.splitlines():
        assert json.loads(line)["event"] in {"sandbox", "decoding_process_failed"}


def test_without_a_sandbox_an_intruder_does_nearly_everything() -> None:
    invasion = invade("off")

    assert set(ATTEMPTS) - invasion.done == ALWAYS_STOPPED


@pytest.mark.parametrize("layer", STOPS)
def test_each_layer_stops_what_it_is_for(layer: Layer) -> None:
    if layer not in given():
        pytest.skip(f"this machine does not give {layer} to a user without rights")
    # The root can only be changed in a user namespace.
    chosen = (layer, Layer.NAMESPACES) if layer == Layer.EMPTY_ROOT else (layer,)

    invasion = invade("auto", Layer.SEALED_MEMORY, *chosen)

    assert invasion.done & STOPS[layer] == set()


def test_memory_that_is_not_sealed_could_be_cut() -> None:
    assert "truncate_memory" in invade("auto", Layer.NOT_DUMPABLE).done


def test_a_required_sandbox_that_lacks_a_layer_refuses_to_start() -> None:
    done = invaded("required", Layer.NOT_DUMPABLE, Layer.SEALED_MEMORY)

    assert done.returncode != 0
    assert "SSU_SANDBOX is required" in done.stderr
    assert "system_calls: left out" in done.stderr


def test_this_machine_gives_what_is_required() -> None:
    assert layers.lacking(probe.available()) == []


def test_a_layer_that_is_not_there_is_reported_with_its_reason() -> None:
    report = dict.fromkeys(Layer, ON) | {Layer.SYSTEM_CALLS: "Function not implemented"}

    with pytest.raises(errors.ConfigError, match="system_calls: Function not implemented"):
        layers.insist(report)


@pytest.mark.parametrize("machine", sorted(system_calls.AUDIT_ARCHITECTURES))
def test_the_filter_fits_every_known_processor(machine: str) -> None:
    program = seccomp.program(1, ask=True, machine=machine)

    assert len(program) % 8 == 0
    assert len(program) // 8 < 4096


@pytest.mark.parametrize(
    ("machine", "name", "number"),
    [
        ("x86_64", "read", 0),
        ("x86_64", "seccomp", 317),
        ("x86_64", "rseq", 334),
        ("x86_64", "clone3", 435),
        ("aarch64", "openat", 56),
        ("aarch64", "clone", 220),
        ("aarch64", "seccomp", 277),
        ("aarch64", "clone3", 435),
    ],
)
def test_system_calls_have_the_kernels_numbers(machine: str, name: str, number: int) -> None:
    assert system_calls.numbers(machine)[name] == number


def test_sealed_memory_keeps_its_size() -> None:
    descriptor = layers.sealed_memory(4096)

    try:
        for size in (0, 8192):
            with pytest.raises(PermissionError):
                os.ftruncate(descriptor, size)
    finally:
        os.close(descriptor)


# What a process may say.

_INFO = {
    "duration": 1.0,
    "width": 64,
    "height": 48,
    "rotation": 0,
    "mirrored": False,
    "fps": 25.0,
    "has_audio": True,
    "video_codec": "h264",
    "audio_codec": "aac",
    "video_track": 0,
    "audio_track": 0,
}


def _info(**changed: object) -> bytes:
    return json.dumps({"info": _INFO | changed}).encode()


MALFORMED = {
    "nothing JSON": b"\xff\xfe",
    "half a message": b'{"info": {"duration": 1.0',
    "a number": b"7",
    "a list": b"[]",
    "null": b"null",
    "an empty object": b"{}",
    "two messages": b'{"info": {}, "end": {}}',
    "too deep": b'{"info": ' * 500 + b"1" + b"}" * 500,
    "another turn": b'{"chunk": [0.5]}',
    "an unknown kind": b'{"exec": "id"}',
    "no facts": b'{"info": {}}',
    "facts of another kind": b'{"info": [1, 2]}',
    "more pixels than allowed": _info(width=10**6, height=10**6),
    "no pixels": _info(width=0),
    "a negative height": _info(height=-48),
    "no number": _info(width=float("nan")),
    "an endless duration": json.dumps({"info": _INFO | {"duration": 1e300}}).encode(),
    "a long codec": _info(video_codec="h" * 10_000),
    "a codec with a line break": _info(video_codec="h264\n{}"),
    "an error of nobody": b'{"error": {"name": "ConfigError", "message": "", "limit": 1}}',
    "an error without a name": b'{"error": {}}',
    "an error that is a list": b'{"error": []}',
    "an error with a class's name": b'{"error": {"name": ["__init__"], "message": "x"}}',
}
"""Messages in place of the facts about a clip."""

_END = {"duration": 1.0, "warnings": [], "packets": [1, 0]}

_CHUNKS = {
    "no times": b'{"chunk": []}',
    "less than no time": b'{"chunk": [0.5], "seconds": -1}',
    "time without end": b'{"chunk": [0.5], "seconds": 1e999}',
    "time alone": b'{"seconds": 1}',
    "too many times": json.dumps({"chunk": list(range(100))}).encode(),
    "times that fall": b'{"chunk": [1.0, 0.5]}',
    "a time twice": b'{"chunk": [0.5, 0.5]}',
    "a negative time": b'{"chunk": [-1.0]}',
    "times that are words": b'{"chunk": ["now"]}',
    "times without end": b'{"chunk": [1e999]}',
    "a chunk that is a number": b'{"chunk": 1}',
    "an end without duration": b'{"end": {"warnings": [], "packets": [1, 0]}}',
    "an end long after": json.dumps({"end": _END | {"duration": 1e300}}).encode(),
    "fewer packets than none": json.dumps({"end": _END | {"packets": [-1, 0]}}).encode(),
    "endless packets": json.dumps({"end": _END | {"packets": [1, 10**30]}}).encode(),
    "packets that are words": json.dumps({"end": _END | {"packets": ["many", 0]}}).encode(),
    "a warning with a strange code": json.dumps(
        {"end": _END | {"warnings": [{"code": 'x"}\n', "message": ""}]}}
    ).encode(),
    "a thousand warnings": json.dumps(
        {"end": _END | {"warnings": [{"code": "x", "message": ""}] * 1000}}
    ).encode(),
    "a warning of a megabyte": json.dumps(
        {"end": _END | {"warnings": [{"code": "x", "message": "m" * 60_000}]}}
    ).encode(),
    "the facts again": _info(),
}
"""Messages in place of a chunk."""


def test_facts_about_a_clip_are_taken() -> None:
    assert messages.info_in(messages.read(_info(), "info")[1], Limits()).audio_codec == "aac"


@pytest.mark.parametrize("line", MALFORMED.values(), ids=MALFORMED)
def test_what_are_no_facts_about_a_clip_is_malformed(line: bytes) -> None:
    with pytest.raises(errors.DecodeFailed):
        messages.info_in(messages.read(line, "info")[1], Limits())


async def test_a_process_that_talks_nonsense_is_the_services_failure_and_counted() -> None:
    written, metrics = io.StringIO(), Metrics()
    program = "tests.service.understanding.babbler"
    pool = DecodePool(small_settings(), metrics, make_log("info", written), program=program)
    await pool.start(chunk_frames=3)
    conversations = [*MALFORMED.values(), *(_info() + b"\n" + line for line in _CHUNKS.values())]
    try:
        for said in conversations:
            with pytest.raises(errors.DecodeFailed):
                await _decode(pool, said)
    finally:
        await pool.close()

    labels = {"reason": "decode_failed", "cause": "malformed"}
    counted = metrics.registry.get_sample_value("ssu_decode_child_exits_total", labels) or 0
    # Two of them report an error that no clip can cause, and one that cannot be read.
    assert counted >= len(conversations) - 2
    for line in written.getvalue().splitlines():
        assert json.loads(line)["event"] in {"sandbox", "decoding_process_failed"}


async def _decode(pool: DecodePool, said: bytes) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(said)
        file.flush()
        async with pool.decode(file.fileno(), Sampling()) as decoding:
            async for _ in decoding.chunks():
                pass


async def test_when_the_template_dies_its_children_do_and_new_ones_come(clip: bytes) -> None:
    pool = DecodePool(small_settings(), Metrics(), make_log("info", io.StringIO()))
    await pool.start(chunk_frames=3)
    try:
        (child,) = children()
        template = next(one for one in descendants() if child in descendants(one))

        os.kill(template, signal.SIGKILL)

        async with asyncio.timeout(30):
            while child in children():
                await asyncio.sleep(0.01)
            await _decode(pool, clip)
    finally:
        await pool.close()


def test_every_setting_of_the_sandbox_is_one_of_three() -> None:
    with pytest.raises(ValueError, match=re.escape("sandbox")):
        Settings.model_validate({"sandbox": "perhaps"})
