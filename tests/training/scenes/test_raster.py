import numpy as np
import pytest
from PIL import Image

from training.scenes.raster import Raster, RenderedFrame
from training.scenes.script import Actor, Backdrop, Camera, Look, Motion, Room, Script, Voice

BLUE = np.full((64, 64, 3), (0, 0, 200), np.uint8)


def _bar() -> Image.Image:
    """Return a red bar, 100 by 50, with a green end on its right."""
    picture = Image.new("RGBA", (104, 54), (0, 0, 0, 0))
    picture.paste((255, 0, 0, 255), (2, 2, 102, 52))
    picture.paste((0, 255, 0, 255), (82, 2, 102, 52))
    return picture


def _actor(x: float = 0.5, y: float = 0.5, *, degrees: float = 0.0) -> Actor:
    motion = Motion(start=(x, y), end=(x, y), size=0.52, degrees=degrees)
    return Actor(Voice("bar", 0, 0.0, (False,) * 4), 0, Look(), motion)


def _picture(
    *actors: Actor,
    size: tuple[int, int] = (200, 200),
    aspect: float = 1.0,
    camera: Camera | None = None,
) -> RenderedFrame:
    script = Script(
        seed=(1,),
        split="train",
        seconds=4,
        aspect=aspect,
        backdrop=Backdrop(0),
        camera=camera or Camera(),
        room=Room(),
        actors=actors,
    )
    raster = Raster(script, sprites=[_bar() for _ in actors], background=BLUE, size=size)
    return raster.picture(1.0)


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def test_a_thing_lies_where_and_is_as_large_as_the_script_says() -> None:
    picture = _picture(_actor(0.4, 0.6))

    left, top, right, bottom = _box(picture.mask(0))

    assert (right - left, bottom - top) == pytest.approx((100, 50), abs=1)
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((80, 120), abs=1)


def test_turning_is_counter_clockwise() -> None:
    picture = _picture(_actor(degrees=90))

    left, top, right, bottom = _box(picture.mask(0))

    assert (right - left, bottom - top) == pytest.approx((50, 100), abs=1)
    assert picture.rgb[top + 5, 100].tolist() == [0, 255, 0]


def test_a_wide_film_is_squeezed_into_a_square() -> None:
    wide = _picture(_actor(), aspect=16 / 9)

    left, top, right, bottom = _box(wide.mask(0))

    assert (right - left) / (bottom - top) == pytest.approx(2 * 9 / 16, rel=0.03)


def test_a_wide_film_at_its_own_aspect_is_not_distorted() -> None:
    wide = _picture(_actor(degrees=45), aspect=16 / 9, size=(180, 320))

    left, top, right, bottom = _box(wide.mask(0))

    assert right - left == pytest.approx(bottom - top, abs=1)


def test_who_is_in_front_hides_who_is_behind() -> None:
    picture = _picture(_actor(), _actor(0.6, 0.5))

    assert not (picture.mask(0) & picture.mask(1)).any()
    assert picture.mask(1).sum() == picture.areas[1]
    assert picture.mask(0).sum() < picture.areas[0]


def test_a_thing_beyond_the_edge_is_cut_off() -> None:
    picture = _picture(_actor(0.0, 0.5))

    assert picture.areas[0] == pytest.approx(50 * 50, rel=0.05)
    assert picture.mask(0)[:, 0].any()


def test_a_thing_outside_the_frame_shows_nothing() -> None:
    picture = _picture(_actor(1.5, 0.5))

    assert picture.areas == (0,)
    assert not picture.actor.any()


def test_edges_are_blended_without_a_dark_rim() -> None:
    picture = _picture(_actor(degrees=10))

    # red over blue: every mixture of both keeps red + blue near 200..255
    inside = picture.rgb.astype(int)
    assert (inside.sum(axis=-1) > 180).all()


def test_noise_and_jpeg_change_pixels_but_not_the_truth() -> None:
    clean, noisy = _picture(_actor()), _picture(_actor(), camera=Camera(noise=6.0, jpeg_quality=50))

    assert (clean.actor == noisy.actor).all()
    assert 0 < np.abs(clean.rgb.astype(int) - noisy.rgb).mean() < 12


def test_noise_reaches_every_corner_of_a_large_picture() -> None:
    picture = _picture(size=(900, 900), camera=Camera(noise=5.0))

    assert picture.rgb[:50, :50].std() > 2
    assert picture.rgb[-50:, -50:].std() > 2


def test_a_camera_that_sways_widely_stays_within_the_background() -> None:
    for phase in (0.0, 0.25, 0.5, 0.75):
        picture = _picture(camera=Camera(sway=0.2, hertz=0.1, phase=phase))

        assert picture.rgb.shape == (200, 200, 3)
