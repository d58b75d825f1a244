"""The variants of an ablation: what each leaves out of the whole, as changes of its experiment.

SSS, AVC, SSU-D and SSU-S are named by SSUFormer's authors; how each is trained is ours
(`docs/research.md`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from training import experiment as experiments
from training.experiment import Experiment, Stage

WHOLE = "ssu"

_DESCRIPTION_ONLY = (
    *("losses.mask=0", "losses.dice=0", "losses.union=0"),
    "least_truth_share=1",
)
_UNION_ONLY = tuple(
    f"losses.{name}=0"
    for name in (
        *("sounding", "category", "mask", "dice", "heard", "seen", "caption", "balance"),
        *("queries_apart", "masks_apart"),
    )
)


@dataclass(frozen=True, slots=True)
class Variant:
    """An experiment that leaves something out."""

    leaves_out: str
    changes: tuple[str, ...] = ()
    """Fields of the experiment, as `--set` takes them."""
    without: str = ""
    """The kind of data that is not trained on."""

    def experiment(self, config: Path, changes: Iterable[str]) -> Experiment | None:
        """Return the variant of an experiment file; None if it has nothing of what is left out."""
        whole = experiments.read(config, [*changes, *self.changes])
        if not self.without:
            return whole
        kept = tuple(source for source in whole.data if source.kind != self.without)
        if len(kept) in (0, len(whole.data)):
            return None
        return whole.model_copy(update={"data": kept})


VARIANTS = {
    WHOLE: Variant("nothing: masks and sentences, trained together"),
    "sss": Variant(
        "all but one mask of what sounds: neither sources, categories nor sentences are trained",
        _UNION_ONLY,
    ),
    "avc": Variant(
        "masks, and regions in sentences: they are told from the whole picture and the sound",
        (*_DESCRIPTION_ONLY, "model.mcm=false"),
    ),
    "ssu-d": Variant("masks: sentences are learned under true ones", _DESCRIPTION_ONLY),
    "ssu-s": Variant("sentences", ("losses.caption=0", "losses.balance=0")),
    "without-mcm": Variant(
        "the mask in region tokens: all see the whole frame", ("model.mcm=false",)
    ),
    "without-mohe": Variant(
        "prompted experts: a plain feed-forward layer in their place", ("model.mohe=false",)
    ),
    "pyramid-prompts": Variant(
        "prompts of scene, source and region: what the region is at strides 4, 8 and 16",
        ("model.prompts=pyramid",),
    ),
    "word-prompts": Variant(
        "prompts of scene, source and region as they are: words for them, one after the other",
        ("model.prompts=words",),
    ),
    "concatenation": Variant(
        "the gate of region tokens: they are concatenated with what is around",
        ("model.gate=concatenation",),
    ),
    "without-published": Variant(
        "published weights: the same encoders begin at random and learn",
        ("published=false", "frozen=[]"),
    ),
    "without-photographic": Variant("scenes like films", without="photographic"),
    "without-composed": Variant("composed scenes", without="composed"),
    "without-filmed": Variant("filmed clips", without="filmed"),
}  # fmt: skip


def of_steps(experiment: Experiment, steps: int) -> Experiment:
    """Return the experiment with about so many steps, in the proportions of its stages.

    Each stage keeps one step at least, and so does the warm-up, which is shortened alike.
    """
    share = steps / experiment.steps
    stages = tuple(
        Stage.model_validate({**stage.model_dump(), "steps": max(1, round(stage.steps * share))})
        for stage in experiment.stages
    )
    warm_up = max(1, round(experiment.warmup_steps * share))
    return experiment.model_copy(update={"stages": stages, "warmup_steps": warm_up})
