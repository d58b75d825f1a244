"""What documents of CVAT have in common: the task, its labels, and the sentence of a shape."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from service.formats.categories import category_numbers
from service.formats.format import Material
from service.formats.timeline import Timeline
from service.formats.xml_pieces import XmlWriter
from service.understanding.schemas import Region


@contextmanager
def task(document: XmlWriter, material: Material, timeline: Timeline) -> Iterator[None]:
    """Write the task around its tracks, which the block writes."""
    with document.element("annotations"):
        document.leaf("version", "1.1")
        with document.element("meta"):
            with document.element("task"):
                _write_task(document, material, timeline)
            document.leaf("dumped", "1970-01-01 00:00:00.000000+00:00")
        yield


def write_sentence(document: XmlWriter, region: Region) -> None:
    """Write the sentence of the shape that is open."""
    document.leaf("attribute", region.description or "", {"name": "sentence"})


def _write_task(document: XmlWriter, material: Material, timeline: Timeline) -> None:
    document.leaf("name", material.name)
    document.leaf("size", timeline.frames)
    document.leaf("mode", "interpolation")
    document.leaf("overlap", 0)
    document.leaf("start_frame", 0)
    document.leaf("stop_frame", timeline.frames - 1)
    with document.element("labels"):
        for name in category_numbers(material.answer):
            with document.element("label"):
                document.leaf("name", name)
                _write_attribute(document)
    with document.element("original_size"):
        document.leaf("width", material.answer.clip.width)
        document.leaf("height", material.answer.clip.height)
    document.leaf("source", material.file_name)


def _write_attribute(document: XmlWriter) -> None:
    with document.element("attributes"), document.element("attribute"):
        document.leaf("name", "sentence")
        document.leaf("mutable", "True")
        document.leaf("input_type", "text")
        document.leaf("default_value")
        document.leaf("values")
