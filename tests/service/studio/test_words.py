"""Text of any script is taken; what would hide or turn it is not."""

import pytest

from service.studio.words import as_line, is_line

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    "text",
    ["un chien aboie\u00a0!", "می\u200cخواهم", FAMILY, "a\u200bb", "10\u202f%", ""],  # noqa: RUF001
)
def test_letters_that_are_joined_or_kept_together_are_text(text: str) -> None:
    assert is_line(text)
    assert as_line(text) == text


@pytest.mark.parametrize("letter", [*"\x00\n\r\t\x7f\x85", "\u2028", "\u202e", "\u2066"])
def test_controls_line_breaks_and_what_turns_letters_are_not(letter: str) -> None:
    assert not is_line(f"a{letter}b")
    assert as_line(f" a{letter} b ") == "a b"
