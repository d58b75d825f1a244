"""Names that a client may choose are safe in documents, archives and headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from service.formats.clip_names import UNNAMED, ClipName, safe_name

SAFE = {
    "film.mov": ("film", ".mov"),
    "C:\\films\\a b (2).MP4": ("a b (2)", ".MP4"),
    "/etc/passwd": ("passwd", ""),
    "../../x.mp4": ("x", ".mp4"),
    "..": ("clip", ""),
    "": ("clip", ""),
    ".mp4": ("mp4", ""),
    "犬の声.webm": ("犬の声", ".webm"),
    'a"b<c>:|?*\r\n\0.mp4': ("a_b_c________", ".mp4"),
    "🎻.mp4": ("🎻", ".mp4"),
    "❤️ 5 € — “live”.mp4": ("❤️ 5 € — “live”", ".mp4"),
    "👩‍🎤.webm": ("👩‍🎤", ".webm"),
    "\u200d.mp4": ("mp4", ""),
    "a\u202ecod.mp4": ("a_cod", ".mp4"),
    "CON": ("CON_", ""),
    "nul.mp4": ("nul_", ".mp4"),
    "Com1.take.2.mp4": ("Com1_.take.2", ".mp4"),
    "lpt9 .mp4": ("lpt9_", ".mp4"),
    "AUX" + " " * 90 + "x": ("AUX_", ""),
    "CON." + "x" * 90: ("CON_." + "x" * 75, ""),
    "Com10.mp4": ("Com10", ".mp4"),
    "console.mp4": ("console", ".mp4"),
    "v1.2 of the film": ("v1.2 of the film", ""),
    "x" * 300 + ".mp4": ("x" * 80, ".mp4"),
    "犬" * 80: ("犬" * 53, ""),
}


@pytest.mark.parametrize("given_name", SAFE)
def test_a_path_and_what_is_reserved_anywhere_are_left_out(given_name: str) -> None:
    assert ClipName.of(given_name) == SAFE[given_name]


@pytest.mark.parametrize("name", ["", "...", " ", "a/", "\u200d"])
def test_a_name_of_which_nothing_is_left_is_none(name: str) -> None:
    assert safe_name(name) is None
    assert ClipName.of(name) == ClipName()


@given(some.text())
def test_any_name_is_safe_and_stays_as_it_is_then(name: str) -> None:
    safe = safe_name(name) or UNNAMED

    assert safe_name(safe) == safe
    assert safe == safe.strip(" .")
    assert safe
    assert len(safe.encode()) <= 166
    assert not set(safe) & set('/\\"<>:|?*%\0\r\n')
