import io
from pathlib import Path

import pytest

from service.formats.as_json import write as write_json
from service.formats.catalogue import DEFAULT, NAMES, accepted, describe, every, named
from service.formats.format import Material, Need
from service.understanding.mask_formats import NAMES as MASK_FORMATS
from service.understanding.mask_formats import MaskFormat
from ssuformer.errors import NotAcceptable, OptionError
from tests.service.formats.made import SIZE, made, unzipped, written

FROM_ANSWER = [one.name for one in every() if Need.CLIP not in one.needs]
PER_FRAME = ["json", "ndjson", "sse", "coco", "cvat", "davis", "npz", "webvtt-metadata", "fiftyone"]


def test_there_are_all_formats_each_under_the_name_of_its_module() -> None:
    assert NAMES[0] == DEFAULT
    assert {
        *("json", "ndjson", "sse", "coco", "youtube-vis", "davis", "cvat", "label-studio"),
        *("cvat-masks", "fiftyone"),
        *("webvtt", "webvtt-metadata", "srt", "eaf", "ra-ssu", "npz", "overlay", "sheet"),
    } == set(NAMES)
    assert all(one.name in NAMES for one in every())


def test_no_two_formats_share_a_media_type_or_a_suffix() -> None:
    formats = list(every())

    assert len({one.media_type for one in formats}) == len(formats)
    assert len({one.suffix for one in formats}) == len(formats)
    assert all(one.suffix.startswith(".") for one in formats)


def test_an_unknown_name_is_refused_with_all_names() -> None:
    with pytest.raises(OptionError, match=r"'svg' is none of json, coco, .*youtube-vis"):
        named("svg")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "json"),
        ("application/json; charset=utf-8", "json"),
        ("application/x-ndjson", "ndjson"),
        ("text/event-stream", "sse"),
        ("text/vtt", "webvtt"),
        ("text/vtt;kind=metadata", "webvtt-metadata"),
        ("TEXT/VTT ; q=0.3, video/mp4;q=0.2", "webvtt"),
        ("application/json;q=0.1, image/*", "sheet"),
        ("application/x-npz, application/vnd.ssu.davis+zip", "npz"),
        ("application/vnd.ssu.davis+zip, application/x-npz", "davis"),
        ("*/*, application/json;q=0", "coco"),
        ("video/mp4;q=high", "overlay"),
    ],
)
def test_the_media_type_that_is_preferred_chooses_the_format(header: str, name: str) -> None:
    assert accepted(header).name == name


@pytest.mark.parametrize("header", ["text/html", "application/json;q=0", "nonsense"])
def test_a_media_type_that_there_is_not_is_refused_with_all_that_there_are(header: str) -> None:
    with pytest.raises(NotAcceptable, match=r"application/json, .*video/mp4"):
        accepted(header)


def test_the_documentation_lists_every_format_with_type_and_suffix() -> None:
    rows = (Path(__file__).parents[3] / "docs" / "formats.md").read_text().splitlines()

    for one in every():
        (row,) = (row for row in rows if row.startswith(f"| `{one.name}`"))
        assert f"| `{one.media_type}` | `{one.suffix}` |" in row
        assert ("(m" in row) == (Need.MASKS in one.needs)
        assert ("c)" in row) == (Need.CLIP in one.needs)


def test_the_description_names_every_format() -> None:
    assert all(f"`{name}` (" in describe() for name in NAMES)


@pytest.mark.parametrize("name", FROM_ANSWER)
def test_an_answer_is_written_alike_whatever_form_its_masks_have(name: str) -> None:
    if name in {"json", "ndjson", "sse"}:
        pytest.skip("they keep the form of the masks")

    forms: list[MaskFormat] = ["rle", "rle_uncompressed", "polygon", "png"]

    assert len({written(name, made(form=form)) for form in forms}) == 1


@pytest.mark.parametrize("name", FROM_ANSWER)
def test_boxes_and_masks_are_in_pixels_of_the_clip_whatever_their_size_was(name: str) -> None:
    if name in {"json", "ndjson", "sse"}:
        pytest.skip("they keep the size of the masks, and state it")
    larger = made(size=(2 * SIZE[0], 3 * SIZE[1]))

    assert written(name, larger) == written(name, made())


@pytest.mark.parametrize("name", FROM_ANSWER)
def test_an_answer_without_masks_or_regions_is_written_or_refused(name: str) -> None:
    one = named(name)
    bare = made(form="none")

    if Need.MASKS in one.needs:
        with pytest.raises(OptionError, match="made of masks"):
            one.check(masks=Material(bare).masks, clip=False)
    else:
        assert written(name, bare)
    assert written(name, made(shown=((), ())))


def test_a_format_that_needs_the_clip_is_refused_without_it() -> None:
    for one in every():
        if Need.CLIP in one.needs:
            with pytest.raises(OptionError, match="needs the clip"):
                one.check(masks=True, clip=False)


class Pieces(io.RawIOBase):
    """Remembers how large the pieces were that were written; cannot be sought."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: object) -> int:
        size = len(memoryview(piece))  # type: ignore[arg-type]
        self.sizes.append(size)
        return size


@pytest.mark.parametrize("name", PER_FRAME)
def test_large_answers_are_written_piece_by_piece(name: str) -> None:
    out = Pieces()

    named(name).write(Material(made(shown=((1, 2),) * 400)), out)  # type: ignore[arg-type]

    assert max(out.sizes) < max(40_000, sum(out.sizes) / 5)
    assert len(out.sizes) > 20 or name in {"fiftyone", "npz"}


@pytest.mark.parametrize("name", MASK_FORMATS)
def test_json_is_what_the_answer_is_as_one_document(name: MaskFormat) -> None:
    answer, out = made(form=name), io.BytesIO()

    write_json(Material(answer), out)

    assert out.getvalue().decode() == answer.model_dump_json()


@pytest.mark.parametrize("name", ["davis", "fiftyone", "npz"])
def test_archives_are_whole_and_the_same_each_time(name: str) -> None:
    assert unzipped(written(name))
    assert written(name) == written(name)
