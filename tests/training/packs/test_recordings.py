"""Recordings are read, varied by split, and brought into one shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssuformer.errors import ConfigError
from training.packs.recordings import (
    PEAK,
    RATES,
    finish,
    loudness,
    read_sound,
    tighten,
    trim,
    variants,
    write_sound,
)
from training.packs.synthesis import SAMPLE_RATE, Wave, tone


def beep(seconds: float, pitch: float = 440.0, level: float = 0.5) -> Wave:
    wave: Wave = (level * tone(np.full(round(seconds * SAMPLE_RATE), pitch), [1])).astype(
        np.float32
    )
    return wave


def silence(seconds: float) -> Wave:
    return np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32)


def pitch_of(sound: Wave) -> float:
    spectrum = np.abs(np.fft.rfft(sound))
    return float(np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE)[spectrum.argmax()])


def test_a_written_sound_reads_back(tmp_path: Path) -> None:
    sound = beep(0.3)

    write_sound(tmp_path / "a" / "beep.wav", sound)

    np.testing.assert_allclose(read_sound(tmp_path / "a" / "beep.wav"), sound, atol=1e-4)


def test_a_file_that_is_no_sound_is_named(tmp_path: Path) -> None:
    (tmp_path / "words.ogg").write_text("words")

    with pytest.raises(ConfigError, match=r"words\.ogg is not a sound file"):
        read_sound(tmp_path / "words.ogg")


def test_trim_cuts_silence_from_both_ends() -> None:
    sound = np.concatenate([silence(0.5), beep(0.4), silence(0.7)])

    assert len(trim(sound)) == pytest.approx(0.4 * SAMPLE_RATE, abs=0.05 * SAMPLE_RATE)


def test_trim_of_silence_is_empty() -> None:
    assert len(trim(silence(1.0))) == 0


def test_tighten_shortens_a_long_pause() -> None:
    sound = np.concatenate([beep(0.4), silence(2.0), beep(0.4)])

    assert len(tighten(sound)) / SAMPLE_RATE == pytest.approx(0.96, abs=0.05)


@pytest.mark.parametrize("seconds", [0.2, 0.9, 3.0, 20.0])
@pytest.mark.parametrize("level", [0.001, 0.9])
def test_a_finished_sound_lasts_two_to_six_seconds_at_one_level(
    seconds: float, level: float
) -> None:
    sound = finish(np.concatenate([silence(0.3), beep(seconds, level=level)]))

    assert 2.0 <= len(sound) / SAMPLE_RATE <= 6.0
    assert np.abs(sound).max() <= PEAK
    assert np.sqrt(np.mean(sound**2)) == pytest.approx(0.1, rel=0.05)
    assert (loudness(sound, 0.05) > 0.01).mean() > 0.6


def test_a_short_recording_serves_all_splits_at_rates_that_do_not_meet(tmp_path: Path) -> None:
    write_sound(tmp_path / "call.wav", beep(0.5, 1000))

    heard = {
        part: {round(pitch_of(made.wave)) for made in variants([tmp_path / "call.wav"], part, 9, 0)}
        for part in ("train", "val", "test")
    }

    assert not heard["train"] & heard["test"]
    assert not heard["val"] & heard["test"]
    for part, ranges in RATES.items():
        for pitch in heard[part]:
            assert any(low - 0.02 <= pitch / 1000 <= high + 0.02 for low, high in ranges)


def test_of_several_recordings_the_last_is_for_the_test_alone(tmp_path: Path) -> None:
    paths = [tmp_path / f"{pitch}.wav" for pitch in (300, 600, 2400)]
    for path in paths:
        write_sound(path, beep(0.5, float(path.stem)))

    train, test = (variants(paths, part, 6, 0) for part in ("train", "test"))

    assert all(pitch_of(made.wave) < 1000 for made in train)
    assert all(pitch_of(made.wave) > 2000 for made in test)
    assert "2400.wav" in test[0].origin


def test_a_long_recording_is_divided_in_time(tmp_path: Path) -> None:
    low, high = beep(4.5, 300), beep(1.5, 2400)
    write_sound(tmp_path / "song.wav", np.concatenate([low, high]))

    train = variants([tmp_path / "song.wav"], "train", 4, 0)
    test = variants([tmp_path / "song.wav"], "test", 4, 0)

    assert all(pitch_of(made.wave) < 1000 for made in train)
    assert all(pitch_of(made.wave) > 2000 for made in test)
    assert "75%-100% of it" in test[0].origin
