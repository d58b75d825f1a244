"""Sounds computed from noise and sines: each seed is another recording of the same object.

Every synthesiser takes a seeded generator and a length in seconds and returns mono float32 at
16 kHz. The models are simple on purpose: they only have to be distinguishable for a listener and a
network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Wave = npt.NDArray[np.float32]
Curve = npt.NDArray[np.float64]
Synthesiser = Callable[[np.random.Generator, float], Wave]

SAMPLE_RATE = 16_000
NYQUIST_MARGIN_HZ = 7_600.0


def clock(seconds: float) -> Curve:
    """Return the time of every sample."""
    return np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def tone(frequency: Curve, partials: Sequence[float]) -> Curve:
    """Sum harmonics over a frequency curve in Hz; those above the band stay silent."""
    phase = 2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE
    wave = np.zeros_like(phase)
    for number, gain in enumerate(partials, start=1):
        wave += gain * np.sin(number * phase) * (number * frequency < NYQUIST_MARGIN_HZ)
    return wave


def noise(rng: np.random.Generator, seconds: float, low: float, high: float) -> Curve:
    """Draw noise of unit RMS between two frequencies in Hz."""
    count = round(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequencies = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    spectrum *= (frequencies >= low) & (frequencies <= high)
    wave: Curve = np.fft.irfft(spectrum, count)
    scaled: Curve = wave / (np.sqrt(np.mean(wave**2)) + 1e-9)
    return scaled


def ring(seconds: float, modes: Sequence[tuple[float, float, float]]) -> Curve:
    """Strike a body: each mode is (Hz, gain, seconds until it has decayed to 1/e)."""
    t = clock(seconds)
    wave = np.zeros_like(t)
    for frequency, gain, decay in modes:
        wave += gain * np.sin(2 * np.pi * frequency * t) * np.exp(-t / decay)
    return wave


def burst(rng: np.random.Generator, seconds: float, low: float, high: float, decay: float) -> Curve:
    """Draw a noise burst that starts at once and dies away."""
    wave: Curve = noise(rng, seconds, low, high) * np.exp(-clock(seconds) / decay)
    return wave


def events(
    rng: np.random.Generator,
    seconds: float,
    interval: tuple[float, float],
    event: Callable[[], Curve],
) -> Wave:
    """Repeat an event at random intervals (from, to) in seconds, louder and softer."""
    wave = np.zeros(round(seconds * SAMPLE_RATE))
    at = 0.0
    while at < seconds:
        start = round(at * SAMPLE_RATE)
        piece = event()[: len(wave) - start] * rng.uniform(0.7, 1.0)
        wave[start : start + len(piece)] += piece
        at += rng.uniform(*interval)
    return wave.astype(np.float32)


def arch(seconds: float, power: float = 0.5) -> Curve:
    """Return an envelope that rises from nothing and falls back, as a call does."""
    t = clock(seconds)
    envelope: Curve = np.sin(np.pi * t / seconds) ** power
    return envelope


def sweep(
    rng: np.random.Generator, seconds: float, low: float, high: float, period: float
) -> Curve:
    """Return a frequency that rises and falls between two values with random phase."""
    turn = np.cos(2 * np.pi * (clock(seconds) / period + rng.uniform()))
    curve: Curve = low * (high / low) ** (0.5 - 0.5 * turn)
    return curve


def formants(frequencies: Sequence[float], pitch: float, width: float) -> list[float]:
    """Return gains of the harmonics of a pitch that make up a vowel with these formants in Hz."""
    numbers = range(1, int(NYQUIST_MARGIN_HZ / pitch) + 1)
    return [
        sum(float(np.exp(-(((n * pitch - f) / width) ** 2))) for f in frequencies) + 0.02
        for n in numbers
    ]


# --- vehicles -----------------------------------------------------------------------------------


def siren_wail(rng: np.random.Generator, seconds: float) -> Wave:
    """Rise and fall slowly, as a fire engine does."""
    curve = sweep(rng, seconds, rng.uniform(420, 560), rng.uniform(1050, 1400), rng.uniform(2.2, 4))
    return tone(curve, [1, 0.5, 0.4, 0.2, 0.15]).astype(np.float32)


def siren_yelp(rng: np.random.Generator, seconds: float) -> Wave:
    """Rise and fall several times a second, as a police car does."""
    low, high = rng.uniform(600, 750), rng.uniform(1500, 1900)
    curve = sweep(rng, seconds, low, high, rng.uniform(0.2, 0.34))
    return tone(curve, [1, 0.5, 0.4, 0.2, 0.15]).astype(np.float32)


def siren_two_tone(rng: np.random.Generator, seconds: float) -> Wave:
    """Change between two pitches a fourth apart, as an ambulance does."""
    low, period = rng.uniform(380, 470), rng.uniform(0.4, 0.75)
    step = np.floor(clock(seconds) / period + rng.uniform()) % 2
    return tone(low * (4 / 3) ** step, [1, 0.2, 0.6, 0.15, 0.4, 0.1, 0.25]).astype(np.float32)


def car_horn(rng: np.random.Generator, seconds: float) -> Wave:
    """Honk a two-note chord in short and long blasts."""
    low = rng.uniform(330, 400)

    def honk() -> Curve:
        length = rng.uniform(0.2, 0.7)
        flat = np.ones(round(length * SAMPLE_RATE))
        partials = [1, 0.9, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
        chord = tone(low * flat, partials) + tone(low * 1.26 * flat, partials)
        return np.concatenate([chord * np.minimum(1, arch(length) * 4), np.zeros(1600)])

    pieces: list[Curve] = []
    while sum(map(len, pieces)) < seconds * SAMPLE_RATE:
        pieces.append(honk())
    return np.concatenate(pieces)[: round(seconds * SAMPLE_RATE)].astype(np.float32)


def motorcycle(rng: np.random.Generator, seconds: float) -> Wave:
    """Rev a small engine up and down."""
    curve = sweep(rng, seconds, rng.uniform(55, 75), rng.uniform(130, 190), rng.uniform(1.2, 2.5))
    wave = tone(curve, [1 / (1 + 0.12 * n) for n in range(24)])
    return (np.tanh(wave) * (1 + 0.3 * noise(rng, seconds, 100, 2500))).astype(np.float32)


def tractor(rng: np.random.Generator, seconds: float) -> Wave:
    """Chug: heavy, slow, even strokes of a diesel."""
    gap = 1 / rng.uniform(8, 13)
    body = rng.uniform(110, 160)

    def stroke() -> Curve:
        thud = ring(0.12, [(body, 1, 0.03), (body * 1.9, 0.6, 0.02)])
        return thud + burst(rng, 0.12, 150, 900, 0.02) * 0.35

    return events(rng, seconds, (gap * 0.98, gap * 1.02), stroke)


def jet(rng: np.random.Generator, seconds: float) -> Wave:
    """Blow and whine as a jet does: a high, slowly drifting tone over roaring air."""
    whine = sweep(rng, seconds, rng.uniform(2300, 2600), rng.uniform(2700, 3300), rng.uniform(5, 9))
    air = noise(rng, seconds, 400, 5000) * 0.8
    return (tone(whine, [0.8, 0.25]) + tone(whine * 1.31, [0.3]) + air).astype(np.float32)


def rocket(rng: np.random.Generator, seconds: float) -> Wave:
    """Rumble low and crackle, as a launch does."""
    rumble = noise(rng, seconds, 60, rng.uniform(260, 380)) * 1.4
    flutter = 1 + 0.5 * noise(rng, seconds, 8, 30)
    crackle = np.maximum(noise(rng, seconds, 200, 1500), 1.6) - 1.6
    return (rumble * flutter + 1.5 * crackle).astype(np.float32)


def ship_horn(rng: np.random.Generator, seconds: float) -> Wave:
    """Sound a long, low horn."""
    pitch = rng.uniform(120, 175)
    length = rng.uniform(1.6, 2.6)
    flat = np.full(round(length * SAMPLE_RATE), pitch)
    partials = [1, 0.9, 0.7, 0.5, 0.3, 0.2, 0.1]

    def blast() -> Curve:
        envelope = np.minimum(1, arch(length) * 3)
        return (tone(flat, partials) + tone(flat * 1.19, partials)) * envelope

    return events(rng, seconds, (length + 0.15, length + 0.25), blast)


def steam_train(rng: np.random.Generator, seconds: float) -> Wave:
    """Puff in an even rhythm and blow a chord on the whistle now and then."""
    gap = 1 / rng.uniform(4.5, 7)
    puffs = events(rng, seconds, (gap, gap * 1.03), lambda: burst(rng, 0.16, 500, 3500, 0.05))
    pitch = rng.uniform(480, 620)

    def whistle() -> Curve:
        length = rng.uniform(0.7, 1.2)
        flat = np.full(round(length * SAMPLE_RATE), pitch)
        chord: Curve = np.sum([tone(flat * ratio, [0.5, 0.2]) for ratio in (1, 1.19, 1.5)], axis=0)
        blown: Curve = (chord + 0.2 * noise(rng, length, 800, 3000)) * arch(length, 0.3)
        return blown

    return (puffs + events(rng, seconds, (1.2, 1.6), whistle)).astype(np.float32)


def flying_saucer(rng: np.random.Generator, seconds: float) -> Wave:
    """Warble a pure tone, as in an old film."""
    slow = sweep(rng, seconds, rng.uniform(500, 600), rng.uniform(800, 1000), rng.uniform(2, 4))
    vibrato = 2 ** (0.18 * np.sin(2 * np.pi * rng.uniform(6, 9) * clock(seconds)))
    return tone(slow * vibrato, [1, 0.1]).astype(np.float32)


# --- living beings ------------------------------------------------------------------------------


def hiss(rng: np.random.Generator, seconds: float) -> Wave:
    """Hiss in long breaths, all high frequencies."""
    low = rng.uniform(3200, 4200)

    def breath() -> Curve:
        length = rng.uniform(0.7, 1.3)
        return noise(rng, length, low, 7500) * arch(length, 0.4)

    return events(rng, seconds, (0.9, 1.2), breath)


def howl(rng: np.random.Generator, seconds: float) -> Wave:
    """Howl: a long glide up, held, and down again, with few harmonics."""
    low, high = rng.uniform(280, 340), rng.uniform(480, 620)

    def call() -> Curve:
        length = rng.uniform(1.5, 2.3)
        t = clock(length) / length
        glide = low * (high / low) ** np.clip(np.minimum(t / 0.25, (1 - t) / 0.3), 0, 1)
        glide = glide * (1 + 0.012 * np.sin(2 * np.pi * 5 * clock(length)))
        return tone(glide, [1, 0.35, 0.12, 0.05]) * arch(length, 0.4)

    return events(rng, seconds, (1.7, 2.2), call)


def chirp(rng: np.random.Generator, seconds: float) -> Wave:
    """Cheep: quick, falling, high calls, as a chick's."""
    high = rng.uniform(4200, 5200)

    def cheep() -> Curve:
        length = rng.uniform(0.09, 0.14)
        glide = high * np.linspace(1, rng.uniform(0.6, 0.7), round(length * SAMPLE_RATE))
        return tone(glide, [1, 0.1]) * arch(length)

    return events(rng, seconds, (0.18, 0.3), cheep)


def cry(rng: np.random.Generator, seconds: float) -> Wave:
    """Cry as a baby does: harmonic wails with a falling end, breath after breath."""
    pitch = rng.uniform(380, 480)
    vowel = formants([1100, 1700, 3200], pitch, rng.uniform(350, 500))

    def wail() -> Curve:
        length = rng.uniform(0.6, 1.0)
        t = clock(length) / length
        glide = pitch * (1 + 0.25 * np.sin(np.pi * t**0.7))
        roughness = 1 + 0.25 * noise(rng, length, 20, 90)
        return tone(glide, vowel) * arch(length, 0.5) * roughness

    return events(rng, seconds, (0.9, 1.15), wail)


def heartbeat(rng: np.random.Generator, seconds: float) -> Wave:
    """Beat: two soft, dull thuds, again and again."""
    period, body = rng.uniform(0.55, 0.75), rng.uniform(75, 110)

    def beat() -> Curve:
        first = ring(0.35, [(body, 1, 0.05), (body * 2, 0.5, 0.04)])
        second = ring(0.35, [(body * 1.3, 0.8, 0.04), (body * 2.6, 0.4, 0.03)])
        return np.concatenate([first[:3000], second])

    return events(rng, seconds, (period * 0.97, period * 1.03), beat)
