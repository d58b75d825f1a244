"""All scores of an evaluation, from single clips to a flat table of stable names.

A *source-frame* is a source that sounds in a frame and shows at least one pixel there; a predicted
region is *on* it if it overlaps it most, by an IoU of at least 0.5, each region on one source-frame
and the reverse. A score without any measurement is left out, and so are all scores of
sentences if none were requested; counts are always present.

    masks, union of all that sounds (`training.metrics.masks` has the two protocols)
      j                  IoU at 0.5, mean over sounding frames
      f                  F at the best threshold of each video, mean over videos
      f_dataset          F at the best threshold of the whole set, mean over sounding frames
      j_avsbench, f_avsbench   the same two by AVSBench's protocol, silent frames included
      false_alarm_area   share of pixels predicted in silent frames (lower is better)
    instances (`training.metrics.instances`), category taken from the classifier head
      instance_ap50      average precision, mask IoU >= 0.5, mean over categories
      instance_ap        the same, mean over IoU >= 0.5, 0.55, ..., 0.95
      instance_j         IoU of each source-frame with its region of the same category
    pixels (`training.metrics.semantic`), AVSBench's scores of its semantic set
      semantic_miou      IoU of a category and of the background in a frame, mean over frames, then
                         over categories
      semantic_f         F with beta^2 = 0.3, the same
    sentences, over source-frames that have a region on them
      region_recall      of all source-frames, those that have one
      category_accuracy  the classifier head names the source
      fact_accuracy      the sentence names the source
      where_accuracy, colour_accuracy, size_accuracy, company_accuracy
                         the sentence states this as the true one does, where the true one states it
      bleu_1 .. bleu_4, rouge_l (0..1), cider_d (0..10)
                         the sentence against the true one
    people, over source-frames of people that have a region on them
      people_misnamed    the classifier head names an animal or a thing; `something` is none (lower
                         is better)
    sentences, over all source-frames or regions
      fact_recall        of all source-frames, those whose region names them in its sentence
      joint_recall       the same number: mask and fact both right, of all source-frames
      joint_precision    mask and fact both right, of all predicted regions
      joint_f1           harmonic mean of the two
    counts
      scenes, frames, sounding_frames, silent_frames
      source_frames, regions, sentences (pairs scored by BLEU, ROUGE-L and CIDEr-D)
      regions_on_people
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from training.metrics.counts import Mean
from training.metrics.facts import CATEGORY, FactAccumulator
from training.metrics.instances import InstanceAccumulator
from training.metrics.joint import JointAccumulator
from training.metrics.masks import MaskAccumulator
from training.metrics.regions import (
    MATCH_IOU,
    KindReader,
    PredictedRegion,
    TrueRegion,
    match,
    misnames_person,
    pairwise_iou,
    ranked,
    true_regions,
)
from training.metrics.semantic import SemanticAccumulator
from training.metrics.sentences import SentenceAccumulator
from training.scene import Scene

OF_CATEGORIES = (
    *("instance_ap50", "instance_ap", "instance_j", "category_accuracy"),
    *("semantic_miou", "semantic_f"),
    *("fact_accuracy", "fact_recall", "joint_precision", "joint_recall", "joint_f1"),
    *("people_misnamed", "regions_on_people"),
)
"""Scores that need the categories of the sources."""

FactReader = Callable[[str], Mapping[str, object]]
"""Parses a sentence: fact name -> value, with the source under `category`."""


class Evaluation:
    """All scores of a model on a set of scenes; `facts` parses a sentence."""

    def __init__(
        self,
        *,
        facts: FactReader,
        kind: KindReader,
        sentences: bool = True,
    ) -> None:
        self._read, self._kind = facts, kind
        self._has_sentences = sentences
        self._masks = MaskAccumulator()
        self._by_avsbench = MaskAccumulator("avsbench")
        self._instances = InstanceAccumulator()
        self._semantic = SemanticAccumulator()
        self._joint = JointAccumulator()
        self._attributes = FactAccumulator()
        self._sentences = SentenceAccumulator()
        self._category = Mean()
        self._people_misnamed = Mean()
        self._regions = 0
        self._source_frames = 0

    def add(
        self, truth: Scene, *, regions: Sequence[Sequence[PredictedRegion]], union: npt.NDArray[Any]
    ) -> None:
        """Add one clip: its truth, the regions of each frame, and `[t h w]` union probabilities.

        Masks are as large as the truth's. ValueError if sizes or the number of frames differ.
        """
        _check(truth, regions)
        for masks in (self._masks, self._by_avsbench):
            masks.add(union, truth.sounding_mask())
        for frame, predicted in enumerate(regions):
            found, true = ranked(predicted), true_regions(truth, frame)
            self._add_frame(found, true)
            self._semantic.add(found, true, truth.frames.shape[1:3])

    def report(self) -> dict[str, float]:
        """Return every measured score, and every count, by name as documented above."""
        scores = {
            **self._mask_scores(),
            **self._instance_scores(),
            **self._joint_scores(),
            "category_accuracy": self._category.value,
            "people_misnamed": self._people_misnamed.value,
            **{f"{name}_accuracy": value for name, value in self._attributes.accuracies().items()},
            **self._sentence_scores(),
            "source_frames": float(self._source_frames),
            "regions": float(self._regions),
            "regions_on_people": float(self._people_misnamed.count),
        }
        over = self._measured_over(scores)
        return {name: value for name, value in scores.items() if over.get(name, 1)}

    def _measured_over(self, scores: Mapping[str, float]) -> dict[str, float]:
        """Return, for every score, the number of items it was measured on."""
        on_source = float(self._category.count)
        told = float(self._has_sentences)
        told_facts = self._attributes.counts()
        return {
            **dict.fromkeys(("j", "f", "f_dataset"), scores["sounding_frames"]),
            **dict.fromkeys(("j_avsbench", "f_avsbench"), scores["frames"]),
            "false_alarm_area": scores["silent_frames"],
            **dict.fromkeys(("semantic_miou", "semantic_f"), scores["frames"]),
            **dict.fromkeys(
                ("instance_ap50", "instance_ap", "instance_j", "region_recall"),
                float(self._source_frames),
            ),
            "category_accuracy": on_source,
            "people_misnamed": scores["regions_on_people"],
            "fact_accuracy": told * on_source,
            "joint_precision": told * self._regions,
            **dict.fromkeys(
                ("fact_recall", "joint_recall", "joint_f1"), told * self._source_frames
            ),
            **{f"{name}_accuracy": told * count for name, count in told_facts.items()},
            **dict.fromkeys(
                ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d"),
                told * scores["sentences"],
            ),
        }

    def _add_frame(self, regions: list[PredictedRegion], truths: list[TrueRegion]) -> None:
        self._regions += len(regions)
        self._source_frames += len(truths)
        self._instances.add(regions, truths)
        pairs = match(pairwise_iou(regions, truths), least=MATCH_IOU)
        named_right = [self._add_pair(regions[n], truths[m]) for n, m in pairs]
        self._joint.add(named_right, regions=len(regions), source_frames=len(truths))

    def _add_pair(self, region: PredictedRegion, truth: TrueRegion) -> bool:
        """Add a region and the source it is on; return whether its sentence names the source."""
        self._category.add(region.category == truth.category)
        if self._kind(truth.category) == "person":
            self._people_misnamed.add(misnames_person(region.category, self._kind))
        if not self._has_sentences:
            return False
        said, true = self._facts(region.sentence), self._facts(truth.sentence)
        self._attributes.add(said, true)
        self._sentences.add(region.sentence, truth.sentence)
        return said.get(CATEGORY) == truth.category

    def _facts(self, sentence: str) -> Mapping[str, object]:
        return self._read(sentence) if sentence else {}

    def _mask_scores(self) -> dict[str, float]:
        scores, theirs = self._masks.scores(), self._by_avsbench.scores()
        return {
            "j": scores.j,
            "f": scores.f,
            "f_dataset": scores.f_dataset,
            "j_avsbench": theirs.j,
            "f_avsbench": theirs.f,
            "false_alarm_area": scores.false_alarm_area,
            "scenes": float(scores.videos),
            "frames": float(scores.sounding_frames + scores.silent_frames),
            "sounding_frames": float(scores.sounding_frames),
            "silent_frames": float(scores.silent_frames),
        }

    def _instance_scores(self) -> dict[str, float]:
        scores = self._instances.scores()
        miou, f = self._semantic.scores()
        return {
            **{"instance_ap50": scores.ap50, "instance_ap": scores.ap, "instance_j": scores.j},
            **{"semantic_miou": miou, "semantic_f": f},
        }

    def _joint_scores(self) -> dict[str, float]:
        scores = self._joint.scores()
        return {
            "region_recall": scores.region_recall,
            "fact_accuracy": scores.fact_accuracy,
            "fact_recall": scores.recall,
            "joint_precision": scores.precision,
            "joint_recall": scores.recall,
            "joint_f1": scores.f1,
        }

    def _sentence_scores(self) -> dict[str, float]:
        scores = self._sentences.scores()
        return {
            **{f"bleu_{n}": score for n, score in enumerate(scores.bleu, start=1)},
            "rouge_l": scores.rouge_l,
            "cider_d": scores.cider_d,
            "sentences": float(scores.pairs),
        }


def _check(truth: Scene, regions: Sequence[Sequence[PredictedRegion]]) -> None:
    """Raise ValueError unless there is a list of regions per frame, each as large as the truth."""
    t, h, w = truth.frames.shape[:3]
    if len(regions) != t:
        raise ValueError(f"regions of {len(regions)} frames for a scene of {t}")
    wrong = {region.mask.shape for frame in regions for region in frame} - {(h, w)}
    if wrong:
        raise ValueError(f"region masks of {sorted(wrong)} in a scene of {(h, w)}")
