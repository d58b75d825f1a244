import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ssuformer.tokenizer import BEGIN, END, PAD, SPECIAL, UNKNOWN, Tokenizer

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


def test_the_most_frequent_words_are_kept_when_the_vocabulary_is_full() -> None:
    everything = Tokenizer.learn(SENTENCES)
    words = [w for w in everything.vocabulary if len(w) > 1 and not w.startswith(("##", "<"))]

    smaller = Tokenizer.learn(SENTENCES, size=len(everything.vocabulary) - len(words) + 2)

    assert smaller.vocabulary[-2:] == ("barks", "dog")


@given(st.text(max_size=60))
@example("<pad> <begin> <end> a")
def test_any_text_has_known_ids_and_one_end(text: str) -> None:
    tokenizer = Tokenizer.learn(SENTENCES)

    ids = tokenizer.encode(text)

    assert all(0 <= i < len(tokenizer.vocabulary) for i in ids)
    assert ids.index(END) == len(ids) - 1
    assert not {PAD, BEGIN} & set(ids)


@given(st.text(max_size=60))
@example("<begin>")
def test_what_was_learnt_is_never_unknown(text: str) -> None:
    assume(SPECIAL[UNKNOWN] not in text.lower())
    tokenizer = Tokenizer.learn([text])

    assert UNKNOWN not in tokenizer.encode(text)


@given(st.text(max_size=60))
def test_a_decoded_sentence_has_the_same_ids_again(text: str) -> None:
    tokenizer = Tokenizer.learn([text, *SENTENCES])
    ids = tokenizer.encode(text)

    assert tokenizer.encode(tokenizer.decode(ids)) == ids


def test_an_unknown_character_costs_only_itself() -> None:
    tokenizer = Tokenizer.learn(SENTENCES)

    assert tokenizer.decode(tokenizer.encode("a café barks")) == "a caf <unknown> barks"


def test_capitals_are_lowered_and_punctuation_joins_the_word_before() -> None:
    tokenizer = Tokenizer.learn(["a dog , a piano ."])

    assert tokenizer.decode(tokenizer.encode("A Dog, a PIANO.")) == "a dog, a piano."


@given(st.integers(0, 200))
def test_a_vocabulary_is_never_larger_than_its_size(size: int) -> None:
    tokenizer = Tokenizer.learn(SENTENCES, size=size)

    assert len(tokenizer.vocabulary) <= size


def test_learning_does_not_depend_on_the_order_of_the_sentences() -> None:
    forth, back = Tokenizer.learn(SENTENCES), Tokenizer.learn(SENTENCES[::-1])

    assert forth.vocabulary == back.vocabulary


@given(st.text(max_size=60))
def test_no_piece_is_in_a_vocabulary_twice(text: str) -> None:
    vocabulary = Tokenizer.learn([text]).vocabulary

    assert len(set(vocabulary)) == len(vocabulary)
    assert vocabulary[: len(SPECIAL)] == SPECIAL


@pytest.mark.parametrize("ids", [[], [END], [PAD, 7], [END, 7]])
def test_nothing_before_the_end_is_an_empty_sentence(ids: list[int]) -> None:
    assert Tokenizer.learn(SENTENCES).decode(ids) == ""


@pytest.mark.parametrize("number", [-1, 10_000])
def test_a_number_outside_the_vocabulary_is_unknown(number: int) -> None:
    assert Tokenizer.learn(SENTENCES).decode([number]) == SPECIAL[UNKNOWN]
