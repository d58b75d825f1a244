"""The family of segmentation models, one file each; `ModelConfig.family` chooses."""

from __future__ import annotations

from ssuformer.model.config import ModelConfig
from ssuformer.model.family.avesformer import AvesFormer
from ssuformer.model.family.catr import Catr
from ssuformer.model.family.pcmanet import PcmaNet
from ssuformer.model.family.ssuformer import SSUFormer
from ssuformer.model.family.tpavi import Tpavi
from ssuformer.model.family.transavs import TransAVS
from ssuformer.model.sound_source_model import SoundSourceModel

FAMILY: dict[str, type[SoundSourceModel]] = {
    "ssuformer": SSUFormer,
    "tpavi": Tpavi,
    "transavs": TransAVS,
    "catr": Catr,
    "avesformer": AvesFormer,
    "pcmanet": PcmaNet,
}
"""By the name that `ModelConfig.family` gives."""


def build(config: ModelConfig) -> SoundSourceModel:
    """Return the model that `config` names, with random weights."""
    return FAMILY[config.family](config)
