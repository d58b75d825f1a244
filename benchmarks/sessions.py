"""ONNX files on onnxruntime, opened as in serving."""

from __future__ import annotations

from pathlib import Path

import onnxruntime


def open_session(path: Path, *, threads: int) -> onnxruntime.InferenceSession:
    """Load an ONNX file as in serving: this many threads, without spinning."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
