"""What pretrained classifiers hear and see, as evidence for the categories.

Every category is tied to classes of the audio encoder (AudioSet) and of the vision encoder
(ImageNet). Their scores are evidence for any category, also for one that no training scene shows;
scalars shared by all categories weigh it. A category is also tied to broader classes of AudioSet:
of a violin in a band, YAMNet often hears no more than music, and the picture says which
instrument plays it.

Axes: b clips, t seconds, q queries, k categories, y x cells at stride 32, h w mask pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from ssuformer.model.config import ModelConfig
from ssuformer.model.draws import Draws

LEAST_LOGIT = -6.0
"""Audio logits below it count as "not heard at all"."""
LEAST_PROBABILITY = 1e-3
"""Image probabilities below it count as "not seen at all"."""
DROPPED = 0.5
"""Share of the learned categories that a training step treats as unlearned, so that the weights
of the evidence fit categories without scenes too, and names do not rest on few recordings."""
DEAFENED = 5.0
"""A training step lowers half of the audio logits by up to this much: of an instrument in a film
YAMNet often hears no more than music, of the clear recordings of training always what it is."""

PLACES = 4
"""Maps of where something is seen that is heard: two ways to see times two ways to hear."""


def _membership(classes: Sequence[Sequence[int]], count: int) -> Float[Tensor, "n k"]:
    """Return 1 where class n belongs to category k."""
    table = torch.zeros(count, len(classes))
    for category, members in enumerate(classes):
        table[list(members), category] = 1.0
    return table


class Evidence(Draws):
    """Scores of the encoders' classifiers, summed up by category and weighed."""

    heard_index: Tensor
    broad_index: Tensor
    seen_table: Tensor
    learned: Tensor
    looks: Tensor

    def __init__(self, config: ModelConfig, *, audio_count: int, image_count: int) -> None:
        super().__init__()
        categories = config.categories
        learned = torch.ones(categories)
        learned[list(config.unlearned)] = 0.0
        heard = _padded(config.audio_classes, missing=audio_count)
        broad = _padded(config.broad_classes or ((),) * categories, missing=audio_count)
        self.register_buffer("heard_index", heard, persistent=False)
        self.register_buffer("broad_index", broad, persistent=False)
        self.register_buffer(
            "seen_table", _membership(config.image_classes, image_count), persistent=False
        )
        self.register_buffer("learned", learned, persistent=False)
        looks = config.looks or tuple(range(categories))
        self.register_buffer("looks", torch.tensor(looks), persistent=False)
        self.heard_weight = nn.Parameter(torch.tensor(0.7))
        self.broad_weight = nn.Parameter(torch.tensor(0.1))
        self.seen_weight = nn.Parameter(torch.tensor(0.4))
        self.unlearned_bias = nn.Parameter(torch.tensor(0.0))
        self.presence_weight = nn.Parameter(torch.tensor(1.0))
        self.presence_bias = nn.Parameter(torch.tensor(1.5))
        self.support = nn.Parameter(torch.zeros(PLACES))

    def heard(self, classes: Float[Tensor, "b n"]) -> Float[Tensor, "b k"]:
        """Return the audio logit of each category, at least `LEAST_LOGIT`."""
        heard = _loudest(classes, self.heard_index)
        if self.training:
            lowered = (self.uniform(heard) * 2 - 1).clamp(min=0) * DEAFENED
            heard = (heard - lowered).clamp(min=LEAST_LOGIT)
        return heard

    def broad(self, classes: Float[Tensor, "b n"]) -> Float[Tensor, "b k"]:
        """Return the audio logit of each category's broader classes, at least `LEAST_LOGIT`."""
        return _loudest(classes, self.broad_index)

    def seen(self, classes: Float[Tensor, "b y x n"]) -> Float[Tensor, "b y x k"]:
        """Return the probability of each category in every cell."""
        return classes.float().softmax(dim=-1) @ self.seen_table

    def presence(
        self, learned: Float[Tensor, "b t k"], heard: Float[Tensor, "b t k"] | None
    ) -> Float[Tensor, "b t k"]:
        """Return logits that a category is heard: learned, plus the encoder's, calibrated."""
        logits = learned.float() * self._known()
        if heard is None:
            return logits
        return logits + self.presence_weight * heard + self.presence_bias

    def _known(self) -> Float[Tensor, " k"]:
        """Return 1 for the categories to be named by what is learned; some drop out in training."""
        if not self.training:
            return self.learned
        kept = (torch.rand_like(self.learned) >= DROPPED).to(self.learned.dtype)
        kept[-1] = 1.0
        return self.learned * kept

    def name(
        self,
        learned: Float[Tensor, "b t q k"],
        heard: Float[Tensor, "b t k"] | None,
        broad: Float[Tensor, "b t k"] | None,
        seen: Float[Tensor, "bt y x k"] | None,
        masks: Float[Tensor, "b t q h w"],
    ) -> Float[Tensor, "b t q k"]:
        """Return category logits: what is learned, plus what is heard and seen under the mask."""
        known = self._known()
        logits = learned.float() * known + self.unlearned_bias * (1.0 - known)
        if heard is not None:
            logits = logits + self.heard_weight * (heard.float() - LEAST_LOGIT).unsqueeze(2)
        if broad is not None:
            logits = logits + self.broad_weight * (broad.float() - LEAST_LOGIT).unsqueeze(2)
        if seen is not None:
            logits = logits + self.seen_weight * torch.log(
                under(masks, seen) / LEAST_PROBABILITY + 1.0
            )
        return logits

    def supported(
        self,
        sounding: Float[Tensor, "b t q"],
        places: Float[Tensor, "bt y x p"],
        masks: Float[Tensor, "b t q h w"],
    ) -> Float[Tensor, "b t q"]:
        """Return the sounding logits, raised where ear and eye agree under the mask."""
        return sounding + (under(masks, places) + 1.0) @ self.support


