"""WebVTT captions: a cue is a sentence of a track, or of what is heard and not seen.

The voice of a cue is category and number, its identifier `track-1` or `unseen`, as
`service.formats.as_webvtt` writes them. A cue without a voice is of one track, `something`.
"""

from __future__ import annotations

import html
import re

from service.studio.readers.documents import cues_in
from service.studio.readers.gathered import Gathered
from ssuformer.sentences import SOMETHING

_VOICE = re.compile(r"<v(?:\.[\w.]*)? ([^>]*)>")
_TAG = re.compile(r"<[^>]*>")
_NUMBERED = re.compile(r"(.+) (\d+)")


def read(content: bytes, gathered: Gathered) -> None:
    """Read a document; raise ImportInvalid if it is no WebVTT."""
    for cue in cues_in(content, gathered):
        voice = _VOICE.search(cue.text)
        speaker = html.unescape(voice[1]) if voice else SOMETHING
        text = html.unescape(_TAG.sub("", cue.text))
        if cue.identity == "unseen":
            gathered.hear(speaker, cue.start, cue.end, place=cue.place)
            continue
        found = _NUMBERED.fullmatch(speaker)
        category = found[1] if found else speaker
        gathered.say(speaker, category, cue.start, cue.end, text, place=cue.place)
