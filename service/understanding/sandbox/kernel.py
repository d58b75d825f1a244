"""System calls that Python has no function for, through the C library."""

from __future__ import annotations

import ctypes
import os
from functools import cache

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION = 0x20080522

Argument = int | bytes | ctypes.Array[ctypes.c_char] | None


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def call(function: str, *arguments: Argument) -> int:
    """Call a function of the C library; raise OSError if it fails."""
    # Plain numbers would be passed as 32 bits.
    wide = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result = int(getattr(_libc(), function)(*wide))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def prctl(option: int, value: int) -> None:
    """Change a property of this process; raise OSError if the kernel refuses."""
    call("prctl", option, value, 0, 0, 0)


def drop_capabilities() -> None:
    """Give up all capabilities of this thread."""
    header = _CAPABILITY_VERSION.to_bytes(4, "little") + bytes(4)
    call("capset", header, bytes(24))
