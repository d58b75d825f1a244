"""Damage to a clip, drawn from a seeded chance: bytes, lengths, parts, time stamps."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

from benchmarks.fuzzing.units import Field, Unit, units_of

_ODD = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_MOST_BYTES = 2**20
"""No mutation is longer; those that would be are cut."""

Mutation = Callable[[bytearray, random.Random, bytes], bytearray]
"""From a clip, a chance and another clip to a clip that is damaged."""


def damaged(clip: bytes, chance: random.Random, other: bytes) -> bytes:
    """Return a clip damaged in one to three ways; `other` is one to take parts from."""
    data = bytearray(clip)
    names = list(MUTATIONS)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        data = MUTATIONS[chance.choice(names)](data, chance, other)
    return _with_checksums(bytes(data[:_MOST_BYTES]))


def _flip(data: bytearray, chance: random.Random, __: bytes) -> bytearray:
    for _ in range(chance.choice((1, 1, 4, 16, 64)) if data else 0):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def _overwrite(data: bytearray, chance: random.Random, _: bytes) -> bytearray:
    """Overwrite bytes, more often of the first and the last, where indices are."""
    if data:
        near = chance.choice((len(data), min(len(data), 512)))
        at = chance.choice((chance.randrange(near), len(data) - 1 - chance.randrange(near)))
        width = chance.choice((1, 2, 4, 8))
        _set(data, Field(at, width, chance.choice(("big", "little"))), chance.choice(_ODD))
    return data


def _noise(data: bytearray, chance: random.Random, _: bytes) -> bytearray:
    if data:
        at, size = chance.randrange(len(data)), chance.randrange(1, 300)
        data[at : at + size] = chance.randbytes(min(size, len(data) - at))
    return data


def _truncate(data: bytearray, chance: random.Random, _: bytes) -> bytearray:
    keep = chance.randrange(len(data) + 1)
    return data[:keep] if chance.random() < 0.8 else data[len(data) - keep :]


def _length(data: bytearray, chance: random.Random, _: bytes) -> bytearray:
    if unit := _drawn(data, chance, lambda one: one.length is not None):
        field = unit.length or Field(0, 1)
        now = _get(data, field)
        near = (now + chance.randrange(-16, 17), now // 2, 2 * now, now + 2**20)
        _set(data, field, chance.choice((*near, *_ODD)))
    return data


def _times(data: bytearray, chance: random.Random, __: bytes) -> bytearray:
    for _ in range(chance.choice((1, 1, 2, 8))):
        if unit := _drawn(data, chance, lambda one: bool(one.times)):
            field = chance.choice(unit.times)
            now = _get(data, field)
            near = (now + chance.randrange(-1000, 1001), now * 1000, -now, chance.getrandbits(40))
            _set(data, field, chance.choice((*near, *_ODD)))
    return data


def _remove(data: bytearray, chance: random.Random, _: bytes) -> bytearray:
    if unit := _drawn(data, chance):
        del data[unit.start : unit.end]
    return data


def _repeat(data: bytearray, chance: random.Random, _: bytes) -> bytearray:
    if unit := _drawn(data, chance):
        part = data[unit.start : unit.end]
        times = min(chance.choice((1, 1, 3, 50)), max(1, _MOST_BYTES // max(1, len(part))))
        data[unit.end : unit.end] = part * times
    return data


def _exchange(data: bytearray, chance: random.Random, _: bytes) -> bytearray:
    """Exchange two parts of which none lies in the other."""
    one, two = _drawn(data, chance), _drawn(data, chance)
    if one and two and (one.end <= two.start or two.end <= one.start):
        first, second = sorted((one, two), key=lambda unit: unit.start)
        parts = bytes(data)
        data[first.start : second.end] = (
            parts[second.start : second.end]
            + parts[first.end : second.start]
            + parts[first.start : first.end]
        )
    return data


def _splice(data: bytearray, chance: random.Random, other: bytes) -> bytearray:
    """Put a part of another clip beside, or in the place of, one of this."""
    theirs, ours = _drawn(bytearray(other), chance), _drawn(data, chance)
    if theirs and ours:
        keep = chance.random() < 0.5
        data[ours.end if keep else ours.start : ours.end] = other[theirs.start : theirs.end]
    return data


def _join(data: bytearray, chance: random.Random, other: bytes) -> bytearray:
    """Begin as this clip and go on as another."""
    at, since = chance.randrange(len(data) + 1), chance.randrange(len(other) + 1)
    return data[:at] + other[since:]


MUTATIONS: dict[str, Mutation] = {
    "flip": _flip,
    "overwrite": _overwrite,
    "noise": _noise,
    "truncate": _truncate,
    "length": _length,
    "times": _times,
    "remove": _remove,
    "repeat": _repeat,
    "exchange": _exchange,
    "splice": _splice,
    "join": _join,
}


def _drawn(
    data: bytearray, chance: random.Random, fits: Callable[[Unit], bool] = lambda _: True
) -> Unit | None:
    found = [one for one in units_of(bytes(data)) if fits(one)]
    return chance.choice(found) if found else None


def _get(data: bytearray, field: Field) -> int:
    raw = bytes(data[field.at : field.at + field.width])
    if field.order == "ebml":
        return int.from_bytes(raw) & (1 << 7 * field.width) - 1
    return int.from_bytes(raw, field.order)


def _set(data: bytearray, field: Field, value: int) -> None:
    """Write a number, of which as many bits as fit, without changing the length of the clip."""
    width = min(field.width, len(data) - field.at)
    if field.order == "ebml":
        mark = 1 << 7 * width
        raw = (value % mark | mark).to_bytes(width)
    else:
        raw = (value % (1 << 8 * width)).to_bytes(width, field.order)
    data[field.at : field.at + width] = raw


def _with_checksums(data: bytes) -> bytes:
    """Return an Ogg with the right checksums, as readers drop other pages; all else as it is."""
    if data[:4] != b"OggS":
        return data
    fixed = bytearray(data)
    for page in units_of(data):
        fixed[page.start + 22 : page.start + 26] = bytes(4)
        check = _checksum(bytes(fixed[page.start : page.end]))
        fixed[page.start + 22 : page.start + 26] = check.to_bytes(4, "little")
    return bytes(fixed[: len(data)])


def _checksum(page: bytes) -> int:
    table, check = _checksum_table(), 0
    for byte in page:
        check = (check << 8 & 0xFFFFFFFF) ^ table[check >> 24 ^ byte]
    return check


@cache
def _checksum_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 & 0xFFFFFFFF) ^ (0x04C11DB7 if value >> 31 else 0)
        table.append(value)
    return tuple(table)
