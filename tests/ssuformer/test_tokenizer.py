from hypothesis import given
from hypothesis import strategies as st

from ssuformer.tokenizer import END, PAD, SPECIAL, UNKNOWN, Tokenizer

SENTENCES = ("a small dog barks on the left", "a large piano plays chords while a dog barks")


def test_known_words_take_one_token_each() -> None:
    tokenizer = Tokenizer.learn(SENTENCES)

    assert len(tokenizer.encode(SENTENCES[0])) == len(SENTENCES[0].split()) + 1


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789 ", max_size=60))
def test_any_words_come_back_as_they_were(text: str) -> None:
    tokenizer = Tokenizer.learn(SENTENCES)

    assert tokenizer.decode(tokenizer.encode(text)) == " ".join(text.split())


def test_decoding_stops_at_the_end() -> None:
    tokenizer = Tokenizer.learn(SENTENCES)
    ids = [*tokenizer.encode("a dog"), *tokenizer.encode("barks"), PAD]

    assert tokenizer.decode(ids) == "a dog"


def test_what_cannot_be_written_is_unknown() -> None:
    tokenizer = Tokenizer.learn(SENTENCES)

    assert tokenizer.encode("é") == [UNKNOWN, END]
    assert tokenizer.decode([10_000]) == SPECIAL[UNKNOWN]


def test_the_most_frequent_words_are_kept_when_the_vocabulary_is_full() -> None:
    everything = Tokenizer.learn(SENTENCES)
    words = [w for w in everything.vocabulary if len(w) > 1 and not w.startswith(("##", "<"))]

    smaller = Tokenizer.learn(SENTENCES, size=len(everything.vocabulary) - len(words) + 2)

    assert smaller.vocabulary[-2:] == ("barks", "dog")
