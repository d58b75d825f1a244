import numpy as np
import pytest

from service.cli.film.drawing import (
    Layer,
    Line,
    Mark,
    at_most,
    blend,
    burn_in,
    colour_of,
    coverage,
    font,
    lines_of,
    paint,
    wrap,
)
from service.cli.film.yuv_layer import Stencil, split, turn
from ssuformer.masks import Mask
from ssuformer.media.orientation import Orientation

SIZE = (120, 160)


def square(*, size: tuple[int, int] = SIZE, begin: int = 40, end: int = 80) -> Mask:
    mask = np.zeros(size, bool)
    mask[begin:end, begin:end] = True
    return mask


def test_a_track_has_one_colour_and_its_neighbours_have_others() -> None:
    colours = [colour_of(track) for track in range(1, 30)]

    assert colours == [colour_of(track) for track in range(1, 30)]
    assert len(set(colours)) == len(colours)


def test_a_painted_mask_tints_what_is_inside_and_leaves_what_is_far_outside() -> None:
    grey = np.full((*SIZE, 3), 100, np.uint8)
    mark = Mark(track=1, mask=square(), text="")

    picture = blend(grey, paint([mark], SIZE))

    red, _, blue = picture[60, 60].tolist()
    assert red > 130
    assert blue < 95
    assert picture[10, 10].tolist() == [100, 100, 100]


def test_the_outline_is_nearly_the_pure_colour_with_a_dark_line_around_it() -> None:
    white = np.full((*SIZE, 3), 255, np.uint8)
    mark = Mark(track=2, mask=square(), text="")

    picture = blend(white, paint([mark], SIZE))

    assert np.abs(picture[60, 40].astype(int) - colour_of(2)).max() < 20
    assert picture[60, 38].max() < 200


def test_the_first_mark_lies_on_top_of_the_others() -> None:
    black = np.zeros((*SIZE, 3), np.uint8)
    marks = [Mark(track=1, mask=square(), text=""), Mark(track=2, mask=square(), text="")]

    picture = blend(black, paint(marks, SIZE))

    red, _, blue = picture[60, 40].tolist()
    assert red > blue


def test_an_empty_mask_paints_nothing() -> None:
    layer = paint([Mark(track=1, mask=np.zeros((4, 4), bool), text="")], SIZE)

    assert not layer.opacity.any()


def test_a_small_mask_is_stretched_to_the_picture_with_smooth_edges() -> None:
    small = square(size=(24, 32), begin=8, end=16)

    y, x, inside = coverage(small, SIZE, margin=2)

    whole = np.zeros(SIZE, np.float32)
    whole[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    assert whole.sum() == pytest.approx(1600, rel=0.06)
    assert whole[60, 60] == 1
    assert whole[5, 5] == 0
    assert 0 < np.count_nonzero((whole > 0.05) & (whole < 0.95)) < 200


def test_a_mask_of_one_pixel_is_still_seen() -> None:
    mask = np.zeros((12, 16), bool)
    mask[6, 8] = True

    layer = paint([Mark(track=1, mask=mask, text="")], SIZE)

    assert layer.opacity[65, 85] > 0.4


def test_lines_are_no_wider_than_they_may_be_and_no_word_is_lost() -> None:
    text = "a dog is barking loudly on the left while a bell is ringing far behind it."

    lines = wrap(text, face=font(16), width=150)

    assert len(lines) > 2
    assert " ".join(lines) == text
    assert all(font(16).getlength(line) <= 150 for line in lines)


def test_a_word_that_is_wider_than_the_line_is_cut() -> None:
    lines = wrap("W" * 100, face=font(16), width=100)

    assert len(lines) == 1
    assert lines[0].endswith("…")
    assert font(16).getlength(lines[0]) <= 100


def test_only_the_first_line_of_a_sentence_bears_a_swatch() -> None:
    mark = Mark(track=3, mask=square(), text="a bell is ringing far away in the distance.")

    lines = lines_of([mark], face_size=16, width=140)

    assert [line.first for line in lines] == [True, *[False] * (len(lines) - 1)]
    assert {line.colour for line in lines} == {colour_of(3)}


def test_too_many_lines_end_with_a_sign_that_there_are_more() -> None:
    lines = [Line(text=f"line {i}", colour=(0, 0, 0), first=True) for i in range(5)]

    assert [line.text for line in at_most(lines, 2)] == ["line 0", "line 1 …"]
    assert at_most(lines, 5) == lines
    assert at_most(lines, 0) == []


def test_sentences_are_burnt_into_the_bottom_on_a_dark_band() -> None:
    white = np.full((240, 320, 3), 255, np.uint8)
    layer = Layer((240, 320))

    burn_in(layer, [Mark(track=1, mask=square(), text="a bell is ringing.")])

    picture = blend(white, layer)
    assert (picture[:200] == 255).all()
    assert picture[-3].max() < 130
    assert np.ptp(picture[-20:-5].astype(int)) > 100


def test_notices_are_burnt_into_the_top_on_a_dark_band() -> None:
    white = np.full((240, 320, 3), 255, np.uint8)
    layer = Layer((240, 320))

    burn_in(layer, [], notices=["quiet_audio: the loudest second has -60 dBFS"])

    picture = blend(white, layer)
    assert (picture[60:] == 255).all()
    assert picture[1].max() < 130
    assert np.ptp(picture[5:15].astype(int)) > 100


def test_a_stencil_does_to_planes_what_blending_does_to_colours() -> None:
    layer = Layer(SIZE)
    layer.put((0, 0, 255), np.full((20, 40), 0.5, np.float32), y=10, x=20)
    frame = np.full((180, 160), 128, np.uint8)
    frame[:120] = 235

    Stencil(layer, high_definition=False).stamp(split(frame))

    luma, to_blue, to_red = split(frame)
    assert luma[20, 40] == pytest.approx((235 + 16 + 0.114 * 219) / 2, abs=1)
    assert to_blue[10, 20] == pytest.approx((128 + 240) / 2, abs=1)
    assert to_red[10, 20] == pytest.approx((128 + 109.8) / 2, abs=1)
    assert luma[5, 5] == 235
    assert to_blue[30, 60] == 128


def test_a_turned_frame_is_turned_in_all_planes() -> None:
    frame = np.zeros((9, 4), np.uint8)
    luma, to_blue, _ = split(frame)
    luma[0, 0] = to_blue[0, 0] = 200

    turned = split(turn(frame, Orientation(quarters=1)))

    assert [plane.shape for plane in turned] == [(4, 6), (2, 3), (2, 3)]
    assert turned[0][-1, 0] == 200
    assert turned[1][-1, 0] == 200
