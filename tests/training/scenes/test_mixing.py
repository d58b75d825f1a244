from dataclasses import replace

import numpy as np
import pytest

from training.scenes.mixing import PEAK, REFERENCE, VoiceRecording, mix, prepare
from training.scenes.script import Backdrop, Camera, Room, Script, Voice

RATE = 16_000


def _script(*voices: Voice, room: Room | None = None) -> Script:
    return Script(
        seed=(3,),
        split="train",
        seconds=4,
        aspect=1.0,
        backdrop=Backdrop(0),
        camera=Camera(),
        room=room or Room(snr_db=40),
        actors=(),
        unseen=voices,
    )


def _tone(hertz: float, seconds: float = 3.0) -> np.ndarray:
    wave = 0.02 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)
    return wave.astype(np.float32)


def _rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(wave**2)))


VOICE = Voice("dog", 0, 0.0, (False, True, True, False))


def test_a_voice_is_heard_in_its_seconds_only() -> None:
    wave = mix(_script(VOICE), [VoiceRecording(VOICE, prepare(_tone(440)))]).reshape(4, RATE)

    levels = [_rms(second) for second in wave]

    assert levels[1] == pytest.approx(REFERENCE, rel=0.1)
    assert levels[2] == pytest.approx(REFERENCE, rel=0.1)
    assert max(levels[0], levels[3]) < 0.02 * REFERENCE


def test_reverberation_stays_within_the_seconds_of_its_voice() -> None:
    room = Room(snr_db=40, reverb_seconds=0.6)

    wave = mix(_script(VOICE, room=room), [VoiceRecording(VOICE, prepare(_tone(440)))]).reshape(
        4, RATE
    )

    assert _rms(wave[3]) < 0.02 * REFERENCE
    assert _rms(wave[1]) == pytest.approx(REFERENCE, rel=0.15)


def test_gain_is_what_it_says() -> None:
    louder = replace(VOICE, gain_db=6.0)

    levels = [
        _rms(mix(_script(v), [VoiceRecording(v, prepare(_tone(440)))])[RATE : 2 * RATE])
        for v in (VOICE, louder)
    ]

    assert levels[1] / levels[0] == pytest.approx(2, rel=0.02)


def test_the_noise_floor_is_at_its_distance() -> None:
    for colour in ("white", "pink", "brown"):
        wave = mix(_script(room=Room(snr_db=20, noise=colour)), [])

        assert _rms(wave) == pytest.approx(REFERENCE / 10, rel=0.35)


def test_loud_mixtures_do_not_clip() -> None:
    voices = [replace(VOICE, category=str(i), gain_db=12.0) for i in range(3)]
    room = Room(snr_db=40, level_db=6)

    wave = mix(
        _script(*voices, room=room), [VoiceRecording(v, prepare(_tone(300))) for v in voices]
    )

    assert np.abs(wave).max() == pytest.approx(PEAK)


def test_a_recording_with_long_gaps_is_audible_in_any_second() -> None:
    bark = np.concatenate([_tone(300, 0.3), np.zeros(4 * RATE, np.float32)])

    recording = prepare(bark)

    looped = np.tile(recording, 8)
    assert min(_rms(looped[s : s + RATE]) for s in range(0, RATE, 800)) > 0.3 * REFERENCE


def test_a_loop_has_no_click() -> None:
    recording = prepare(_tone(440.3))

    looped = np.tile(recording, 2)

    assert np.abs(np.diff(looped)).max() < 1.5 * np.abs(np.diff(recording)).max()


def test_a_silent_recording_stays_finite() -> None:
    assert np.isfinite(prepare(np.zeros(RATE, np.float32))).all()
