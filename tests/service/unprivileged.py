"""Run a program as in a container without root: user 10001, no capabilities, no new ones."""

from __future__ import annotations

import os
import sys
from pathlib import Path

USER = 10001
_OPENED = """
for folder in $FOLDERS; do
    closed=/$(printf %s "$folder" | cut -d/ -f2)
    spare=$(mktemp -d)
    mount --bind "$folder" "$spare"
    mountpoint -q "$closed" || mount -t tmpfs -o mode=755 tmpfs "$closed"
    mkdir -p "$folder"
    mount --move "$spare" "$folder"
done
exec setpriv --reuid USER --regid USER --clear-groups --no-new-privs --inh-caps -all \
    --bounding-set -all "$@"
"""


def unprivileged(*command: str) -> list[str]:
    """Return the command as such a user's; as it is if this is no root.

    Where Python or this project lies in a folder that only root may enter, the program sees another
    folder in its place, in a mount namespace of its own, with no more in it than Python.
    """
    if os.geteuid() != 0:
        return list(command)
    closed = {str(_below_top(Path(place))) for place in _needed() if _is_closed(Path(place))}
    script = _OPENED.replace("USER", str(USER)).replace("$FOLDERS", " ".join(sorted(closed)))
    return ["unshare", "--mount", "sh", "-euc", script, "sh", *command]


def _needed() -> set[str]:
    return {sys.base_prefix, sys.prefix, str(Path.cwd())}


def _is_closed(place: Path) -> bool:
    return any(not folder.stat().st_mode & 0o001 for folder in (place, *place.parents))


def _below_top(place: Path) -> Path:
    return Path(*place.parts[:3])
