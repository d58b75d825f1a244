"""Synthesisers of household sounds: tools, clocks, weather, machines."""

from __future__ import annotations

import numpy as np

from training.packs.synthesis import (
    SAMPLE_RATE,
    Curve,
    Wave,
    arch,
    burst,
    clock,
    events,
    noise,
    ring,
    sweep,
    tone,
)


def beeper(rng: np.random.Generator, seconds: float) -> Wave:
    """Beep four times and pause, as an alarm clock does."""
    pitch, period = rng.uniform(1900, 2300), rng.uniform(0.75, 0.9)
    t = clock(seconds) + rng.uniform(0, period)
    within = t % period
    gate = (within < period * 0.75) & ((within * 8 / period) % 1.5 < 0.9)
    return (tone(np.full_like(t, pitch), [1, 0, 0.4]) * gate).astype(np.float32)


def telephone_ring(rng: np.random.Generator, seconds: float) -> Wave:
    """Ring two small bells in turn, with a short pause after each ring."""
    low, rate = rng.uniform(1050, 1250), rng.uniform(20, 26)
    sides = (low, low * rng.uniform(1.22, 1.3))
    side = [0]

    def stroke() -> Curve:
        side[0] ^= 1
        f = sides[side[0]]
        return ring(0.3, [(f, 1, 0.1), (f * 2.76, 0.6, 0.06), (f * 5.4, 0.3, 0.03)])

    rings = events(rng, seconds, (1 / rate, 1 / rate), stroke)
    gate = ((clock(seconds) + rng.uniform(0, 1)) % 1.0) < rng.uniform(0.72, 0.82)
    return (rings * (0.06 + 0.94 * gate)).astype(np.float32)


def hammering(rng: np.random.Generator, seconds: float) -> Wave:
    """Knock wood with metal, two to four times a second."""
    gap, body, head = rng.uniform(0.26, 0.42), rng.uniform(260, 420), rng.uniform(1500, 2600)

    def blow() -> Curve:
        wood = ring(0.3, [(body, 1, 0.08), (body * 2.3, 0.6, 0.06), (head, 0.35, 0.06)])
        return wood + 0.5 * burst(rng, 0.3, 300, 4000, 0.02)

    return events(rng, seconds, (gap * 0.95, gap * 1.05), blow)


def sawing(rng: np.random.Generator, seconds: float) -> Wave:
    """Rasp to and fro, teeth over wood."""
    stroke, teeth = rng.uniform(0.28, 0.4), rng.uniform(70, 120)

    def pull() -> Curve:
        t = clock(stroke)
        low = rng.choice([900.0, 1400.0])
        rasp = noise(rng, stroke, low, low * 3.2)
        return rasp * (0.6 + 0.4 * np.sign(np.sin(2 * np.pi * teeth * t))) * arch(stroke)

    return events(rng, seconds, (stroke * 1.02, stroke * 1.1), pull)


def snipping(rng: np.random.Generator, seconds: float) -> Wave:
    """Snip: a slide of metal that ends in a click."""
    shear = rng.uniform(4200, 5200)

    def snip() -> Curve:
        slide = noise(rng, 0.11, shear, 7500) * np.linspace(0.1, 0.6, round(0.11 * SAMPLE_RATE))
        click = burst(rng, 0.06, 2800, 7500, 0.012) + ring(0.06, [(shear * 1.2, 0.8, 0.02)])
        return np.concatenate([slide, click * 1.2])

    return events(rng, seconds, (0.24, 0.38), snip)


def kettle_whistle(rng: np.random.Generator, seconds: float) -> Wave:
    """Whistle steadily and high, with steam around it."""
    pitch = sweep(rng, seconds, rng.uniform(2600, 3000), rng.uniform(3100, 3500), rng.uniform(4, 8))
    wobble = 1 + 0.006 * np.sin(2 * np.pi * rng.uniform(9, 14) * clock(seconds))
    steam = noise(rng, seconds, 2000, 7000) * 0.1
    return (tone(pitch * wobble, [1, 0.25]) + steam).astype(np.float32)


def shutter(rng: np.random.Generator, seconds: float) -> Wave:
    """Click and clack, then wind on the film with a short whir."""
    motor = rng.uniform(320, 420)

    def shot() -> Curve:
        open_, close = burst(rng, 0.07, 1200, 6000, 0.012), burst(rng, 0.06, 700, 4000, 0.01)
        flat = np.full(round(0.24 * SAMPLE_RATE), motor)
        whir = 0.4 * tone(flat, [1, 0.3, 0.8, 0.2, 0.5, 0.2]) * arch(0.24)
        return np.concatenate([open_ * 1.5, close * 1.3, whir])

    return events(rng, seconds, (0.42, 0.6), shot)


