import io
import json
from html import unescape
from typing import Any

import pytest
import srt
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

from service.formats.cues import cues_of, line
from service.understanding.schemas import Sentence, Understanding
from tests.service.formats.made import (
    BARKS,
    DOG,
    LARK,
    UNSEEN,
    gliding,
    made,
    part_of,
    smoothed,
    written,
)

SINGS = "a lark sings <b>high</b>"
EXPECTED = [
    (0.0, 2.0, BARKS),
    (1.0, 2.0, SINGS),
    (2.0, 4.0, UNSEEN),
    (3.0, 4.0, SINGS),
]


def captions(content: bytes) -> list[Any]:
    return webvtt.from_buffer(io.StringIO(content.decode())).captions


def saying(text: str, category: str) -> Understanding:
    """The answer, its first track of this category and with this sentence."""
    answer = made()
    said = [Sentence(start=0, end=1, text=text)]
    first = answer.tracks[0].model_copy(update={"category": category, "sentences": said})
    frames = [frame.model_copy(update={"heard": []}) for frame in answer.frames]
    return answer.model_copy(update={"tracks": [first], "frames": frames})


def test_sentences_and_what_is_not_seen_are_cues_in_order() -> None:
    cues = cues_of(made())

    assert [(cue.start, cue.end, line(cue.text)) for cue in cues] == sorted(
        EXPECTED, key=lambda cue: cue[0]
    )
    assert {cue.speaker for cue in cues} == {f"{DOG} 1", f"{LARK} 2", "bell"}


def test_without_sentences_the_categories_are_cues() -> None:
    answer = made()
    tracks = [track.model_copy(update={"sentences": []}) for track in answer.tracks]

    cues = cues_of(answer.model_copy(update={"tracks": tracks}))

    assert [cue.text for cue in cues if cue.track is not None] == [DOG, LARK, LARK]


def test_srt_reads_the_subtitles() -> None:
    found = list(srt.parse(written("srt").decode()))

    told = [(one.start.total_seconds(), one.end.total_seconds(), one.content) for one in found]
    assert told == EXPECTED
    assert [one.index for one in found] == [1, 2, 3, 4]


def test_webvtt_reads_the_captions_with_their_voices_and_places() -> None:
    found = captions(written("webvtt"))

    told = [(one.start_in_seconds, one.end_in_seconds, unescape(one.text)) for one in found]
    assert told == [(int(start), int(end), text) for start, end, text in EXPECTED]
    assert [one.voice for one in found][1:3] == ["lark 2", "bell"]
    assert [one.identifier for one in found] == [
        "track-1", "track-2", "unseen", "track-2"
    ]  # fmt: skip
    assert "position:57% align:center" in str(found[0].settings)
    assert not str(found[2].settings or "")


@pytest.mark.parametrize("parts", [2, 5, 24])
@pytest.mark.parametrize("name", ["webvtt", "srt"])
def test_frames_between_change_no_cue(name: str, parts: int) -> None:
    answer = gliding(made(shown=((2,), (2,), (2,), ())))
    said = [Sentence(start=start, end=start + 1, text=text) for start, text in enumerate("abc")]
    tracks = [answer.tracks[1].model_copy(update={"sentences": said})]
    answer = answer.model_copy(update={"tracks": tracks})

    plain, smooth = written(name, answer), written(name, smoothed(answer, parts=parts))

    assert UNSEEN in plain.decode()
    assert smooth == plain


def test_webvtt_metadata_begins_with_the_part() -> None:
    found = captions(written("webvtt-metadata", smoothed(part_of(made(), 1, 3), parts=10)))

    assert found[0].start == "00:00:01.000"


def test_webvtt_metadata_holds_the_regions_of_every_frame() -> None:
    found = captions(written("webvtt-metadata"))

    frames = [json.loads(one.raw_text) for one in found]
    assert [one.start for one in found] == [f"00:00:0{i}.000" for i in range(4)]
    assert [[region["track"] for region in frame["regions"]] for frame in frames] == [
        [1], [1, 2], [], [2]
    ]  # fmt: skip
    assert frames[0]["regions"][0]["bbox"] == [10, 2, 53, 38]
    assert frames[0]["regions"][0]["description"] == BARKS
    assert frames[0]["width"] == 64


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30), st.text(max_size=12))
def test_any_text_stays_one_cue(text: str, category: str) -> None:
    answer = saying(text, category)

    (subtitle,) = srt.parse(written("srt", answer).decode())
    (caption,) = captions(written("webvtt", answer))

    assert subtitle.content == line(text)
    assert unescape(caption.text) == line(text)
    assert (caption.start, caption.end) == ("00:00:00.000", "00:00:01.000")
