"""Shapes in signatures are checked by the whole suite, in every module that writes any."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import jaxtyping
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("ssuformer", "training", "model_export", "service", "benchmarks")

SHAPED = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for package in PACKAGES
    for file in sorted((ROOT / package).rglob("*.py"))
    if "from jaxtyping import" in file.read_text()
]
"""All else has plain types, which mypy holds."""

TRACED = (ROOT / "tests/model_export", ROOT / "tests/triton")
"""Here models are exported: `torch.export` traces the checks too, and cannot take them in loops."""

os.chdir(ROOT)  # tests name the project's files from its root, wherever pytest is started

jaxtyping.install_import_hook(SHAPED, "beartype.beartype")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Check shapes while a test runs, with what it sets up, but where models are traced."""
    traced = any(folder in item.path.parents for folder in TRACED)
    jaxtyping.config.update("jaxtyping_disable", traced)
    return (yield)
