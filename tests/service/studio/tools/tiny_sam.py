"""SAM 2.1 with random weights, small enough for a test."""

from __future__ import annotations

from pathlib import Path

from transformers import Sam2VideoConfig, Sam2VideoModel

_WIDTH = 128


def save(folder: Path) -> None:
    """Save the weights of a small video form, which the form for pictures is a part of."""
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 16,
        "embed_dim_per_stage": [16, 32, 64, 128],
        "blocks_per_stage": [1, 1, 1, 1],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [4, 2, 4, 2],
        "global_attention_blocks": [],
        "image_size": [128, 128],
    }
    vision = {
        "backbone_config": backbone,
        "backbone_channel_list": [128, 64, 32, 16],
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        "fpn_hidden_size": _WIDTH,
    }
    decoder = {
        "hidden_size": _WIDTH,
        "mlp_dim": 64,
        "num_attention_heads": 2,
        "iou_head_hidden_dim": 32,
    }
    config = Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config={
            "hidden_size": _WIDTH,
            "image_size": 128,
            "patch_size": 16,
            "mask_input_channels": 4,
        },
        mask_decoder_config=decoder,
        image_size=128,
        memory_attention_hidden_size=_WIDTH,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=64,
        memory_attention_rope_feat_sizes=[8, 8],
        memory_encoder_hidden_size=_WIDTH,
        memory_encoder_output_channels=64,
        mask_downsampler_embed_dim=_WIDTH,
        memory_fuser_num_layers=1,
        memory_fuser_embed_dim=_WIDTH,
        memory_fuser_intermediate_dim=64,
    )
    Sam2VideoModel(config).save_pretrained(folder)
