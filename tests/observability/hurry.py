"""The committed rules with every duration sixty times shorter, so that a test can wait for them.

A window is ten seconds at least: it has to hold some scrapes.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

TIMES = 60
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?<=[\[:])\d+[smhd](?=[\]:])|(?<=offset )\d+[smhd]")


def hurried(rules: Path, written: Path) -> Path:
    """Write the rules so; names, thresholds and everything else stay as they are."""
    content = yaml.safe_load(rules.read_text())
    for group in content["groups"]:
        for rule in group["rules"]:
            rule["expr"] = _DURATION.sub(lambda found: shortened(found[0], least=10), rule["expr"])
            if "for" in rule:
                rule["for"] = shortened(rule["for"], least=0)
    written.write_text(yaml.safe_dump(content, sort_keys=False))
    return written


def shortened(duration: str, *, least: int) -> str:
    """Return a sixtieth of a duration such as `5m`, or so many seconds at least."""
    whole = int(duration[:-1]) * _SECONDS[duration[-1]]
    return f"{max(least, whole // TIMES)}s"
