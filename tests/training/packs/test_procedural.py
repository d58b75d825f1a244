"""The pack for tests is whole, small, and the same every time."""

from __future__ import annotations

import numpy as np

from training.packs import procedural


def test_every_category_can_be_seen_and_heard_in_every_split() -> None:
    pack = procedural.pack()

    for category in pack.categories:
        for split in ("train", "val", "test", "test-style"):
            assert pack.sprites(category.name, split)
            assert pack.sounds(category.name, split)


def test_both_profiles_have_at_least_three_categories() -> None:
    profiles = [category.profile for category in procedural.pack().categories]

    assert profiles.count("music") >= 3
    assert profiles.count("lifescene") >= 3


def test_the_same_seed_gives_the_same_pack_and_another_gives_other_sounds() -> None:
    first, again, other = procedural.pack(3), procedural.pack(3), procedural.pack(4)

    for mine, same, different in zip(
        *(pack.sounds("square", "train") for pack in (first, again, other)), strict=True
    ):
        np.testing.assert_array_equal(mine, same)
        assert mine.shape != different.shape or not np.array_equal(mine, different)


def test_no_sound_is_shared_between_train_and_test() -> None:
    pack = procedural.pack()

    for category in pack.categories:
        train = {item.path for item in pack.items("sound", category.name, "train")}
        test = {item.path for item in pack.items("sound", category.name, "test")}
        assert not train & test


def test_cut_outs_are_neither_empty_nor_without_a_transparent_part() -> None:
    pack = procedural.pack()

    for category in pack.categories:
        for sprite in pack.sprites(category.name, "test"):
            covered = (sprite[..., 3] > 127).mean()
            assert 0.2 < covered < 0.95
