from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.cli.clip_report import names_for
from service.film.answer_masks import unseen_of
from service.film.contact_sheet import ContactSheet, Moment, clock, columns_for, spread
from service.film.drawn import draw
from service.film.film_layers import Layers
from service.film.film_reader import FilmReader, FrameConverter
from service.film.overlay import canvas
from service.understanding.schemas import Heard, Notice, Region
from service.understanding.smoothing import Smoother
from ssuformer.clip import read_clip
from ssuformer.errors import ClipUnreadable
from ssuformer.masks import Mask
from tests.corpus.pictures import in_hdr
from tests.service.made_answer import answer, region
from tests.ssuformer.footage import Footage, with_matrix

HEAD = 60
"""Rows of a contact sheet that its title takes."""

SMALL = Footage(seconds=2.0, fps=10, beep=(0.0, 2.0))


@dataclass(frozen=True)
class Seen:
    """A film as it was decoded: times, pictures and the bytes of its packets of sound."""

    times: list[float]
    pictures: list[NDArray[np.uint8]]
    sound: list[bytes]
    sound_codec: str
    seconds: float


def watch(path: Path) -> Seen:
    with av.open(path) as container:
        sound = container.streams.audio[0]
        packets = [bytes(packet) for packet in container.demux(sound) if packet.size]
        codec, seconds = sound.codec_context.name, (container.duration or 0) / 1e6
        container.seek(0)
        frames = list(container.decode(video=0))
        pictures = [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in frames]
        times = [frame.time or 0.0 for frame in frames]
    return Seen(times, pictures, packets, codec, seconds)


