"""Inference engines: one file per backend, all behind the Protocol in `engine`."""