def firecrackers(rng: np.random.Generator, seconds: float) -> Wave:
    """Bang at random, sharp and dry, near and far."""

    def bang() -> Curve:
        return burst(rng, 0.25, 150, 7000, rng.uniform(0.015, 0.045)) * rng.uniform(0.4, 1.4)

    return events(rng, seconds, (0.04, 0.22), bang)


def thunder(rng: np.random.Generator, seconds: float) -> Wave:
    """Roll: dull claps of low noise that follow each other."""

    def clap() -> Curve:
        low = burst(rng, 1.8, 60, rng.uniform(160, 240), rng.uniform(0.4, 0.7))
        return low * 1.5 + burst(rng, 1.8, 100, 700, 0.12)

    return events(rng, seconds, (0.4, 1.0), clap)


def bicycle_bell(rng: np.random.Generator, seconds: float) -> Wave:
    """Ring the two-beat trill of a bicycle bell."""
    pitch = rng.uniform(1500, 1900)
    modes = [(pitch, 0.4, 0.12), (pitch * 2.71, 1.0, 0.1), (pitch * 3.9, 0.4, 0.06)]
    gap = 1 / rng.uniform(16, 22)

    def stroke() -> Curve:
        return ring(0.4, modes) * float(rng.choice([1.0, 0.35]))

    return events(rng, seconds, (gap, gap * 1.1), stroke)


def rain(rng: np.random.Generator, seconds: float) -> Wave:
    """Fall evenly: a bed of bright noise and thousands of drops."""
    bed = noise(rng, seconds, 900, 7500) * 0.5
    gap = rng.uniform(0.004, 0.008)
    drops = events(rng, seconds, (gap, gap * 3), lambda: burst(rng, 0.02, 2500, 7500, 0.003))
    return (bed + 1.5 * drops).astype(np.float32)


def ticking(rng: np.random.Generator, seconds: float) -> Wave:
    """Tick and tock."""
    gap, pitch = rng.uniform(0.18, 0.24), rng.uniform(900, 1300)
    side = [0]

    def tick() -> Curve:
        side[0] ^= 1
        f = pitch * (1.3 if side[0] else 1.0)
        body = ring(0.14, [(f, 1, 0.06), (f * 2.4, 0.5, 0.04)])
        return body + burst(rng, 0.14, 2000, 5000, 0.003)

    return events(rng, seconds, (gap, gap), tick)


def robot_talk(rng: np.random.Generator, seconds: float) -> Wave:
    """Bleep: short random tones and glides."""

    def bleep() -> Curve:
        length, start = rng.uniform(0.06, 0.18), rng.uniform(500, 2200)
        glide = start * np.linspace(1, rng.choice([1.0, 1.5, 0.6]), round(length * SAMPLE_RATE))
        return tone(glide, [1, 0, 0.35, 0, 0.2]) * np.minimum(1, arch(length) * 3)

    return events(rng, seconds, (0.16, 0.22), bleep)


def typing(rng: np.random.Generator, seconds: float) -> Wave:
    """Clatter: keys struck and released at an uneven pace."""
    board = rng.uniform(450, 700)

    def key() -> Curve:
        press = burst(rng, 0.05, 1500, 5500, 0.006) + ring(0.05, [(board, 0.9, 0.012)])
        return np.concatenate([press, 0.4 * burst(rng, 0.03, 2500, 6500, 0.004)])

    return events(rng, seconds, (0.07, 0.18), key)


def fire(rng: np.random.Generator, seconds: float) -> Wave:
    """Crackle over a soft, low roar."""
    roar = noise(rng, seconds, 100, 450) * (1 + 0.4 * noise(rng, seconds, 1, 6)) * 0.35

    def pop() -> Curve:
        return burst(rng, 0.03, 1200, 7000, 0.004) * rng.exponential(0.9)

    return (roar + events(rng, seconds, (0.01, 0.09), pop)).astype(np.float32)


def bouncing(rng: np.random.Generator, seconds: float) -> Wave:
    """Bounce a hollow ball on a hard floor."""
    gap, body = rng.uniform(0.32, 0.48), rng.uniform(150, 200)

    def bounce() -> Curve:
        hollow = ring(0.3, [(body, 1, 0.09), (body * 2.9, 0.5, 0.09), (body * 5.2, 0.25, 0.05)])
        return hollow + 0.4 * burst(rng, 0.3, 200, 1500, 0.008)

    return events(rng, seconds, (gap * 0.9, gap * 1.1), bounce)


def flushing(rng: np.random.Generator, seconds: float) -> Wave:
    """Rush of water that swirls and gurgles."""
    rush = noise(rng, seconds, 250, 2600) * (1 + 0.35 * noise(rng, seconds, 2, 9))

    def bubble() -> Curve:
        length, start = rng.uniform(0.04, 0.09), rng.uniform(280, 600)
        return tone(start * np.linspace(1, 1.7, round(length * SAMPLE_RATE)), [1]) * arch(length)

    return (0.45 * rush + 1.6 * events(rng, seconds, (0.03, 0.1), bubble)).astype(np.float32)
