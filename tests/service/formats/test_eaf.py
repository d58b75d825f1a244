from pathlib import Path
from xml.etree import ElementTree

import pympi
from hypothesis import given, settings
from hypothesis import strategies as st

from service.formats.xml_pieces import clean
from service.understanding.schemas import Sentence
from tests.service.formats.made import BARKS, DOG, SINGS, UNSEEN, made, smoothed, written


def test_pympi_reads_a_tier_for_each_track_and_for_what_is_not_seen(tmp_path: Path) -> None:
    path = tmp_path / "film.eaf"
    path.write_bytes(written("eaf"))

    document = pympi.Elan.Eaf(path)

    assert set(document.get_tier_names()) == {f"1 {DOG}", "2 lark", "bell (not seen)"}
    assert document.get_annotation_data_for_tier(f"1 {DOG}") == [(0, 2000, BARKS)]
    assert document.get_annotation_data_for_tier("2 lark") == [
        (1000, 2000, SINGS),
        (3000, 4000, SINGS),
    ]
    assert document.get_annotation_data_for_tier("bell (not seen)") == [(2000, 4000, UNSEEN)]
    assert document.get_linked_files()[0]["MEDIA_URL"] == "./film.mp4"


def test_every_reference_has_its_target() -> None:
    root = ElementTree.fromstring(written("eaf"))

    slots = {one.get("TIME_SLOT_ID") for one in root.iter("TIME_SLOT")}
    kinds = {one.get("LINGUISTIC_TYPE_ID") for one in root.iter("LINGUISTIC_TYPE")}
    for one in root.iter("ALIGNABLE_ANNOTATION"):
        assert {one.get("TIME_SLOT_REF1"), one.get("TIME_SLOT_REF2")} <= slots
    assert {one.get("LINGUISTIC_TYPE_REF") for one in root.iter("TIER")} <= kinds
    assert [one.tag for one in root] == [
        "HEADER", "TIME_ORDER", "TIER", "TIER", "TIER", "LINGUISTIC_TYPE"
    ]  # fmt: skip


def test_frames_between_change_nothing() -> None:
    assert written("eaf", smoothed(made(), parts=24)) == written("eaf")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30), st.text(max_size=12))
def test_any_text_is_kept_but_for_what_xml_cannot_hold(text: str, category: str) -> None:
    answer = made(shown=((1,),))
    said = [Sentence(start=0, end=1, text=text)]
    track = answer.tracks[0].model_copy(update={"category": category, "sentences": said})

    content = written("eaf", answer.model_copy(update={"tracks": [track]}))

    tier = next(ElementTree.fromstring(content).iter("TIER"))
    assert tier.get("TIER_ID") == clean(f"1 {category}")
    assert (next(tier.iter("ANNOTATION_VALUE")).text or "") == clean(text)
