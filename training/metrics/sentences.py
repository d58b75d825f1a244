"""Similarity of a sentence to the true one: BLEU-1..4, ROUGE-L and CIDEr-D.

BLEU comes from sacrebleu; ROUGE-L (beta 1.2) and CIDEr-D (n 4, sigma 6) from pycocoevalcap, whose
own BLEU is not used because its source file forbids commercial use. Both sides are lower-cased
and split into words here: the usual PTB tokeniser needs Java. So do METEOR and SPICE, which are
therefore left out. Captioning papers report these figures times 100.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from sacrebleu.metrics.bleu import BLEU

_WORD = re.compile(r"\w+(?:['-]\w+)*")


@dataclass(frozen=True, slots=True)
class SentenceScores:
    """Results of a `SentenceAccumulator`; all 0 if it has no pairs."""

    bleu: tuple[float, float, float, float]
    """BLEU-1..4 of the whole corpus, 0..1, unsmoothed."""
    rouge_l: float
    """Mean over pairs, 0..1."""
    cider_d: float
    """Mean over pairs, 0..10; words that occur in every true sentence have zero weight."""
    pairs: int


class SentenceAccumulator:
    """Pairs of predicted and true sentences; the scores are those of the corpus."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._true: list[str] = []

    def add(self, said: str, true: str) -> None:
        """Add a pair; one without a single true word is left out."""
        if reference := words(true):
            self._said.append(" ".join(words(said)))
            self._true.append(" ".join(reference))

    def scores(self) -> SentenceScores:
        """Return the scores of all pairs so far."""
        if not self._true:
            return SentenceScores(bleu=(0.0, 0.0, 0.0, 0.0), rouge_l=0.0, cider_d=0.0, pairs=0)
        said = {i: [sentence] for i, sentence in enumerate(self._said)}
        true = {i: [sentence] for i, sentence in enumerate(self._true)}
        return SentenceScores(
            bleu=(self._bleu(1), self._bleu(2), self._bleu(3), self._bleu(4)),
            rouge_l=float(Rouge().compute_score(true, said)[0]),
            cider_d=float(Cider().compute_score(true, said)[0]),
            pairs=len(self._true),
        )

    def _bleu(self, order: int) -> float:
        scorer = BLEU(max_ngram_order=order, tokenize="none", smooth_method="none", force=True)
        return float(scorer.corpus_score(self._said, [self._true]).score) / 100


def words(sentence: str) -> list[str]:
    """Return the words of a sentence in lower case, without punctuation."""
    return _WORD.findall(sentence.lower())
