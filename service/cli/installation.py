"""Installed versions: of this project and of the packages it requires."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

NAME = "ssuformer"
_PROJECT_FILE = Path(__file__).parents[2] / "pyproject.toml"
_EXTRA = re.compile(r"""extra == ['"](?!server['"])""")
_PACKAGE_NAME = re.compile(r"[A-Za-z0-9._-]+")


def version() -> str:
    """Return the version of this project; in a checkout, the version in its project file."""
    installed = version_of(NAME)
    return installed or f"{_project().get('version', 'unknown')} (not installed)"


def version_of(package: str) -> str | None:
    """Return the installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def required_packages() -> list[str]:
    """Return the names of the packages that the service requires: those of the extra `server`."""
    try:
        stated = metadata.requires(NAME) or []
    except metadata.PackageNotFoundError:
        project = _project()
        extras = project.get("optional-dependencies", {})
        stated = [*project.get("dependencies", []), *extras.get("server", [])]
    names = [_PACKAGE_NAME.match(line) for line in stated if not _EXTRA.search(line)]
    return sorted(name.group() for name in names if name is not None)


def _project() -> dict[str, Any]:
    if not _PROJECT_FILE.is_file():
        return {}
    project: dict[str, Any] = tomllib.loads(_PROJECT_FILE.read_text())["project"]
    return project
