import pytest

from ssuformer.contract import Dimensions, caption_engine, segmentation_engine

SIZE = Dimensions(
    queries=4, mask_size=56, categories=7, region_tokens=5, channels=32, caption_tokens=12
)


def test_a_shape_replaces_every_dynamic_axis() -> None:
    frames = segmentation_engine(SIZE).inputs[0]

    assert frames.shape(b=2, t=5) == (2, 5, 224, 224, 3)


def test_a_missing_size_is_an_error() -> None:
    with pytest.raises(KeyError, match="t"):
        segmentation_engine(SIZE).inputs[0].shape(b=2)


def test_dynamic_axes_are_those_without_a_number() -> None:
    axes = caption_engine(SIZE).dynamic_axes

    assert set(axes) == {
        "region_tokens", "scene_prompt", "source_prompt", "token_ids", "log_probability",
    }  # fmt: skip
    assert all(dynamic == {0: "n"} for dynamic in axes.values())


def test_what_is_heard_is_the_last_output_where_the_dimensions_ask_for_it() -> None:
    silent = segmentation_engine(SIZE).outputs

    hearing = segmentation_engine(SIZE.model_copy(update={"heard": True})).outputs

    assert hearing[:-1] == silent
    assert hearing[-1].name == "heard_probability"
    assert hearing[-1].shape(b=2, t=5) == (2, 5, SIZE.categories)


def test_what_the_caption_engine_takes_is_what_the_segmentation_engine_gives() -> None:
    given = {tensor.name: tensor for tensor in segmentation_engine(SIZE).outputs}

    for taken in caption_engine(SIZE).inputs:
        assert given[taken.name].dtype == taken.dtype
        assert given[taken.name].axes[-len(taken.axes) + 1 :] == taken.axes[1:]
