"""A program in the place of a decoding process, whose errors quote the clip."""

from __future__ import annotations

import os

from service.understanding import decoding_child, decoding_template


def _quoting(file: int, **_: object) -> None:
    raise ValueError(f"what is {os.pread(file, 2000, 0)!r}?")


if __name__ == "__main__":
    vars(decoding_child)["ClipReader"] = _quoting
    decoding_template.main()
