"""ELAN's EAF: a tier is a track, or what is heard and not seen; its annotations are sentences.

Tiers are called `1 dog` and `dog (not seen)`, as `service.formats.as_eaf` writes them; any other
name is that of a category.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from service.studio.readers.documents import xml_in
from service.studio.readers.gathered import Gathered

_TRACK = re.compile(r"(\d+) (.+)")
_UNSEEN = " (not seen)"


def read(content: bytes, gathered: Gathered) -> None:
    """Read a document; raise ImportInvalid if it is none of ELAN's."""
    root = xml_in(content, gathered)
    if root.tag != "ANNOTATION_DOCUMENT":
        raise gathered.wrong("its head", f"it is a document of {root.tag[:40]}, not of ELAN's")
    times = {
        slot.get("TIME_SLOT_ID", ""): slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")
    }
    for tier in root.iter("TIER"):
        name = tier.get("TIER_ID", "")
        for one in tier.iter("ALIGNABLE_ANNOTATION"):
            place = f"tier {name[:60]!r}, annotation {one.get('ANNOTATION_ID', '')[:20]!r}"
            start = _time(times, one, "TIME_SLOT_REF1", gathered, place)
            end = _time(times, one, "TIME_SLOT_REF2", gathered, place)
            text = one.findtext("ANNOTATION_VALUE") or ""
            if name.endswith(_UNSEEN):
                gathered.hear(name.removesuffix(_UNSEEN), start, end, place=place)
            else:
                found = _TRACK.fullmatch(name)
                key, category = (found[1], found[2]) if found else (name, name)
                gathered.say(key, category, start, end, text, place=place)


def _time(
    times: dict[str, str | None], one: Element, name: str, gathered: Gathered, place: str
) -> float:
    value = times.get(one.get(name, ""))
    if value is None or not value.isdecimal() or len(value) > 12:
        raise gathered.wrong(place, f"{name} names no slot with a time")
    return int(value) / 1000
