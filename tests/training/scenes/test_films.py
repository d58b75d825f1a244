import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from ssuformer.errors import ConfigError
from ssuformer.masks import decode_rle
from tests.training.small_pack import SmallPack
from training.scenes.composer import Composer
from training.scenes.films import BACKGROUND_SIDE, film_size, write_film
from training.scenes.script import Script, has_silence


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer(SmallPack(), "test", size=64, seconds=3, seed=1)


@pytest.fixture(scope="module")
def script(composer: Composer) -> Script:
    return next(
        s
        for s in composer.find(has_silence, aspect=16 / 9)
        if any(s.heard(second) for second in range(s.seconds))
    )


def _write(folder: Path, suffix: str, script: Script, composer: Composer) -> tuple[Path, Any]:
    path = folder / f"film{suffix}"
    truth = write_film(path, script, composer, fps=10, short_side=120)
    return path, json.loads(truth.read_text())


def _frames(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [
            (float(frame.time or 0), frame.to_ndarray(format="rgb24"))
            for frame in container.decode(video=0)
        ]


def _sound(path: Path) -> np.ndarray:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=16_000)
    with av.open(str(path)) as container:
        pieces, start = [], None
        for frame in container.decode(audio=0):
            start = float(frame.time or 0) if start is None else start
            pieces += [part.to_ndarray()[0] for part in resampler.resample(frame)]
        wave = np.concatenate(pieces)
    shift = round((start or 0.0) * 16_000)
    return wave[-shift:] if shift < 0 else np.pad(wave, (shift, 0))


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_pictures_and_sound_of_a_film_are_those_of_the_script(
    tmp_path: Path, suffix: str, script: Script, composer: Composer
) -> None:
    path, truth = _write(tmp_path, suffix, script, composer)

    frames, heard = _frames(path), _sound(path)

    assert (truth["height"], truth["width"]) == (120, 214)
    assert len(frames) == 30
    assert [time for time, _ in frames] == pytest.approx([k / 10 for k in range(30)], abs=0.002)
    raster = composer.take(script, (120, 214), background_side=BACKGROUND_SIDE).raster
    for number in (0, 15, 29):
        wanted = raster.picture(number / 10).rgb.astype(float)
        assert np.abs(wanted - frames[number][1]).mean() < 14
    wanted_sound = composer.sound(script)
    assert len(heard) == pytest.approx(len(wanted_sound), abs=1600)
    assert abs(_lag(wanted_sound, heard)) <= 16_000 * 0.01


def _lag(one: np.ndarray, other: np.ndarray) -> int:
    """Return by how many samples `other` comes later, within a quarter of a second."""
    length = min(len(one), len(other))
    spectrum = np.conj(np.fft.rfft(one[:length], 2 * length)) * np.fft.rfft(
        other[:length], 2 * length
    )
    match = np.fft.irfft(spectrum)
    near = np.concatenate([match[-4000:], match[:4000]])
    return int(near.argmax()) - 4000


def test_the_truth_of_a_film_is_that_of_its_script(
    tmp_path: Path, script: Script, composer: Composer
) -> None:
    path, truth = _write(tmp_path, ".mp4", script, composer)

    frames = _frames(path)

    assert truth["film"] == path.name
    assert [s["category"] for s in truth["sources"]] == [
        actor.voice.category for actor in script.actors
    ]
    for source, actor in zip(truth["sources"], script.actors, strict=True):
        assert [s["sounding"] for s in source["seconds"]] == list(actor.voice.schedule)
        for second in source["seconds"]:
            mask = decode_rle(second["mask"])
            assert mask.shape == (120, 214)
            facts = composer.grammar.facts(second["sentence"])
            assert (facts.category if facts else None) == (
                source["category"] if second["sounding"] else None
            )
            _, shown = frames[10 * second["second"] + 5]
            assert _stands_out(shown, mask)


def _stands_out(frame: np.ndarray, mask: np.ndarray) -> bool:
    """Return whether the picture changes more at the edge of the mask than elsewhere."""
    steps = np.abs(np.diff(frame.astype(float), axis=1)).sum(axis=-1)
    edge = np.diff(mask.astype(int), axis=1) != 0
    return bool(steps[edge].mean() > 1.5 * np.median(steps))


def test_the_same_script_gives_the_same_bytes(
    tmp_path: Path, script: Script, composer: Composer
) -> None:
    for suffix in (".mp4", ".webm"):
        first, _ = _write(tmp_path, suffix, script, composer)
        before = first.read_bytes()

        again, _ = _write(tmp_path, suffix, script, composer)

        assert again.read_bytes() == before


def test_an_unknown_suffix_is_refused(tmp_path: Path, script: Script, composer: Composer) -> None:
    with pytest.raises(ConfigError, match=r"\.mp4 or \.webm"):
        write_film(tmp_path / "film.gif", script, composer)


@pytest.mark.parametrize(
    ("aspect", "size"), [(16 / 9, (360, 640)), (4 / 3, (360, 480)), (9 / 16, (640, 360))]
)
def test_films_have_the_usual_sizes(aspect: float, size: tuple[int, int]) -> None:
    assert film_size(aspect) == size
