"""A film of an hour as a job whose gateway is killed in the middle, and finished by another.

The answer is compared with those to the film's pieces, each asked for at once: the frames, with all
but the numbers of tracks, which begin anew in every piece. Wants ffmpeg, which makes the film.

python -m benchmarks.takeover --minutes 60
python -m benchmarks.takeover --minutes 60 --sound aac --store sqlite
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from benchmarks.served import Served, StoreKind, serving, storing_jobs
from benchmarks.timing import machine
from service.settings import Settings
from ssuformer.repository import open_repository

MODELS = Path("triton_repo")
SAMPLES = Path("samples")
_OVERLAP = int(Settings.model_fields["window_overlap"].default)
_LOOK_SECONDS = 1.0
_SHOWN = 20
_PIECE_SECONDS = 150
_PATIENT = {"SSU_DEADLINE_SECONDS": "1200", "SSU_DECODE_SECONDS": "600"}
"""So that a busy machine answers late, instead of not at all."""
_PICTURES = (
    "scale=640:360:force_original_aspect_ratio=decrease,pad=640:360:-1:-1,setsar=1,"
    "fps=25,format=yuv420p"
)
_SOUNDS = {
    "pcm": ("aresample=16000,aformat=channel_layouts=mono", "pcm_s16le"),
    "aac": ("aresample=48000,aformat=channel_layouts=mono", "aac"),
}
"""PCM at the model's own rate decodes the same from anywhere; AAC, which is resampled, does not."""


