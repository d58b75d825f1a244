"""ELAN (EAF 3.0): a tier for each track, and one for each category that is heard out of sight.

Schema: http://www.mpi.nl/tools/elan/EAFv3.0.xsd. Annotations are the sentences.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

from service.formats.cues import Cue, cues_of
from service.formats.format import Format, Material
from service.formats.xml_pieces import XmlWriter

_DOCUMENT = {
    "AUTHOR": "",
    "DATE": "1970-01-01T00:00:00+00:00",
    "FORMAT": "3.0",
    "VERSION": "3.0",
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
}
_TYPE = "sentence"


def write(material: Material, out: IO[bytes]) -> None:
    """Write the document; the media it names is the clip, in the folder of the document."""
    cues = cues_of(material.answer)
    tiers: dict[str, list[tuple[int, Cue]]] = {}
    for number, cue in enumerate(cues, start=1):
        tiers.setdefault(_tier(cue), []).append((number, cue))
    document = XmlWriter(out)
    with document.element("ANNOTATION_DOCUMENT", _DOCUMENT):
        _write_header(document, material, len(cues))
        with document.element("TIME_ORDER"):
            for number, cue in enumerate(cues, start=1):
                _write_slots(document, number, cue)
        for name, members in tiers.items():
            _write_tier(document, name, members)
        kind = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": _TYPE}
        document.leaf("LINGUISTIC_TYPE", attributes={**kind, "TIME_ALIGNABLE": "true"})


def _tier(cue: Cue) -> str:
    return f"{cue.category} (not seen)" if cue.track is None else f"{cue.track} {cue.category}"


def _write_header(document: XmlWriter, material: Material, annotations: int) -> None:
    with document.element("HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"}):
        place = f"./{material.file_name}"
        media = {"MEDIA_URL": place, "MIME_TYPE": "video/*", "RELATIVE_MEDIA_URL": place}
        document.leaf("MEDIA_DESCRIPTOR", attributes=media)
        document.leaf("PROPERTY", annotations, {"NAME": "lastUsedAnnotationId"})


def _write_slots(document: XmlWriter, number: int, cue: Cue) -> None:
    for identity, seconds in ((2 * number - 1, cue.start), (2 * number, cue.end)):
        slot = {"TIME_SLOT_ID": f"ts{identity}", "TIME_VALUE": round(seconds * 1000)}
        document.leaf("TIME_SLOT", attributes=slot)


def _write_tier(document: XmlWriter, name: str, members: Iterable[tuple[int, Cue]]) -> None:
    with document.element("TIER", {"LINGUISTIC_TYPE_REF": _TYPE, "TIER_ID": name}):
        for number, cue in members:
            place = {
                "ANNOTATION_ID": f"a{number}",
                "TIME_SLOT_REF1": f"ts{2 * number - 1}",
                "TIME_SLOT_REF2": f"ts{2 * number}",
            }
            with (
                document.element("ANNOTATION"),
                document.element("ALIGNABLE_ANNOTATION", place),
            ):
                document.leaf("ANNOTATION_VALUE", cue.text)


FORMAT = Format(
    summary="ELAN's EAF, a tier for each track",
    media_type="text/x-eaf+xml",
    suffix=".eaf",
    write=write,
)