def under(
    masks: Float[Tensor, "b t q h w"], values: Float[Tensor, "bt y x n"]
) -> Float[Tensor, "b t q n"]:
    """Return the mean of values under the masks (logits); 0 under an empty one.

    By exponentials, as onnxruntime's sigmoid is only exact to about 1e-7: too little where all of a
    mask is near zero, and the mean is of what little there is.
    """
    b = masks.shape[0]
    odds = masks.float().clamp(max=30.0).exp()
    shares = odds / (1.0 + odds)
    cells = F.avg_pool2d(shares.flatten(0, 1), masks.shape[-1] // values.shape[2])
    weights = rearrange(cells, "bt q y x -> bt q (y x)")
    weights = weights / (weights.sum(dim=-1, keepdim=True) + 1e-3)
    pooled = weights @ rearrange(values.float(), "bt y x n -> bt (y x) n")
    return rearrange(pooled, "(b t) q n -> b t q n", b=b)


def _padded(classes: Sequence[Sequence[int]], *, missing: int) -> Tensor:
    """Return the classes of each category as a table, filled up with a class never heard."""
    longest = max(1, *(len(members) for members in classes))
    return torch.tensor([[*members, *[missing] * (longest - len(members))] for members in classes])


def _loudest(classes: Float[Tensor, "b n"], index: Int64[Tensor, "k m"]) -> Float[Tensor, "b k"]:
    silent = torch.full_like(classes[:, :1], LEAST_LOGIT)
    every = torch.cat([classes, silent], dim=-1)
    return every[:, index].amax(dim=-1).clamp(min=LEAST_LOGIT)


def agreement(
    heard: Float[Tensor, "b k"], seen: Float[Tensor, "b y x k"]
) -> Float[Tensor, "b y x"]:
    """Return where something is seen that is heard: log of the summed products, about -1..1."""
    both = (seen * heard[:, None, None, :]).sum(dim=-1).clamp(max=1.0)
    return torch.log(both + LEAST_PROBABILITY) / 3.5 + 1.0