@dataclass(slots=True)
class Memory:
    """Memory of a gateway while it worked on the job, in MiB: its own, and of all its processes."""

    own: list[float] = field(default_factory=list)
    all: list[float] = field(default_factory=list)

    def look(self, gateway: Served) -> None:
        """Look once."""
        self.own.append(gateway.process.memory_full_info().uss / 2**20)
        self.all.append(gateway.usage().memory_mib)

    def facts(self) -> dict[str, float]:
        """Return the most in the first third and in the last."""
        third = max(1, len(self.own) // 3)
        first, last = max(self.own[:third]), max(self.own[-third:])
        return {
            "own_first_third": round(first),
            "own_last_third": round(last),
            "growth": round(last / first - 1, 3),
            "all_first_third": round(max(self.all[:third])),
            "all_last_third": round(max(self.all[-third:])),
        }


def main(
    minutes: Annotated[int, typer.Option(help="Length of the film.")] = 60,
    sound: Annotated[Literal["pcm", "aac"], typer.Option(help="How its sound is coded.")] = "pcm",
    store: Annotated[StoreKind, typer.Option(help="Where the job is.")] = "postgresql",
) -> None:
    """Measure, compare, and print one JSON line."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        film = make_film(folder, seconds=60 * minutes, sound=sound)
        size = film.stat().st_size
        limits = _PATIENT | {"SSU_MAX_BYTES": str(size), "SSU_UPLOAD_DISK": str(4 * size)}
        jobs = stack.enter_context(storing_jobs(store, folder))
        first, second = (
            stack.enter_context(serving(folder, store=jobs, settings=limits)) for _ in "12"
        )
        began = time.monotonic()
        number = first.send(film, end=str(60 * minutes))
        until_killed = followed(first, number, until=30 * minutes)
        killed_at = first.job(number)["progress"]["seconds_done"]
        first.kill()
        until_done = followed(second, number, until=None)
        spent = time.monotonic() - began
        facts = {
            "film_seconds": 60 * minutes,
            "sound": sound,
            "store": store,
            "state": second.job(number)["state"],
            "killed_at": killed_at,
            "seconds": round(spent, 1),
            "realtime": round(60 * minutes / spent, 1),
            "memory_mib_until_killed": until_killed.facts(),
            "memory_mib_until_done": until_done.facts(),
        }
        Console().print_json(data=facts)
        answer = second.result(number)["frames"]
        pieces = asked_in_pieces(second, film, seconds=60 * minutes)
    print(json.dumps(facts | compared(answer, pieces) | machine()))  # noqa: T201


def make_film(folder: Path, *, seconds: int, sound: str) -> Path:
    """Write a film of all samples, one after the other, again and again, at 640x360."""
    films = [one for one in sorted(SAMPLES.iterdir()) if one.suffix in (".mp4", ".webm")]
    hearing, codec = _SOUNDS[sound]
    chains = [
        f"[{number}:v]{_PICTURES}[v{number}];[{number}:a]{hearing}[a{number}]"
        for number in range(len(films))
    ]
    joined = "".join(f"[v{number}][a{number}]" for number in range(len(films)))
    graph = ";".join([*chains, f"{joined}concat=n={len(films)}:v=1:a=1[v][a]"])
    once, film = folder / "once.mov", folder / "film.mov"
    inputs = [word for one in films for word in ("-i", str(one))]
    coded = ["-map", "[v]", "-map", "[a]", "-c:v", "libx264", "-preset", "veryfast", "-c:a", codec]
    ffmpeg = ["ffmpeg", "-v", "error", "-y"]
    subprocess.run([*ffmpeg, *inputs, "-filter_complex", graph, *coded, str(once)], check=True)
    again = ["-stream_loop", "-1", "-i", str(once), "-t", str(seconds), "-c", "copy", str(film)]
    subprocess.run([*ffmpeg, *again], check=True)
    once.unlink()
    return film


def followed(gateway: Served, number: str, *, until: float | None) -> Memory:
    """Wait until a job has ended, or so many seconds are done; return the gateway's memory."""
    memory, begun = Memory(), gateway.job(number)["progress"]["seconds_done"]
    while True:
        job = gateway.job(number)
        done = job["progress"]["seconds_done"]
        if job["state"] in ("done", "failed") or (until is not None and done >= until):
            return memory
        if done > begun:
            memory.look(gateway)
        time.sleep(_LOOK_SECONDS)


def asked_in_pieces(gateway: Served, film: Path, *, seconds: int) -> list[dict[str, Any]]:
    """Return the frames of a film whose pieces are asked for one by one.

    A piece begins where a window of the whole does, so its windows are those of the whole. The
    first is left out, but of the first piece: all its frames are new there, and a source's sentence
    is of the first new frame.
    """
    size = open_repository(MODELS).manifest.window_frames
    fresh = size - _OVERLAP
    step = _PIECE_SECONDS // fresh * fresh
    frames: list[dict[str, Any]] = []
    for start in range(0, seconds - size, step):
        end = min(start + step + size, seconds)
        found = gateway.understand(film, start=str(start), end=str(end))["frames"]
        frames += found[size if start else 0 :]
    return frames


def compared(job: list[dict[str, Any]], pieces: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how many frames there are, and how many are the same but for numbers of tracks."""
    pairs = list(zip(job, pieces, strict=True))
    others = [one["time"] for one, other in pairs if _plain(one) != _plain(other)]
    return {
        "frames": len(job),
        "regions": sum(len(frame["regions"]) for frame in job),
        "frames_equal": len(job) - len(others),
        "frames_of_the_same_names": sum(_named(one) == _named(other) for one, other in pairs),
        "first_others": others[:_SHOWN],
    }


def _plain(frame: dict[str, Any]) -> tuple[float, list[str], list[str]]:
    """Return a frame without numbers of tracks, whose regions are in an order of their own."""
    regions = sorted(_without_track(region) for region in frame["regions"])
    return frame["time"], regions, sorted(_without_track(heard) for heard in frame["heard"])


def _without_track(thing: dict[str, Any]) -> str:
    shown = {"seen": thing.get("region") is not None}
    return json.dumps(shown | {k: v for k, v in thing.items() if k not in ("track", "region")})


def _named(frame: dict[str, Any]) -> tuple[list[str], list[str]]:
    regions = sorted(f"{one['category']}: {one.get('description')}" for one in frame["regions"])
    return regions, sorted(one["category"] for one in frame["heard"])


if __name__ == "__main__":
    typer.run(main)
