"""The formats that can be imported: by name, what reads one of their documents."""

from __future__ import annotations

from collections.abc import Mapping

from service.studio.readers import (
    of_coco,
    of_cvat,
    of_eaf,
    of_fiftyone,
    of_label_studio,
    of_ra_ssu,
    of_webvtt,
    of_webvtt_metadata,
)
from service.studio.readers.gathered import Reader

READERS: Mapping[str, Reader] = {
    "coco": of_coco.read,
    "cvat": of_cvat.read,
    "cvat-masks": of_cvat.read,
    "eaf": of_eaf.read,
    "fiftyone": of_fiftyone.read,
    "label-studio": of_label_studio.read,
    "ra-ssu": of_ra_ssu.read,
    "webvtt": of_webvtt.read,
    "webvtt-metadata": of_webvtt_metadata.read,
}

IMPORTS = frozenset(READERS)
