from pathlib import Path

import pytest

from ssuformer.errors import ConfigError
from ssuformer.manifest import Manifest
from ssuformer.model import checkpoint


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfe\x00", "Invalid JSON"),
        (b'{"heads": 0, "colour": "red"}', "heads is 0: .*; colour is 'red': "),
    ],
)
def test_a_wrong_config_is_refused_in_one_line(content: bytes, reason: str, tmp_path: Path) -> None:
    Manifest.read(Path("training/checkpoints/tiny")).write(tmp_path)
    file = tmp_path / checkpoint.CONFIG
    file.write_bytes(content)

    with pytest.raises(ConfigError, match=f"{file} is not a model's config: {reason}") as refused:
        checkpoint.load(tmp_path)

    assert "\n" not in refused.value.message
