"""WordPiece tokenizer without torch; its vocabulary is stored with the weights.

A closed vocabulary of whole words first, then single characters as `##x` pieces, so that any
sentence can be encoded while the sentences of the training set take one token per word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

PAD, BEGIN, END, UNKNOWN = 0, 1, 2, 3
SPECIAL = ("<pad>", "<begin>", "<end>", "<unknown>")
# A text that names one of these is spelled: their ids begin, end and fill a sentence.
_WORD = re.compile(r"<(?!(?:pad|begin|end)>)[a-z]+>|[a-z0-9]+|[^\sa-z0-9]")
_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


class Tokenizer:
    """Greedy longest-match WordPiece; lower case, punctuation separate."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = tuple(vocabulary)
        self._ids = {piece: i for i, piece in enumerate(self.vocabulary)}

    @classmethod
    def learn(cls, sentences: Iterable[str], size: int = 2048) -> Tokenizer:
        """Return a tokenizer whose words are the most frequent ones of `sentences`."""
        counts = Counter(word for sentence in sentences for word in _WORD.findall(sentence.lower()))
        pieces = [*SPECIAL, *_CHARACTERS, *(f"##{c}" for c in _CHARACTERS)]
        known = set(pieces)
        words = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        pieces += [word for word, _ in words if word not in known]
        return cls(pieces[:size])

    def encode(self, sentence: str) -> list[int]:
        """Return the token ids of a sentence, with the end token, without the begin token."""
        ids = [i for word in _WORD.findall(sentence.lower()) for i in self._pieces(word)]
        return [*ids, END]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the sentence for `ids`, up to the end token."""
        text = ""
        for i in ids:
            if i in (END, PAD):
                break
            piece = self.vocabulary[i] if 0 <= i < len(self.vocabulary) else SPECIAL[UNKNOWN]
            glued = piece.startswith("##") or piece in ",.;:!?'"
            text += piece.removeprefix("##") if glued else f" {piece}"
        return text.strip()

    def _pieces(self, word: str) -> list[int]:
        if word in self._ids:
            return [self._ids[word]]
        pieces = [word[0], *(f"##{c}" for c in word[1:])]
        return [self._ids.get(piece, UNKNOWN) for piece in pieces]
