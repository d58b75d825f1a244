"""A manifest comes back as it was written, or the error says which file and field is wrong."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ssuformer.errors import ConfigError
from ssuformer.manifest import FILE_NAME, Manifest, Thresholds, digest

COMMITTED = Path("training/checkpoints/small")


def fields() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((COMMITTED / FILE_NAME).read_text())
    return content


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    manifest = Manifest.read(COMMITTED).model_copy(
        update={
            "author": "Žofie Ångström 中",
            "vocabulary": ("<pad>", "é", '"', "\\"),
            "thresholds": Thresholds(sounding=0.3, mask=1 / 3),
            "metrics": {"test": {"iou": 0.1 + 0.2}},
        }
    )

    manifest.write(tmp_path)

    assert Manifest.read(tmp_path) == manifest


def test_a_manifest_is_written_and_read_in_utf8_whatever_the_locale(tmp_path: Path) -> None:
    manifest = Manifest.read(COMMITTED).model_copy(update={"author": "Žofie"})
    manifest.write(tmp_path)
    program = (
        "from pathlib import Path; from ssuformer.manifest import Manifest; "
        f"folder = Path({str(tmp_path)!r}); Manifest.read(folder).write(folder)"
    )
    ascii_locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    subprocess.run([sys.executable, "-c", program], env=os.environ | ascii_locale, check=True)

    assert Manifest.read(tmp_path) == manifest


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        (("steps",), "many", "steps"),
        (("created",), "yesterday", "created"),
        (("dimensions", "queries"), 0, r"dimensions\.queries"),
        (("thresholds", "mask"), 1.5, r"thresholds\.mask"),
        (("thresholds", "volume"), 0.5, r"thresholds\.volume"),
        (("metrics", "test"), {"iou": "high"}, r"metrics\.test\.iou"),
        (("categories",), "dog", "categories"),
        (("nouns",), ["dog"], "nouns and verbs"),
        (("thresholds", "heard"), -0.1, r"thresholds\.heard"),
        (("surprise",), 1, "surprise"),
    ],
)
def test_a_wrong_field_is_named_with_its_file(
    place: tuple[str, ...], value: object, named: str, tmp_path: Path
) -> None:
    content = fields()
    inner = content
    for key in place[:-1]:
        inner = inner.setdefault(key, {})
    inner[place[-1]] = value
    (tmp_path / FILE_NAME).write_text(json.dumps(content))

    with pytest.raises(ConfigError, match=named) as raised:
        Manifest.read(tmp_path)

    assert str(tmp_path / FILE_NAME) in raised.value.message
    assert "\n" not in raised.value.message


def test_every_field_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{}")

    with pytest.raises(ConfigError) as raised:
        Manifest.read(tmp_path)

    required = [name for name, field in Manifest.model_fields.items() if field.is_required()]
    assert raised.value.message.endswith("; ".join(f"{name}: Field required" for name in required))


@pytest.mark.parametrize(
    "content", [b"", b"half a manif", b"[]", b"null", b"\xff\xfe\x00", b'{"name": "\xe9"}']
)
def test_a_file_that_is_no_json_object_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)

    with pytest.raises(ConfigError) as raised:
        Manifest.read(tmp_path)

    assert f"{tmp_path / FILE_NAME} is not a manifest" in raised.value.message


def test_a_folder_without_a_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{tmp_path / FILE_NAME} does not exist"):
        Manifest.read(tmp_path)


def test_a_folder_in_the_place_of_the_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()

    with pytest.raises(ConfigError, match=f"{tmp_path / FILE_NAME} cannot be read: Is a directory"):
        Manifest.read(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(ConfigError, match=f"{file / FILE_NAME} cannot be read: Not a directory"):
        Manifest.read(file)


def test_a_large_file_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    file, content = tmp_path / "file", bytes(range(256)) * 5000
    file.write_bytes(content)

    assert digest(file) == hashlib.sha256(content).hexdigest()