def half(*, size: tuple[int, int] = (48, 64), left: bool = True) -> Mask:
    """The left half of a picture, or its upper half."""
    mask = np.zeros(size, bool)
    mask[:, : size[1] // 2] = left
    mask[: size[0] // 2] |= not left
    return mask


def overlay_of(
    footage: Footage,
    folder: Path,
    frames: Sequence[Sequence[Region]],
    *,
    size: tuple[int, int] = (48, 64),
) -> tuple[Path, Path]:
    """Write a clip and its overlay."""
    clip, film = folder / "clip", folder / "film.mp4"
    clip.write_bytes(footage.make())
    draw(clip, answer(frames, size=size), overlay=film, sheet=None, title="", threads=1)
    return clip, film


def test_an_overlay_has_all_frames_at_their_times_and_the_very_packets_of_the_sound(
    tmp_path: Path,
) -> None:
    clip, film = overlay_of(SMALL, tmp_path, [[region(half())], []])

    before, after = watch(clip), watch(film)
    assert after.times == pytest.approx(before.times, abs=1e-3)
    assert after.seconds == pytest.approx(before.seconds, abs=0.05)
    assert after.sound == before.sound
    assert after.sound_codec == "aac"
    assert not film.with_name("film.mp4.part").exists()


def test_an_overlay_tints_the_mask_while_its_second_lasts_and_not_after(tmp_path: Path) -> None:
    _, film = overlay_of(SMALL, tmp_path, [[region(half(), text=None)], []])

    seen = watch(film)
    height, width, _ = seen.pictures[0].shape
    inside, outside = (height // 3, width // 5), (height // 3, width * 4 // 5)
    for time, picture in zip(seen.times, seen.pictures, strict=True):
        red, _, blue = (int(part) for part in picture[inside])
        if not 0.8 < time < 1:  # there it goes
            assert (red > blue + 40) == (time < 1)
        assert np.ptp(picture[outside].astype(int)) < 12


def test_sound_that_mp4_does_not_hold_becomes_aac_of_the_same_length(tmp_path: Path) -> None:
    footage = Footage(seconds=2.0, fps=10, container="matroska", audio="pcm_s16le", rate=22_050)

    clip, film = overlay_of(footage, tmp_path, [[], []])

    before, after = watch(clip), watch(film)
    assert after.sound_codec == "aac"
    assert after.seconds == pytest.approx(before.seconds, abs=0.15)
    assert len(after.times) == len(before.times)


def test_the_overlay_of_a_clip_that_starts_late_starts_at_once(tmp_path: Path) -> None:
    footage = Footage(
        seconds=2.0, fps=10, container="mpegts", video_start=3.0, audio_start=3.0, beep=None
    )

    clip, film = overlay_of(footage, tmp_path, [[], []])

    before, after = watch(clip), watch(film)
    assert before.times[0] > 1
    assert after.times[0] == pytest.approx(0, abs=0.11)
    assert np.diff(after.times) == pytest.approx(np.diff(before.times), abs=1e-3)
    assert after.seconds == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("curve", ["PQ", "HLG"])
def test_the_overlay_of_a_clip_in_hdr_has_the_colours_that_were_looked_at(
    tmp_path: Path, curve: str
) -> None:
    clip, film = overlay_of(in_hdr(curve, "hevc", "mp4"), tmp_path, [[], [], []], size=(96, 128))

    before, after = read_clip(clip), read_clip(film)
    quarter = (slice(20, 90), slice(20, 90))
    for one, other in zip(before.frames, after.frames, strict=True):
        shown, drawn = (frame[quarter].mean((0, 1)) for frame in (one, other))
        np.testing.assert_allclose(shown, drawn, atol=8)
    assert "hdr" in [warning.code for warning in before.warnings]
    assert "hdr" not in [warning.code for warning in after.warnings]


def test_the_overlay_of_a_turned_clip_is_upright(tmp_path: Path) -> None:
    footage = Footage(seconds=1.0, fps=10, rotation=90, beep=None)

    _, film = overlay_of(
        footage, tmp_path, [[region(half(size=(64, 48), left=False), text=None)]], size=(64, 48)
    )

    picture = watch(film).pictures[3]
    height, width, _ = picture.shape
    assert height > width
    assert picture[height // 4, width // 2, 0] > picture[height * 3 // 4, width // 2, 0] + 40


def test_a_clip_without_sound_has_an_overlay_too(tmp_path: Path) -> None:
    footage = Footage(seconds=1.0, fps=10, audio=None)

    _, film = overlay_of(footage, tmp_path, [[]])

    with av.open(film) as container:
        assert not container.streams.audio
        assert sum(1 for _ in container.decode(video=0)) == 10


def test_a_film_that_cannot_be_read_leaves_nothing_behind(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"no film at all")

    with pytest.raises(ClipUnreadable):
        draw(clip, answer([[]]), overlay=tmp_path / "film.mp4", sheet=None, title="")

    assert list(tmp_path.iterdir()) == [clip]


@pytest.mark.parametrize(
    ("width", "height", "wanted"),
    [
        (1280, 720, (720, 1280)),
        (853, 481, (480, 852)),
        (320, 240, (480, 640)),
        (3840, 2160, (1080, 1920)),
        (720, 1280, (1280, 720)),
    ],
)
def test_an_overlay_is_even_readable_and_not_huge(
    width: int, height: int, wanted: tuple[int, int]
) -> None:
    assert canvas(width, height) == wanted


def test_the_sheet_of_a_smooth_answer_has_the_analysed_frames_only(tmp_path: Path) -> None:
    clip, plain, smooth = (tmp_path / name for name in ("clip.mp4", "plain.png", "smooth.png"))
    clip.write_bytes(SMALL.make())
    told = answer([[region(half())], []])
    frames = Smoother(step=1, parts=10, most=100).add(told.frames)

    draw(clip, told, overlay=None, sheet=plain, title="")
    draw(clip, told.model_copy(update={"frames": frames}), overlay=None, sheet=smooth, title="")

    assert plain.read_bytes() == smooth.read_bytes()


def test_warnings_are_drawn_in_silent_seconds_too() -> None:
    notice = Notice(code="quiet_audio", message="the loudest second has -60 dBFS")

    layer = Layers(answer([[]], warnings=[notice]), (360, 480)).at(0.5)[-1]

    assert layer.opacity[:10].max() > 0.5
    assert not layer.opacity[180:].any()


DOG = Heard(category="dog", score=0.8, region=None, description="a dog barks out of sight")


def test_what_is_heard_but_not_seen_is_written_at_the_bottom() -> None:
    layer = Layers(answer([[]], heard=[DOG]), (360, 480)).at(0.5)[-1]

    assert layer.opacity[-10:].max() > 0.5
    assert not layer.opacity[:180].any()


def test_what_is_heard_but_not_seen_stands_under_a_tile(tmp_path: Path) -> None:
    clip, plain, told = (tmp_path / name for name in ("clip.mp4", "plain.png", "told.png"))
    clip.write_bytes(Footage(seconds=1.0, fps=10).make())

    for path, heard in ((plain, []), (told, [DOG])):
        made = answer([[region(half())]], heard=heard)
        draw(clip, made, overlay=None, sheet=path, title="clip.mp4, 1 s")

    assert len(grey_of(told)) > len(grey_of(plain))


def test_all_that_is_out_of_sight_is_one_line() -> None:
    owl = DOG.model_copy(update={"description": "an owl hoots out of sight"})
    seen = DOG.model_copy(update={"region": 1, "description": None})

    lines = [unseen_of(answer([[]], heard=heard).frames[0]) for heard in ([DOG, owl, seen], [seen])]

    assert lines == [["heard, not seen: dog barks, owl hoots"], []]


def test_warnings_stand_under_the_title_of_a_sheet(tmp_path: Path) -> None:
    sheet, plain = sheet_of(tmp_path, 2)
    warned = tmp_path / "warned.png"

    sheet.save(warned, title="clip.mp4", notices=["quiet_audio: the loudest second has -60 dBFS"])

    before, after = (grey_of(path) for path in (plain, warned))
    assert len(after) > len(before)
    assert after[50 : 50 + len(after) - len(before)].max() > 100


def grey_of(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"))


def count_tiles(picture: NDArray[np.uint8], *, grey: int) -> int:
    """Count the separate places of a grey along the rows and columns of a grid."""
    close = np.abs(picture.astype(int) - grey).max(-1) < 10
    rows = np.diff(close.any(1).astype(int), prepend=0) == 1
    total = 0
    for top in np.flatnonzero(rows):
        total += int((np.diff(close[top + 40].astype(int), prepend=0) == 1).sum())
    return total


def bright(_: int, __: float) -> int:
    return 200


def sheet_of(folder: Path, count: int) -> tuple[ContactSheet, Path]:
    clip, path = folder / "clip.mp4", folder / "sheet.png"
    clip.write_bytes(Footage(seconds=count / 10 + 0.1, fps=10, audio=None, paint=bright).make())
    sheet = ContactSheet([Moment(i / 10, lambda: []) for i in range(count)], width=64, height=48)
    with FilmReader(clip) as reel:
        for shot in reel.frames():
            sheet.add(shot)
    sheet.save(path, title="clip.mp4")
    return sheet, path


def test_a_contact_sheet_has_a_tile_per_moment(tmp_path: Path) -> None:
    sheet, path = sheet_of(tmp_path, 7)

    picture = np.asarray(Image.open(path).convert("RGB"))
    assert count_tiles(picture[HEAD:], grey=200) == 7
    assert sheet.note is None


def test_a_long_clip_is_sampled_to_sixty_tiles_from_end_to_end_and_says_so() -> None:
    moments = [Moment(float(i), lambda: []) for i in range(600)]

    chosen = spread(moments, 60)

    assert len(chosen) == len({moment.time for moment in chosen}) == 60
    assert (chosen[0].time, chosen[-1].time) == (0.0, 599.0)
    assert ContactSheet(moments, width=64, height=48).note == "60 of 600 moments"


def test_a_tile_shows_the_picture_of_its_moment_with_its_masks(tmp_path: Path) -> None:
    clip, path = tmp_path / "clip.mp4", tmp_path / "sheet.png"
    clip.write_bytes(Footage(seconds=1.0, fps=10, paint=lambda i, _: 60 if i == 5 else 20).make())

    draw(clip, answer([[region(half())]]), overlay=None, sheet=path, title="clip.mp4, 1 s")

    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    top = next(y for y in range(40, 200) if abs(picture[y, 350] - 60).max() < 12)
    tinted = picture[top + 140, 100]
    assert tinted[0] > tinted[2] + 40
    assert abs(picture[top + 140, 350] - 60).max() < 12


@pytest.mark.parametrize(
    ("tiles", "columns"), [(1, 1), (4, 4), (5, 5), (6, 3), (7, 4), (8, 4), (10, 5), (60, 5)]
)
def test_tiles_stand_in_at_most_five_columns(tiles: int, columns: int) -> None:
    assert columns_for(tiles) == columns


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "0:00.5"), (10.0, "0:10"), (61.25, "1:01.25"), (3723.5, "1:02:03.5")],
)
def test_times_are_written_as_people_read_them(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_a_mirrored_film_is_mirrored_in_the_overlay_too(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(with_matrix(Footage(seconds=0.2, paint=left_half).make(), -1, 0, 0, 1))

    with FilmReader(clip) as reel:
        shot = next(reel.frames())
        picture = FrameConverter((48, 64)).picture(shot)
        luma = FrameConverter((48, 64)).planes(shot)[:48]

    for shown in (picture, luma):
        assert shown[:, 40:].mean() > shown[:, :24].mean() + 100


def left_half(_: int, __: float) -> NDArray[np.uint8]:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :32] = 200
    return picture


def test_a_full_range_film_is_brought_to_the_range_that_an_overlay_is_in(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    footage = Footage(seconds=0.2, audio=None, paint=bright, options=(("color_range", "pc"),))
    clip.write_bytes(footage.make())

    with FilmReader(clip) as reel:
        shot = next(reel.frames())
        planes = FrameConverter((48, 64)).planes(shot)

    luma = shot.frame.to_ndarray()[:48].mean()
    assert planes[:48].mean() == pytest.approx(16 + luma * 219 / 255, abs=2)


def test_clips_of_the_same_name_leave_files_of_different_names() -> None:
    files = [Path("a/dog.mp4"), Path("b/dog.webm"), Path("c/dog.mp4"), Path("cat.mp4")]

    assert names_for(files) == ["dog.mp4", "dog.webm", "dog.mp4_", "cat"]
